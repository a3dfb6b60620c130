//! The body of the fuzz target in `fuzz/`, which the property tests run as well.

use crate::Limits;
use std::collections::BTreeMap;

/// Builds a tree whose files are the bytes, cut at NUL: the kustomization file first, then
/// `a.yaml`, `b.yaml` and so on. Nothing may panic, and what was printed is printed again.
///
/// # Panics
/// When the promise is broken.
pub fn build(bytes: &[u8]) {
    let mut files = BTreeMap::new();
    for (part, letter) in bytes.split(|byte| *byte == 0).zip('`'..='z') {
        let name = match letter {
            '`' => "kustomization.yaml".to_owned(),
            letter => format!("{letter}.yaml"),
        };
        files.insert(name, part.to_vec());
    }
    let limits = Limits { depth: 4, files: 30, bytes: 1_000_000, resources: 1_000 };
    let first = crate::build(&files, "", &limits);
    let second = crate::build(&files, "", &limits);
    assert_eq!(
        first.as_ref().map(crate::Built::to_yaml),
        second.as_ref().map(crate::Built::to_yaml)
    );
}
