//! Which revision is wanted: a branch, a tag, the highest tag of a range of versions, a full commit
//! id, or the server's default branch.
//!
//! A short name is looked up as `refs/heads/NAME` and `refs/tags/NAME`; where both exist, the
//! name is refused and the full name decides. Forty hexadecimal digits are always a commit id.
//! A range is written `semver:RANGE`, which is no name that Git allows.

use crate::{RepoError, VersionRange};
use std::fmt;
use std::str::FromStr;

/// The longest reference name; Git itself is bounded by the file system's 255 or 4,096.
pub const REFERENCE_BYTES_MAX: usize = 1024;

/// The digits of a SHA-1 object id.
const COMMIT_ID_DIGITS: usize = 40;

/// Where tags are.
pub(crate) const TAGS: &str = "refs/tags/";

/// What `--ref` names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Reference {
    /// The server's default branch.
    #[default]
    Head,
    /// A branch or a tag by its short name; an error when both exist.
    Name(String),
    /// A full name: `refs/heads/...`, `refs/tags/...` or any other `refs/...`.
    Full(String),
    /// A commit by its full id, in lower case.
    Commit(String),
    /// The tag with the highest version of a range.
    Versions(VersionRange),
}

/// How a range of versions starts.
const RANGE_PREFIX: &str = "semver:";

impl Reference {
    /// Reads what a person wrote: empty or `HEAD`, a name, a full name, a commit id, or `semver:`
    /// and a range of versions.
    ///
    /// # Errors
    /// When it is not a valid reference name or range.
    pub fn parse(text: &str) -> Result<Self, RepoError> {
        if text.is_empty() || text == "HEAD" {
            return Ok(Self::Head);
        }
        if let Some(range) = text.strip_prefix(RANGE_PREFIX) {
            return Ok(Self::Versions(VersionRange::parse(range)?));
        }
        if text.len() == COMMIT_ID_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self::Commit(text.to_ascii_lowercase()));
        }
        if let Some(reason) = invalid_name(text) {
            return Err(RepoError::InvalidReference { reference: text.to_owned(), reason });
        }
        if text.starts_with("refs/") {
            return Ok(Self::Full(text.to_owned()));
        }
        Ok(Self::Name(text.to_owned()))
    }

    /// A branch by its short name.
    #[must_use]
    pub fn branch(name: &str) -> Self {
        Self::Full(format!("refs/heads/{name}"))
    }

    /// A tag by its short name.
    #[must_use]
    pub fn tag(name: &str) -> Self {
        Self::Full(format!("refs/tags/{name}"))
    }

    /// What the names to ask a server for start with; the names themselves, except for a range.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        match self {
            Self::Head => vec!["HEAD".to_owned()],
            Self::Name(name) => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
            Self::Full(name) => vec![name.clone()],
            Self::Commit(_) => Vec::new(),
            Self::Versions(range) => range.prefixes(),
        }
    }

    /// Whether a full name is one of the wanted ones. A prefix also gives names that only start
    /// with it.
    pub(crate) fn names(&self, full: &str) -> bool {
        match self {
            Self::Versions(_) => full.starts_with(TAGS),
            _ => self.prefixes().iter().any(|name| name == full),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("HEAD"),
            Self::Name(name) | Self::Full(name) | Self::Commit(name) => f.write_str(name),
            Self::Versions(range) => write!(f, "{RANGE_PREFIX}{range}"),
        }
    }
}

impl FromStr for Reference {
    type Err = RepoError;

    fn from_str(text: &str) -> Result<Self, RepoError> {
        Self::parse(text)
    }
}

/// The rule of git-check-ref-format that a name breaks.
fn invalid_name(name: &str) -> Option<&'static str> {
    if name.len() > REFERENCE_BYTES_MAX {
        return Some("the name is too long");
    }
    if name.bytes().any(|b| b <= b' ' || b == 0x7f || b"~^:?*[\\".contains(&b)) {
        return Some("a name has no blanks, no control characters and none of ~^:?*[\\");
    }
    if name.contains("..") || name.contains("@{") || name == "@" {
        return Some("revision expressions are not resolved: give a branch, tag or full commit id");
    }
    if name.starts_with('-') {
        return Some("a name does not start with a dash");
    }
    let bad_part = |part: &str| {
        let lock = part.len() >= 5 && part.ends_with(".lock");
        part.is_empty() || part.starts_with('.') || part.ends_with('.') || lock
    };
    if name.split('/').any(bad_part) {
        return Some("a part of a name is not empty, has no dot at its ends and no .lock");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_person_writes_is_told_apart() {
        let id = "0123456789abcdef0123456789ABCDEF01234567";
        let parse = |text: &str| Reference::parse(text).unwrap();
        assert_eq!(parse(""), Reference::Head);
        assert_eq!(parse("HEAD"), Reference::Head);
        assert_eq!(parse("main"), Reference::Name("main".into()));
        assert_eq!(parse("refs/tags/v1"), Reference::tag("v1"));
        assert_eq!(parse(id), Reference::Commit(id.to_ascii_lowercase()));
        assert_eq!(parse("deadbeef"), Reference::Name("deadbeef".into()));
        assert_eq!(parse("1.x"), Reference::Name("1.x".into()));
        assert_eq!(parse("semver:1.x").to_string(), "semver:1.x");
        assert!(Reference::parse("semver:main").is_err());
    }

    #[test]
    fn names_that_git_refuses_are_refused() {
        let bad = [
            "a b", "a..b", "a~1", "a^", "x:y", "-x", "/a", "a/", "a//b", ".a", "a/.b", "a.lock",
            "@", "a@{1}", "a\\b", "a*", "a.",
        ];
        for name in bad {
            assert!(Reference::parse(name).is_err(), "{name}");
        }
        assert!(Reference::parse(&"a".repeat(REFERENCE_BYTES_MAX)).is_ok());
        assert!(Reference::parse(&"a".repeat(REFERENCE_BYTES_MAX + 1)).is_err());
    }

    proptest! {
        #[test]
        fn parsing_any_text_gives_back_its_name_or_an_error(text in "\\PC{0,60}") {
            if let Ok(reference) = Reference::parse(&text) {
                let again = Reference::parse(&reference.to_string()).unwrap();
                prop_assert_eq!(again, reference);
            }
        }
    }
}
