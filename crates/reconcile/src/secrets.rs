//! The keys for encrypted files, from the Secret that `spec.decryption` names.
//!
//! The Secret is read with every revision and before every further try, so that a key that was
//! changed or taken away counts at once. What stays in memory of it are the identities of the
//! tree at hand while it is read, and a hash to tell whether the Secret is another one.

use crate::ReconcileError;
use crate::home::{Material, MaterialKind};
use crate::syncer::Syncer;
use gitops::spec::Valid;
use sha2::{Digest as _, Sha256};
use sops::Identities;
use std::sync::Arc;

/// How the keys of the Secret end that hold identities.
const ENDING: &str = ".agekey";

/// What there is to decrypt with.
#[derive(Default)]
pub(crate) struct Found {
    /// None when the spec asks for no decryption.
    pub(crate) keys: Option<Arc<Identities>>,
    /// Tells one content of the Secret from another.
    pub(crate) digest: Option<[u8; 32]>,
    /// Why the keys cannot be used; a sentence without any of them.
    pub(crate) problem: Option<String>,
}

impl Syncer {
    /// Reads the keys that the spec asks for.
    pub(crate) async fn identities(&self, valid: &Valid) -> Result<Found, ReconcileError> {
        let Some(decryption) = &valid.spec().decryption else { return Ok(Found::default()) };
        let name = &decryption.secret_ref.name;
        let home = &self.shared.home;
        let material = home.material(&self.key, MaterialKind::Secret, name).await?;
        let whose = format!("the Secret {}/{name}", self.key.namespace);
        Ok(match material {
            None => Found { problem: Some(format!("{whose} does not exist")), ..Found::default() },
            Some(material) => found(&whose, &material),
        })
    }
}

fn found(whose: &str, material: &Material) -> Found {
    let (mut text, mut hash) = (String::new(), Sha256::new());
    let mut problem = None;
    for (key, value) in material.0.iter().filter(|(key, _)| key.ends_with(ENDING)) {
        hash.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(value);
        match std::str::from_utf8(value) {
            Err(_) => problem = Some(format!("{key} of {whose} is no text")),
            Ok(value) => {
                // Each file by itself, so that a mistake is named by its own line.
                if let Some(wrong) = Identities::parse(value).1.first() {
                    problem =
                        Some(format!("{key} of {whose}, line {}: {}", wrong.line, wrong.message));
                }
                text.push_str(value);
                text.push('\n');
            }
        }
    }
    let (keys, wrong) = Identities::parse(&text);
    if let (None, Some(wrong)) = (&problem, wrong.first()) {
        // Only the bound of all together is left to be broken.
        problem = Some(format!("{whose}: {}", wrong.message));
    }
    if problem.is_none() && keys.recipients().is_empty() {
        problem = Some(format!("{whose} has no age identity in a key that ends in {ENDING}"));
    }
    Found { keys: Some(Arc::new(keys)), digest: Some(hash.finalize().into()), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AGE-SECRET-KEY-10U7MAELH09KZU63F65P2TYLN7TQM5X6GSDDCQ4YMUGDS3DS6XZMSTYY2PN";

    fn of(entries: &[(&str, &str)]) -> Found {
        let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
        found("the Secret a/keys", &Material(entries.iter().map(entry).collect()))
    }

    #[test]
    fn gitops_18_keys_are_read_from_every_agekey_and_mistakes_are_named_without_them() {
        let good = of(&[("one.agekey", KEY), ("other", "x")]);
        assert_eq!((good.problem.as_deref(), good.keys.unwrap().recipients().len()), (None, 1));
        let none = of(&[("other", KEY)]).problem.unwrap();
        assert!(none.contains("has no age identity"), "{none}");
        let cut = KEY.get(..40).unwrap();
        let wrong = of(&[("one.agekey", KEY), ("two.agekey", &format!("# x\n{cut}\n"))]);
        let told = wrong.problem.unwrap();
        assert!(told.contains("two.agekey of the Secret a/keys, line 2"), "{told}");
        assert!(!told.contains(cut), "{told}");
    }

    #[test]
    fn another_content_has_another_digest() {
        let one = of(&[("one.agekey", KEY)]).digest;
        assert_eq!(one, of(&[("one.agekey", KEY), ("note", "x")]).digest);
        assert_ne!(one, of(&[("one.agekey", "")]).digest);
        assert_ne!(one, of(&[]).digest);
    }
}
