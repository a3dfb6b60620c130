//! Which values of a document are encrypted: by suffixes or patterns of the keys above them.
//!
//! Input: the path of a value as keys; items of lists have no part in it. Output: yes or no.
//! Patterns are those of Go without Unicode classes; a compiled one takes at most
//! [`PATTERN_BYTES_MAX`].

use regex::bytes::{Regex, RegexBuilder};

/// A compiled pattern is at most this large, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// What SOPS leaves plain when a file has no rule of its own.
const DEFAULT_UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// What a key must look like.
#[derive(Debug)]
pub(crate) enum Rule {
    Suffix(String),
    Pattern(Regex),
}

impl Rule {
    pub(crate) fn regex(text: &str) -> Result<Self, ()> {
        // As in Go, classes like `\d` are ASCII.
        let pattern = RegexBuilder::new(text).unicode(false).size_limit(PATTERN_BYTES_MAX).build();
        pattern.map(Self::Pattern).map_err(|_| ())
    }

    fn matches(&self, key: &str) -> bool {
        match self {
            Self::Suffix(suffix) => key.ends_with(suffix),
            Self::Pattern(pattern) => pattern.is_match(key.as_bytes()),
        }
    }
}

/// The one rule of a file.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Whether a match means encrypted; otherwise it means plain.
    encrypts: bool,
    rule: Rule,
}

impl Default for Rules {
    fn default() -> Self {
        Self { encrypts: false, rule: Rule::Suffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned()) }
    }
}

impl Rules {
    pub(crate) fn new(encrypts: bool, rule: Rule) -> Self {
        Self { encrypts, rule }
    }

    /// Whether a key turns everything below it: into encrypted, or into plain values.
    pub(crate) fn turns(&self, key: &str) -> bool {
        self.rule.matches(key)
    }

    /// Whether a value is encrypted, by whether a key above it turned it.
    pub(crate) fn is_encrypted(&self, turned: bool) -> bool {
        turned == self.encrypts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_found_anywhere_in_a_key_and_their_size_is_bounded() {
        let rule = Rule::regex("^(data|stringData)$").unwrap();
        assert!(rule.matches("data") && !rule.matches("metadata"));
        assert!(Rule::regex("data").unwrap().matches("metadata"));
        assert!(Rule::regex("(").is_err());
        assert!(Rule::regex("(a{1000}){1000}").is_err());
        assert!(!Rule::regex(r"^\d$").unwrap().matches("٣"));
    }
}
