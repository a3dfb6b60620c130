//! Regular expressions of selectors and image names, as Go reads them: bytes, not Unicode classes.
//!
//! Limits: [`PATTERN_BYTES_MAX`] of text, [`PROGRAM_BYTES_MAX`] when compiled; matching is linear.
//! Errors: a sentence with the pattern.

use regex::bytes::{Regex, RegexBuilder};

/// A longer pattern is refused.
pub(crate) const PATTERN_BYTES_MAX: usize = 1_000;
/// A pattern that needs more when compiled is refused.
const PROGRAM_BYTES_MAX: usize = 1024 * 1024;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Option<Regex>);

impl Pattern {
    /// A pattern that must cover the whole text; an empty one matches everything.
    pub(crate) fn whole(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() {
            return Ok(Self(None));
        }
        Self::anywhere(&format!("^(?:{pattern})$"))
    }

    /// A pattern that may match a part of the text.
    pub(crate) fn anywhere(pattern: &str) -> Result<Self, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("a pattern has more than {PATTERN_BYTES_MAX} bytes"));
        }
        let mut builder = RegexBuilder::new(pattern);
        builder.unicode(false).size_limit(PROGRAM_BYTES_MAX);
        match builder.build() {
            Ok(regex) => Ok(Self(Some(regex))),
            Err(_) => Err(format!("`{pattern}` is not a regular expression that is supported")),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(text.as_bytes()))
    }
}
