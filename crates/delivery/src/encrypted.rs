//! Files of a tree that SOPS encrypted: decrypted in memory, or refused by name.
//!
//! Input: the bytes of one file and the identities, if there are any. Output: the plain objects,
//! which go into the tree and nowhere else: no folder and no cache of parsed files has them, so
//! that a key that was changed or taken away is asked for with every reading.
//!
//! Only Secrets are accepted. What is shown of an object is masked by its kind, so the values of
//! any other kind would stand in plans and messages. Errors: [`EncryptedError`], of the one file.

use model::{Explain, Hint};
use objects::{Manifest, Object, Origin, ShapeError};
use sops::{Format, Identities, SopsError};
use std::sync::Arc;

/// The key under which SOPS keeps what it knows of a file.
const SOPS: &str = "sops";
/// How a line begins that opens this key at the top of a YAML document, and how dotenv and INI
/// files have it, which a kustomization may read.
const OPENINGS: [&str; 6] = ["sops:", "\"sops\":", "'sops':", "? sops", "sops_mac=", "[sops]"];

/// Why an encrypted file is not delivered. No message holds anything of its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptedError {
    /// There are no keys at all.
    #[error("the file is encrypted by SOPS and there is no key for it")]
    NoKeys,
    /// It cannot be decrypted, or is not as its writer left it.
    #[error("the encrypted file is refused")]
    Sops(#[source] SopsError),
    /// What was encrypted is no object.
    #[error("document {document} of the encrypted file is no object")]
    Shape {
        /// Counted from 1.
        document: usize,
        /// What is missing.
        #[source]
        source: ShapeError,
    },
    /// It is an object whose values would be shown.
    #[error("document {document} of the encrypted file is not a Secret")]
    Kind {
        /// Counted from 1.
        document: usize,
    },
    /// A file of values would have to lie decrypted on the disk.
    #[error("the file of values is encrypted, and helm would need it in plain text on the disk")]
    Values,
}

impl Explain for EncryptedError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::NoKeys => Some(Hint::new(
                "deliver it by a GitSync whose `spec.decryption` names the Secret with the keys",
            )),
            Self::Sops(source) => source.hint(),
            Self::Shape { .. } => None,
            Self::Kind { .. } => {
                Some(Hint::new("encrypt Secrets only: values of other kinds are shown to people"))
            }
            Self::Values => {
                Some(Hint::new("let the chart refer to a Secret that is delivered encrypted"))
            }
        }
    }
}

/// Whether a file looks encrypted as a whole: by a key `sops` at the top of one of its documents.
/// Nothing of the API has such a field, so in doubt the answer is yes.
pub(crate) fn is_encrypted(bytes: &[u8]) -> bool {
    if !bytes.windows(SOPS.len()).any(|part| part == SOPS.as_bytes()) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if text.lines().any(|line| OPENINGS.iter().any(|opening| line.starts_with(opening))) {
        return true;
    }
    text.trim_start().starts_with('{')
        && serde_json::from_str(text).is_ok_and(|document| sops::is_encrypted(&document))
}

/// Whether an object that was read as it stands is an encrypted one.
pub(crate) fn is_encrypted_object(object: &Object) -> bool {
    let Some(sops) = object.as_map().get(SOPS) else { return false };
    sops::is_encrypted(&serde_json::json!({ SOPS: sops }))
}

/// The plain documents of an encrypted file; all of them Secrets.
fn plain(
    path: &str,
    bytes: &[u8],
    keys: Option<&Identities>,
) -> Result<Vec<Object>, EncryptedError> {
    let keys = keys.ok_or(EncryptedError::NoKeys)?;
    let decrypted =
        sops::decrypt(bytes, Format::of_file(path), keys).map_err(EncryptedError::Sops)?;
    let mut objects = Vec::new();
    for (document, value) in (1..).zip(decrypted.into_documents()) {
        let object = Object::from_value(value)
            .map_err(|source| EncryptedError::Shape { document, source })?;
        if !objects::mask::is_secret(&object.gvk().group_kind()) {
            return Err(EncryptedError::Kind { document });
        }
        objects.push(object);
    }
    Ok(objects)
}

/// The plain objects of an encrypted file, each with the line of its document.
pub(crate) fn manifests(
    path: &str,
    bytes: &[u8],
    keys: Option<&Identities>,
) -> Result<Vec<Manifest>, EncryptedError> {
    let objects = plain(path, bytes, keys)?;
    let mut lines = lines_of_documents(bytes).into_iter();
    let file: Arc<str> = Arc::from(path);
    let with_line = |object| {
        let origin = Origin { file: file.clone(), line: lines.next().unwrap_or(1) };
        Manifest { object, origin }
    };
    Ok(objects.into_iter().map(with_line).collect())
}

/// The line that each document begins in, from 1; documents without content are none.
fn lines_of_documents(bytes: &[u8]) -> Vec<u32> {
    let (mut lines, mut is_open) = (Vec::new(), false);
    for (number, line) in (1_u32..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.starts_with(b"---") {
            is_open = false;
        } else if !is_open && !line.trim_ascii().is_empty() && !line.starts_with(b"#") {
            lines.push(number);
            is_open = true;
        }
    }
    lines
}

