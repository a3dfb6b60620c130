//! Ranges of semantic versions over tags: the highest version wins. How a range is written, and
//! which names are versions, says [`model::VersionRange`].

use crate::RepoError;
use crate::reference::TAGS;
use std::fmt;

pub use model::RANGE_TEXT_BYTES_MAX;

/// A range of versions; `Display` is what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange(model::VersionRange);

impl VersionRange {
    /// Reads a range.
    ///
    /// # Errors
    /// When it is not a range, too long, or nothing can be in it.
    pub fn parse(text: &str) -> Result<Self, RepoError> {
        model::VersionRange::parse(text).map(Self).map_err(|error| {
            let shown = text.chars().filter(|c| !c.is_control()).take(RANGE_TEXT_BYTES_MAX);
            RepoError::InvalidRange { range: shown.collect(), reason: error.to_string() }
        })
    }

    /// Whether a version is in the range.
    #[must_use]
    pub fn contains(&self, version: &str) -> bool {
        self.0.contains(version)
    }

    /// The full name of the tag with the highest version in the range.
    pub(crate) fn highest<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let mut full = Vec::new();
        let short = names.filter_map(|name| {
            let short = name.strip_prefix(TAGS)?;
            full.push(name);
            Some(short)
        });
        let highest = self.0.highest(short)?;
        full.into_iter().find(|name| name.strip_prefix(TAGS) == Some(highest))
    }

    /// What the names of all tags in the range start with.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        let starts = self.0.starts();
        if starts.iter().any(String::is_empty) {
            return vec![TAGS.to_owned()];
        }
        let both = |start: String| ["", "v"].map(|letter| format!("{TAGS}{letter}{start}"));
        starts.into_iter().flat_map(both).collect()
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_that_can_be_in_a_range_are_listed() {
        let prefixes = |range: &str| VersionRange::parse(range).unwrap().prefixes().join(" ");
        assert_eq!(prefixes("1.x"), "refs/tags/1. refs/tags/v1.");
        assert_eq!(prefixes("~1.4"), "refs/tags/1.4. refs/tags/v1.4.");
        assert_eq!(prefixes(">=1.2.0"), "refs/tags/");
        assert_eq!(prefixes("1.x || 3.x").split(' ').count(), 4);
    }

    #[test]
    fn the_highest_tag_is_given_by_its_full_name_and_branches_are_none() {
        let range = VersionRange::parse("1.x").unwrap();
        let names =
            ["refs/heads/v1.9.0", "refs/tags/1.4.0", "refs/tags/v1.4.0", "refs/tags/v2.0.0"];
        assert_eq!(range.highest(names.into_iter()), Some("refs/tags/v1.4.0"));
        assert_eq!(range.highest(["refs/heads/v1.9.0"].into_iter()), None);
    }

    #[test]
    fn what_is_no_range_is_named_without_control_characters() {
        let error = VersionRange::parse("ma\u{7}in").unwrap_err().to_string();
        assert!(error.contains("main"), "{error}");
    }
}
