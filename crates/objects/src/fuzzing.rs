//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code: a target that no longer holds
//! fails `cargo test`, not only a fuzzer that nobody has started. Each takes any bytes and
//! returns; what must not happen is a panic.

use crate::quantity::Quantity;
use crate::yaml;

/// Reading a file: no panic, and every place it names is in the file.
///
/// # Panics
/// When the promise is broken.
pub fn yaml_parse(bytes: &[u8]) {
    let parsed = yaml::parse("fuzz.yaml", bytes);
    let lines = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_add(1);
    for diagnostic in &parsed.diagnostics {
        assert!((1..=lines).contains(&diagnostic.line) && diagnostic.column >= 1, "{diagnostic}");
    }
    for manifest in &parsed.manifests {
        assert!((1..=lines).contains(&manifest.origin.line), "{}", manifest.origin);
        assert!(!manifest.object.kind().is_empty());
    }
}

/// Reading a quantity: no panic, and the printed form of a value that has one reads back.
///
/// # Panics
/// When the promise is broken.
pub fn quantity_parse(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(quantity) = Quantity::parse(text) else { return };
    assert_eq!(quantity, quantity.clone());
    assert!(Quantity::parse(&quantity.canonical()).is_ok(), "{text}");
}
