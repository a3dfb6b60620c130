//! Files that are not as their writer left them, or use what is not accepted, give nothing.

use crate::encryptor::{File, T, age_file, armoured, identity, seal, secret};
use crate::whole::{example, keys};
use model::Explain as _;
use sops::age::AgeError;
use sops::{Format, Identities, SopsError, ValueError, decrypt};

fn refuse(text: &str) -> SopsError {
    let error = decrypt(text.as_bytes(), Format::Yaml, &keys(1)).unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    error
}

/// The lines of a text with two of them swapped.
fn swapped(text: &str, first: &str, second: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let at = |word: &str| lines.iter().position(|line| line.trim().starts_with(word)).unwrap();
    let (first, second) = (at(first), at(second));
    lines.swap(first, second);
    lines.join("\n")
}

#[test]
fn gitops_18_a_wrong_code_or_reordered_keys_are_refused() {
    let text = File::of(example()).yaml();
    assert!(matches!(refuse(&swapped(&text, "apiVersion:", "kind:")), SopsError::Mac));
    assert!(matches!(refuse(&swapped(&text, "user:", "unicode:")), SopsError::Mac));
    assert!(matches!(refuse(&text.replace("name: \"db\"", "name: \"dc\"")), SopsError::Mac));
    let removed: String =
        text.lines().filter(|line| !line.contains("user:")).map(|l| format!("{l}\n")).collect();
    assert!(matches!(refuse(&removed), SopsError::Mac));
    let emptied = text.lines().map(|line| match line.split_once("user:") {
        Some((before, _)) => format!("{before}user: \"\"\n"),
        None => format!("{line}\n"),
    });
    assert!(matches!(refuse(&emptied.collect::<String>()), SopsError::Mac));
    let added = text.replace("kind:", "added: 1\nkind:");
    assert!(matches!(refuse(&added), SopsError::Mac));
    // The code of another time is not the code of this one.
    let other_time = text.replace("lastmodified: \"2026", "lastmodified: \"2025");
    assert!(matches!(refuse(&other_time), SopsError::MacValue { source: ValueError::Forged }));
}

#[test]
fn gitops_18_a_value_that_was_moved_or_changed_is_refused_with_its_path() {
    let text = File::of(example()).yaml();
    let renamed = text.replace("    user:", "    admin:");
    let SopsError::Value { path, source, document } = refuse(&renamed) else { panic!() };
    assert_eq!((path.as_str(), source, document), ("stringData.admin", ValueError::Forged, 1));
    let deep = text.replace("deep:", "seep:");
    let SopsError::Value { path, source, .. } = refuse(&deep) else { panic!() };
    assert_eq!((path.as_str(), source), ("data[3].seep[0]", ValueError::Forged));
    let at = text.find("user: \"ENC[AES256_GCM,data:").unwrap() + 27;
    let mut changed = text.clone();
    let letter = if &text[at..=at] == "A" { "B" } else { "A" };
    changed.replace_range(at..=at, letter);
    let SopsError::Value { path, .. } = refuse(&changed) else { panic!() };
    assert_eq!(path, "stringData.user");
}

#[test]
fn gitops_18_a_value_that_should_be_encrypted_and_is_not_is_refused() {
    let text = File::of(example()).yaml();
    for plain in ["by hand", "12", "true", "ENC[AES256_GCM,data:x]"] {
        let line = text.lines().find(|line| line.contains("user:")).unwrap();
        let SopsError::Value { path, source, .. } =
            refuse(&text.replace(line, &format!("    user: {plain}")))
        else {
            panic!()
        };
        assert_eq!(path, "stringData.user");
        assert!(matches!(source, ValueError::NotEncrypted | ValueError::Malformed), "{source}");
    }
}

#[test]
fn gitops_18_values_of_another_type_than_they_say_are_refused() {
    for (plain, kind, expected) in [
        ("x", "int", ValueError::Type),
        ("x", "float", ValueError::Type),
        ("x", "bool", ValueError::Type),
        ("x", "other", ValueError::UnknownType),
        ("inf", "float", ValueError::NotExpressible),
    ] {
        let text = File::of(T::M(vec![("data", T::S("value"))])).yaml();
        let line = text.lines().next().unwrap();
        let value = seal(plain.as_bytes(), "data:", kind, 1);
        let SopsError::Value { source, .. } =
            refuse(&text.replace(line, &format!("data: {value}")))
        else {
            panic!()
        };
        assert_eq!(source, expected, "{plain} {kind}");
    }
}

