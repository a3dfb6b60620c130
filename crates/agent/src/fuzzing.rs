//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code. Each takes any bytes and
//! returns; what must not happen is a panic, or a mistake without its place.

use crate::config::{self, ConfigError, MISTAKES_MAX};
use std::path::PathBuf;

/// A config file: it is valid, or it is told what is wrong with it, and where.
///
/// # Panics
/// When the promise is broken.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Err(mistakes) = config::parse(text) else { return };
    assert!((1..=MISTAKES_MAX).contains(&mistakes.len()));
    let lines = text.split(['\n', '\r']).count();
    for mistake in &mistakes {
        assert!((1..=lines + 1).contains(&mistake.line), "{mistake:?}");
        assert!(!mistake.message.is_empty());
    }
    let told = ConfigError::Wrong { path: PathBuf::from("a.yaml"), mistakes }.to_string();
    assert!(told.lines().count() > 1);
}

/// An answer with zstd: its content is within the bound.
///
/// # Panics
/// When the promise is broken.
pub fn zstd_frame(bytes: &[u8]) {
    let content = crate::sink::zstd::stored(bytes, 60).unwrap_or_default();
    assert!(content.len() <= 60);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    /// Fields with values of any kind, in a shape that comes far.
    const TEXT: &str = "((inputs|sinks|sampling|redaction|resource|listen|state_dir|- type|  type|\
        memory_max_bytes|  paths|  endpoint|  batch|  patterns|  pattern|  name|  rules|  rate|\
        multiline|  path|  headers|x): ?\
        (files|kubernetes|journald|otlp_http|otlp_grpc|loki|file|stdout|\\[|\\]|\\{|\\}|'/a/\\*'|\
        http://a|[0-9]{1,20}|1[kKMG]i?|[0-9]{1,9}(ms|s|m|h|d|%)|-1|1e9|~|null|\"|&a|\\*a|!!x|\\||>|\
        a: b|\\(\\?P<|é|)(\n|, | #)){0,12}";

    proptest! {
        #[test]
        fn no_text_makes_the_config_panic(
            raw in prop::collection::vec(any::<u8>(), 0..200),
            text in TEXT,
            at in any::<prop::sample::Index>(),
        ) {
            config(&raw);
            config(text.as_bytes());
            // The example with something else in one place.
            let example = include_str!("config/example.yaml");
            let at = example.floor_char_boundary(at.index(example.len()));
            let (before, behind) = example.split_at(at);
            config([before, &text, behind].concat().as_bytes());
        }
    }
}
