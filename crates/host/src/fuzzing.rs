//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code. Each takes any bytes and
//! returns; what must not happen is a panic, or growth beyond the bounds.

use crate::journal::{ENTRY_BYTES_MAX, Export, FIELDS_MAX};
use crate::tail::Pattern;

/// What journalctl prints.
///
/// # Panics
/// When the promise is broken.
pub fn journal_export(bytes: &[u8]) {
    let mut export = Export::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let fed = export.feed(rest);
        assert!(fed.consumed > 0, "progress is made");
        rest = rest.get(fed.consumed..).unwrap_or_default();
        if fed.complete {
            let entry = export.entry();
            assert!(entry.fields().count() <= FIELDS_MAX);
            let held: usize = entry.fields().map(|(name, value)| name.len() + value.len()).sum();
            assert!(held <= ENTRY_BYTES_MAX);
        }
    }
}

/// A pattern of paths and a path.
///
/// # Panics
/// When the promise is broken.
pub fn path_pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, path) = text.split_once('\n').unwrap_or((&text, "/var/log/a.log"));
    if let Ok(pattern) = Pattern::parse(pattern) {
        let _ = pattern.matches(std::path::Path::new(path));
        assert!(pattern.base().is_absolute());
    }
}
