//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code. Each takes any bytes and
//! returns; what must not happen is a panic, or plain text without a key.

use crate::{Format, Identities, age, decrypt};

/// An identity that everybody knows, so that age files can be made for it by a fuzzer's corpus.
const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

/// Decrypting a file as YAML and as JSON.
///
/// # Panics
/// When the promise is broken.
pub fn document(bytes: &[u8]) {
    for format in [Format::Yaml, Format::Json] {
        assert!(decrypt(bytes, format, &Identities::default()).is_err());
        if let Err(error) = decrypt(bytes, format, &Identities::parse(IDENTITY).0) {
            assert!(error.to_string().len() < 300_000, "{error}");
        }
    }
}

/// Decrypting an age file.
///
/// # Panics
/// When the promise is broken.
pub fn age_file(bytes: &[u8]) {
    assert!(age::decrypt(bytes, &Identities::default()).is_err());
    drop(age::decrypt(bytes, &Identities::parse(IDENTITY).0));
}

/// Reading a key file.
///
/// # Panics
/// When the promise is broken.
pub fn identities(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (identities, wrong) = Identities::parse(&text);
    assert!(identities.recipients().len() + wrong.len() <= text.lines().count());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHELL: &str =
        "sops:\n  mac: ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]\n  lastmodified: x\n";

    proptest! {
        #[test]
        fn no_bytes_make_the_decryption_panic(
            raw in prop::collection::vec(any::<u8>(), 0..200),
            text in "(a|b: |- |\n|  |sops|age|mac|enc: |recipient: |\\[|\\]|\\{|\\}|\"|,|[0-9]|ENC\\[AES256_GCM,data:){0,40}",
        ) {
            document(&raw);
            document(text.as_bytes());
            document(format!("{text}\n{SHELL}").as_bytes());
            document(format!("{{\"a\": {text}, \"sops\": {{\"mac\": \"x\"}}}}").as_bytes());
            age_file(&raw);
            identities(&raw);
        }

        #[test]
        fn no_age_file_makes_the_reader_panic(
            text in "(-> |X25519|scrypt| |\n|--- |[A-Za-z0-9+/]{1,70}){0,20}",
            raw in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            age_file(&[format!("age-encryption.org/v1\n{text}").as_bytes(), &raw].concat());
            age_file(format!("-----BEGIN AGE ENCRYPTED FILE-----\n{text}").as_bytes());
        }
    }

    #[test]
    fn the_known_identity_is_one() {
        let (identities, wrong) = Identities::parse(IDENTITY);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(identities.recipients().len(), 1);
    }
}
