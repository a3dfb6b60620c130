//! Files that are as their writer left them give the plain documents.

use crate::encryptor::{File, T, age_file, armoured, identity, secret};
use sops::{Format, Identities, SopsError, decrypt, is_encrypted};

const FLUX: &str = include_str!("../../../../testdata/sops-age-flux.yaml");
/// Published with that file.
const FLUX_KEY: &str = "AGE-SECRET-KEY-10U7MAELH09KZU63F65P2TYLN7TQM5X6GSDDCQ4YMUGDS3DS6XZMSTYY2PN";

pub(crate) fn keys(seed: u8) -> Identities {
    let (keys, wrong) = Identities::parse(&format!("# test\n{}\n", identity(&secret(seed))));
    assert_eq!(wrong, []);
    keys
}

pub(crate) fn example() -> T {
    T::M(vec![
        ("apiVersion", T::S("v1")),
        ("kind", T::S("Secret")),
        ("metadata", T::M(vec![("name", T::S("db")), ("labels", T::M(vec![("n", T::S("1"))]))])),
        (
            "stringData",
            T::M(vec![
                ("user", T::S("canary-user")),
                ("empty", T::S("")),
                ("unicode", T::S("grüße: \"x\"\n# no comment")),
                ("nothing", T::N),
            ]),
        ),
        (
            "data",
            T::L(vec![
                T::F(1.5),
                T::B(true),
                T::B(false),
                T::M(vec![("deep", T::L(vec![T::S("canary-a"), T::S("canary-b")]))]),
                T::M(vec![]),
                T::L(vec![]),
            ]),
        ),
        ("plain", T::L(vec![T::F(-0.25), T::B(true), T::N, T::S("yes"), T::S("2026-01-02")])),
    ])
}

#[test]
fn gitops_18_a_file_of_the_real_sops_is_decrypted_and_its_code_holds() {
    let (keys, wrong) = Identities::parse(FLUX_KEY);
    assert_eq!(wrong, []);
    assert_eq!(
        keys.recipients(),
        ["age1henwn645drkd3fa34t27t2w2x0nsgw3w4h62gmg5x5xflyjpy38s5cncph"]
    );
    let decrypted = decrypt(FLUX.as_bytes(), Format::Yaml, &keys).unwrap();
    let [document] = decrypted.documents() else { panic!("{decrypted:?}") };
    assert_eq!(document["metadata"]["name"], "global-age-secret");
    assert_eq!(document["stringData"]["key"].as_str().map(str::len), Some(12));
    assert!(document.get("sops").is_none());
    // The code covers what is plain in the file too.
    let changed = FLUX.replace("namespace: default", "namespace: defaulx");
    assert!(matches!(decrypt(changed.as_bytes(), Format::Yaml, &keys), Err(SopsError::Mac)));
}

#[test]
fn gitops_18_every_type_and_rule_is_decrypted_in_yaml_and_json() {
    type Encrypts = fn(&[&str]) -> bool;
    let rules: [(&str, Encrypts); 5] = [
        ("", |path| !path.iter().any(|key| key.ends_with("_unencrypted"))),
        ("unencrypted_suffix: Version", |path| !path.iter().any(|key| key.ends_with("Version"))),
        ("encrypted_suffix: Data", |path| path.iter().any(|key| key.ends_with("Data"))),
        ("unencrypted_regex: ^(kind|metadata)$", |path| {
            !path.iter().any(|key| matches!(*key, "kind" | "metadata"))
        }),
        ("encrypted_regex: ata", |path| path.iter().any(|key| key.contains("ata"))),
    ];
    for (rule, encrypts) in rules {
        for mac_only_encrypted in [false, true] {
            let file = File { rule, encrypts, mac_only_encrypted, ..File::of(example()) };
            for (text, format) in [(file.yaml(), Format::Yaml), (file.json(), Format::Json)] {
                let decrypted = decrypt(text.as_bytes(), format, &keys(1));
                let decrypted =
                    decrypted.unwrap_or_else(|e| panic!("{rule} {format}: {e:?}\n{text}"));
                assert_eq!(decrypted.documents(), [example().plain()], "{rule} {format}");
                assert!(!text.contains("canary-user"), "{text}");
            }
        }
    }
}

#[test]
fn numbers_of_yaml_keep_their_type_and_their_text_in_the_code() {
    let tree = T::M(vec![
        ("data", T::L(vec![T::I(-7), T::I(i64::MAX), T::F(1e21), T::F(0.1), T::F(1e-7)])),
        ("mode", T::I(420)),
    ]);
    let file = File::of(tree);
    let text = file.yaml();
    let decrypted = decrypt(text.as_bytes(), Format::Yaml, &keys(1)).unwrap();
    assert_eq!(decrypted.documents(), [file.documents[0].plain()]);
    // Another spelling of the same number is the same value to SOPS.
    let octal = text.replace("mode: 420", "mode: 0644");
    assert_eq!(decrypt(octal.as_bytes(), Format::Yaml, &keys(1)).unwrap(), decrypted);
}

#[test]
fn comments_have_no_part_in_the_code() {
    let text = File::of(example()).yaml();
    let with = text.replace("metadata:", "# a comment\n#ENC[AES256_GCM,data:x]\nmetadata: # x");
    assert!(with != text && decrypt(with.as_bytes(), Format::Yaml, &keys(1)).is_ok());
}

#[test]
fn several_documents_have_one_code() {
    let second = T::M(vec![("data", T::S("second"))]);
    let file = File { documents: vec![example(), second], ..File::of(T::N) };
    let text = file.yaml();
    let decrypted = decrypt(text.as_bytes(), Format::Yaml, &keys(1)).unwrap();
    assert_eq!(decrypted.documents(), [file.documents[0].plain(), file.documents[1].plain()]);
    let (first, rest) = text.split_once("---\n").unwrap();
    let swapped = format!("{rest}---\n{first}");
    for cut in [first, rest, &swapped] {
        let refused = decrypt(cut.as_bytes(), Format::Yaml, &keys(1)).unwrap_err();
        assert!(matches!(refused, SopsError::Mac), "{refused}");
    }
}

#[test]
fn any_recipient_can_decrypt_and_other_key_services_do_not_matter_then() {
    let file = File {
        recipients: vec![secret(1), secret(2), secret(3)],
        extra: "kms:\n    - arn: x\n      enc: y\npgp: []\nhc_vault:\n    - enc: z",
        ..File::of(example())
    };
    let text = file.yaml();
    for seed in [1, 2, 3] {
        assert!(decrypt(text.as_bytes(), Format::Yaml, &keys(seed)).is_ok());
    }
    let error = decrypt(text.as_bytes(), Format::Yaml, &keys(4)).unwrap_err().to_string();
    for word in ["age1test1", "age1test3", "AWS KMS", "HashiCorp Vault"] {
        assert!(error.contains(word), "{error}");
    }
    assert!(!error.contains("OpenPGP"), "{error}");
    assert!(is_encrypted(&serde_json::json!({"sops": {"age": []}})));
}

#[test]
fn one_age_file_may_be_for_several_recipients() {
    let file = age_file(&[&secret(8), &secret(9)], b"content");
    for seed in [8, 9] {
        let plain = sops::age::decrypt(&file, &keys(seed)).unwrap();
        assert_eq!(plain.as_slice(), b"content");
        let plain = sops::age::decrypt(armoured(&file).as_bytes(), &keys(seed)).unwrap();
        assert_eq!(plain.as_slice(), b"content");
    }
}