#[test]
fn gitops_18_stripped_or_broken_metadata_are_refused_and_named() {
    let text = File::of(example()).yaml();
    let (plain, _) = text.split_once("sops:").unwrap();
    let without = |key: &str| -> String {
        text.lines()
            .filter(|line| !line.trim().starts_with(key))
            .map(|l| format!("{l}\n"))
            .collect()
    };
    for (text, word) in [
        (plain.to_owned(), "stripped"),
        (format!("{plain}sops: x\n"), "not a mapping"),
        (without("mac:"), "`mac` is missing"),
        (without("lastmodified:"), "`lastmodified` is missing"),
        (format!("{text}---\na: 1\n"), "document 2"),
        (
            text.replace("encrypted_regex: ^(data|stringData)$", "encrypted_regex: ("),
            "`encrypted_regex`",
        ),
        (format!("{text}    encrypted_suffix: x\n"), "only one of"),
        (format!("{text}    encrypted_comment_regex: x\n"), "rules on comments"),
        (format!("{text}    mac_only_encrypted: maybe\n"), "`mac_only_encrypted`"),
        ("".to_owned(), "no document"),
        ("- a\n".to_owned(), "not a mapping"),
    ] {
        let error = refuse(&text);
        assert!(matches!(error, SopsError::Metadata { .. }), "{word}: {error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
    // Other rules than the writer's do not turn the file into another one.
    for rule in ["encrypted_regex: ^data$", "unencrypted_suffix: x", "mac_only_encrypted: true"] {
        let other = text.replace("encrypted_regex: ^(data|stringData)$", rule);
        refuse(&other);
    }
}

#[test]
fn shamir_groups_are_refused_by_name() {
    let text = File::of(example()).yaml();
    for more in ["    shamir_threshold: 2\n", "    key_groups:\n        - age: []\n"] {
        assert!(matches!(refuse(&format!("{text}{more}")), SopsError::Shamir));
    }
}

#[test]
fn what_sops_does_not_write_is_refused_with_its_place() {
    let text = File::of(example()).yaml();
    for (text, line, word) in [
        ("a: &x 1\n".to_owned() + &text, 1, "anchors"),
        ("a: !!binary aa\n".to_owned() + &text, 1, "tags"),
        (text.clone() + "kind: again\n", 0, "twice"),
        ("1: a\n".to_owned() + &text, 1, "not a text"),
        ("a: b\n<<: {}\n".to_owned() + &text, 2, "merge"),
        ("a: [\n".to_owned() + &text, 0, ""),
        (format!("a: {}1{}\n", "[".repeat(100), "]".repeat(100)), 1, "levels"),
    ] {
        let SopsError::Parse { line: told, what, .. } = refuse(&text) else { panic!("{word}") };
        assert!(line == 0 || told == line, "{word}: line {told}");
        assert!(what.contains(word), "{what}");
    }
    let deep = format!("a: {}1{}\n", "[".repeat(99), "]".repeat(99));
    assert!(matches!(refuse(&deep), SopsError::Metadata { .. }), "99 and 1 levels are accepted");
    for (json, word) in [
        (r#"{"a": 1, "a": 2}"#.to_owned(), "twice"),
        ("{\"a\":".to_owned(), "too early"),
        ("{\"a\": x}".to_owned(), "not well formed"),
        (format!("{{\"a\": {}{}}}", "[".repeat(100), "]".repeat(100)), "levels"),
    ] {
        let error = decrypt(json.as_bytes(), Format::Json, &keys(1)).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let time = text.replace("kind: \"Secret\"", "kind: 2026-01-02");
    assert!(matches!(refuse(&time), SopsError::Value { source: ValueError::Time, .. }));
}

#[test]
fn gitops_18_no_error_and_no_debug_print_holds_plain_text_or_keys() {
    let text = File::of(example()).yaml();
    let key = identity(&secret(1));
    let mut printed = format!("{:?}", keys(1));
    for broken in [
        text.replace("    user:", "    admin:"),
        swapped(&text, "user:", "unicode:"),
        text.replace("lastmodified: \"2026", "lastmodified: \"2025"),
    ] {
        let error = refuse(&broken);
        printed.push_str(&format!("{error} {error:?} {:?}", error.hint()));
    }
    printed.push_str(&format!("{:?}", decrypt(text.as_bytes(), Format::Yaml, &keys(1)).unwrap()));
    let (_, wrong) = Identities::parse(&key.replace("KEY-1", "KEY-1Q"));
    printed.push_str(&format!("{wrong:?}"));
    assert!(!printed.contains("canary") && !printed.contains(&key[20..40]), "{printed}");
}

#[test]
fn an_age_file_that_was_changed_or_cut_anywhere_is_refused() {
    let file = age_file(&[&secret(1)], b"content");
    assert!(sops::age::decrypt(&file, &keys(1)).is_ok());
    for index in 0..file.len() {
        let mut changed = file.clone();
        changed[index] ^= 1;
        assert!(sops::age::decrypt(&changed, &keys(1)).is_err(), "byte {index}");
        assert!(sops::age::decrypt(&file[..index], &keys(1)).is_err(), "cut at {index}");
    }
    let text = armoured(&file);
    for wrong in [
        text.replace("-----END", "====END"),
        format!("{text}x"),
        text.replacen("\nYWdl", "\nYWd\nl", 1),
        text.replacen("\n", "\n\n", 1),
    ] {
        let error = sops::age::decrypt(wrong.as_bytes(), &keys(1)).unwrap_err();
        assert!(matches!(error, AgeError::Malformed(_)), "{error}");
    }
}

#[test]
fn recipients_of_other_kinds_are_named() {
    let error = sops::age::decrypt(&age_file(&[&secret(1)], b"x"), &keys(2)).unwrap_err();
    assert_eq!(error, AgeError::NoMatch { kinds: vec!["X25519".into(), "other-kind".into()] });
    for (text, word) in [
        ("AGE-SECRET-KEY-PQ-1AAA", "post-quantum"),
        ("AGE-PLUGIN-YUBIKEY-1AAA", "plugins"),
        ("age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa", "recipient"),
        ("ssh-ed25519 AAAA", "no age identity"),
    ] {
        let (keys, wrong) = Identities::parse(&format!("\n{text}\n"));
        assert!(keys.recipients().is_empty() && wrong[0].line == 2, "{wrong:?}");
        assert!(wrong[0].to_string().contains(word), "{wrong:?}");
    }
}