/// The plain text of an encrypted file, for a tool that reads files: JSON, which is YAML too.
pub(crate) fn text(
    path: &str,
    bytes: &[u8],
    keys: Option<&Identities>,
) -> Result<Vec<u8>, EncryptedError> {
    let objects = plain(path, bytes, keys)?;
    let texts: Vec<String> =
        objects.into_iter().map(|object| object.into_value().to_string()).collect();
    Ok(texts.join("\n---\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LoadOptions, Source, Tree, TreeCache, load};

    const FILE: &str = include_str!("../../../testdata/sops-age-flux.yaml");
    /// Published with that file.
    const KEY: &str = "AGE-SECRET-KEY-10U7MAELH09KZU63F65P2TYLN7TQM5X6GSDDCQ4YMUGDS3DS6XZMSTYY2PN";

    fn keys(text: &str) -> Arc<Identities> {
        let (keys, wrong) = Identities::parse(text);
        assert_eq!(wrong, []);
        Arc::new(keys)
    }

    fn planted() -> String {
        let plain = plain("a.yaml", FILE.as_bytes(), Some(&keys(KEY))).unwrap();
        plain[0].str_at(&["stringData", "key"]).unwrap().to_owned()
    }

    async fn tree(files: &[(&str, &str)], options: &LoadOptions) -> Result<Tree, String> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            std::fs::write(folder.path().join(path), text).unwrap();
        }
        let token = tokio_util::sync::CancellationToken::new();
        let source = Source::Directory(folder.path().to_owned());
        load(&source, options, &token).await.map_err(|error| model::chain(&error))
    }

    #[tokio::test]
    async fn gitops_18_a_file_is_decrypted_with_each_reading_and_never_from_a_cache() {
        let mut options = LoadOptions { cache: Some(TreeCache::default()), ..Default::default() };
        let plain = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        let files = [("db.yaml", FILE), ("plain.yaml", plain)];
        options.keys = Some(keys(KEY));
        let read = tree(&files, &options).await.unwrap();
        assert_eq!((read.len(), read.problems()), (2, [].as_slice()));
        let object = read.documents[0].packed.unpack().unwrap();
        assert_eq!(object.str_at(&["stringData", "key"]), Some(planted().as_str()));
        assert!(object.at(&["sops"]).is_none());
        assert_eq!(read.documents[0].origin.to_string(), "db.yaml:1");
        assert_eq!(options.cache.as_ref().unwrap().len(), 1, "only the plain file is kept");

        options.keys = None;
        let read = tree(&files, &options).await.unwrap();
        assert_eq!(read.len(), 1);
        let [problem] = read.problems() else { panic!("{:?}", read.problems()) };
        assert_eq!(problem.origin.as_deref(), Some("db.yaml"));
        assert!(problem.message.contains("encrypted by SOPS and there is no key"), "{problem:?}");
        // Somebody else's key.
        options.keys = Some(keys(""));
        let read = tree(&files, &options).await.unwrap();
        assert!(read.problems()[0].message.contains("no age key fits"), "{:?}", read.problems());
    }

    #[tokio::test]
    async fn gitops_18_a_changed_file_and_other_kinds_are_refused_without_a_word_of_the_content() {
        let options = LoadOptions { keys: Some(keys(KEY)), ..Default::default() };
        for (from, to) in [
            ("namespace: default", "namespace: defaulx"),
            ("kind: Secret", "kind: ConfigMap"),
            ("encrypted_regex", "encrypted_regexx"),
        ] {
            let changed = FILE.replace(from, to);
            assert_ne!(changed, FILE, "{from}");
            let read = tree(&[("db.yaml", &changed)], &options).await.unwrap();
            assert_eq!((read.len(), read.problems().len()), (0, 1), "{from}");
            let told = format!("{:?} {:?}", read.problems(), read.warnings);
            assert!(!told.contains(&planted()), "{told}");
        }
    }

    #[tokio::test]
    async fn gitops_18_a_kustomization_is_built_from_decrypted_files() {
        let mut options = LoadOptions { keys: Some(keys(KEY)), ..Default::default() };
        let files = [
            ("kustomization.yaml", "resources: [db.yaml]\nnamePrefix: prod-\n"),
            ("db.yaml", FILE),
        ];
        let read = tree(&files, &options).await.unwrap();
        let object = read.documents[0].packed.unpack().unwrap();
        assert_eq!(object.name(), "prod-global-age-secret");
        assert_eq!(object.str_at(&["stringData", "key"]), Some(planted().as_str()));
        let digest = read.source().digest.clone();
        assert_eq!(tree(&files, &options).await.unwrap().source().digest, digest);
        options.keys = None;
        let told = tree(&files, &options).await.unwrap_err();
        assert!(told.contains("db.yaml") && told.contains("there is no key"), "{told}");
    }

    #[test]
    fn encrypted_files_are_told_from_those_that_only_speak_of_sops() {
        assert!(is_encrypted(FILE.as_bytes()));
        assert!(is_encrypted(b"{\"a\": 1, \"sops\": {\"mac\": \"x\"}}"));
        for text in [
            "kind: X\nmetadata: {name: sops}\n",
            "a: |\n  sops:\n    mac: x\n",
            "{\"a\": \"sops\"}",
        ] {
            assert!(!is_encrypted(text.as_bytes()), "{text}");
        }
        assert_eq!(lines_of_documents(b"# x\n---\na: 1\n---\n\n---\nb: 1\n"), [3, 7]);
    }
}
