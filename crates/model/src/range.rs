//! Ranges of semantic versions, as operators write them: `>=1.2.0 <2.0.0`, `1.x`, `~1.4`, `^2`,
//! `1.2 - 1.4`, alternatives with `||`.
//!
//! A version without an operator stands for itself (`1.4` is `1.4.x`), as in other GitOps tools and
//! unlike in Cargo. Pre-releases count only where the range asks for them by naming one
//! (`>=1.0.0-0`); a bound such as `<2.0.0` then leaves out those of 2.0.0 itself. A name is a
//! version when it is `1.2.3` or `v1.2.3`, with all three numbers; build metadata decides last.

use crate::{Explain, Hint};
use semver::{BuildMetadata, Comparator, Op, Prerelease, Version, VersionReq};
use std::error::Error;
use std::fmt;

/// The longest range that is read.
pub const RANGE_TEXT_BYTES_MAX: usize = 256;

/// Alternatives in one range.
const ALTERNATIVES_MAX: usize = 16;

/// Why a text is no range of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeError(String);

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for RangeError {}

impl Explain for RangeError {
    fn hint(&self) -> Option<Hint> {
        Some(Hint::new("write for example `^1.2`, `~1.2.3`, `1.x` or `>=1.0.0 <2.0.0`"))
    }
}

/// A range of versions; `Display` is what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    text: String,
    alternatives: Vec<Interval>,
}

/// Everything from `low` (with it) up to `high` (with it or not).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interval {
    low: Version,
    high: Option<Version>,
    high_included: bool,
    prereleases: bool,
}

impl VersionRange {
    /// Reads a range.
    ///
    /// # Errors
    /// When it is not a range, too long, or nothing can be in it.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let refused = |reason: &str| RangeError(reason.to_owned());
        if text.len() > RANGE_TEXT_BYTES_MAX {
            return Err(refused("it is too long"));
        }
        let mut alternatives = Vec::new();
        for part in text.split("||") {
            if alternatives.len() == ALTERNATIVES_MAX {
                return Err(refused("it has too many alternatives"));
            }
            let interval = alternative(part).map_err(|reason| refused(&reason))?;
            alternatives.push(interval);
        }
        if alternatives.iter().all(Interval::is_empty) {
            return Err(refused("no version can be in it"));
        }
        Ok(Self { text: text.split_whitespace().collect::<Vec<_>>().join(" "), alternatives })
    }

    /// Whether a version is in the range.
    #[must_use]
    pub fn contains(&self, version: &str) -> bool {
        Version::parse(version).is_ok_and(|version| self.has(&version))
    }

    fn has(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|interval| interval.has(version))
    }

    /// The name with the highest version in the range. Of two names of the same version, `v1.2.3`
    /// and `1.2.3`, the one with the `v` wins.
    #[must_use]
    pub fn highest<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        names
            .into_iter()
            .filter_map(|name| Some((version_of(name)?, name)))
            .filter(|(version, _)| self.has(version))
            .max()
            .map(|(_, name)| name)
    }

    /// What the texts of all versions in the range start with, each without a `v`; an empty text
    /// when nothing can be said. As long as a range has one major version, the names of others
    /// need not be listed.
    #[must_use]
    pub fn starts(&self) -> Vec<String> {
        let mut starts = Vec::new();
        for interval in &self.alternatives {
            let Some(start) = interval.common_start() else { return vec![String::new()] };
            if !starts.contains(&start) {
                starts.push(start);
            }
        }
        starts
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The version that a name stands for.
fn version_of(name: &str) -> Option<Version> {
    Version::parse(name.strip_prefix('v').unwrap_or(name)).ok()
}

/// Comparators that all hold, separated by blanks or commas.
fn alternative(text: &str) -> Result<Interval, String> {
    let mut interval =
        Interval { low: first(0, 0, 0), high: None, high_included: false, prereleases: false };
    let words = words(text);
    if words.is_empty() {
        return Err("a part of it is empty; write * for any version".into());
    }
    for word in words {
        if matches!(word.as_str(), "*" | "x" | "X") {
            continue;
        }
        let bare = word.starts_with(|c: char| c.is_ascii_digit());
        let word = if bare { format!("={word}") } else { word };
        // A wildcard stands without an operator in the library's eyes.
        let plain = word.strip_prefix('=').filter(|rest| has_wildcard(rest));
        let parsed = VersionReq::parse(plain.unwrap_or(&word)).map_err(|e| e.to_string())?;
        for comparator in &parsed.comparators {
            interval.narrow(comparator);
        }
    }
    Ok(interval)
}

fn has_wildcard(text: &str) -> bool {
    text.split('.').any(|part| matches!(part, "*" | "x" | "X"))
}

/// The comparators of one alternative, each as one word: an operator may stand apart from its
/// version, and `A - B` is `>=A <=B`.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open: Option<String> = None;
    for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        let joined = match open.take() {
            Some(operator) => format!("{operator}{word}"),
            None => word.to_owned(),
        };
        if joined == "-"
            && words.last().is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()))
        {
            if let Some(low) = words.last_mut() {
                *low = format!(">={low}");
            }
            open = Some("<=".to_owned());
        } else if joined.chars().all(|c| "<>=~^".contains(c)) {
            open = Some(joined);
        } else {
            words.push(joined);
        }
    }
    words.extend(open);
    words
}

/// The first version of all with these numbers.
fn first(major: u64, minor: u64, patch: u64) -> Version {
    Version::new(major, minor, patch)
}

/// What comes before a version and all of its pre-releases.
fn before(version: Version) -> Version {
    let pre = Prerelease::new("0").unwrap_or(Prerelease::EMPTY);
    Version { pre, ..version }
}

impl Interval {
    fn is_empty(&self) -> bool {
        match &self.high {
            Some(high) if self.high_included => self.low > *high,
            Some(high) => {
                self.low >= *high || (!self.prereleases && before(self.low.clone()) >= *high)
            }
            None => false,
        }
    }

    fn has(&self, version: &Version) -> bool {
        if !version.pre.is_empty() && !self.prereleases {
            return false;
        }
        // Build metadata neither brings a version into a range nor out of it.
        let version = Version { build: BuildMetadata::EMPTY, ..version.clone() };
        let below = self.high.as_ref().is_none_or(|high| match self.high_included {
            true => version <= *high,
            false => version < *high,
        });
        version >= self.low && below
    }

    fn raise(&mut self, low: Version) {
        if low > self.low {
            self.low = low;
        }
    }

    fn lower(&mut self, high: Version, included: bool) {
        let tighter = match &self.high {
            None => true,
            Some(known) => high < *known || (high == *known && !included),
        };
        if tighter {
            (self.high, self.high_included) = (Some(high), included);
        }
    }

    fn narrow(&mut self, comparator: &Comparator) {
        self.prereleases |= !comparator.pre.is_empty();
        let Comparator { major, minor, patch, .. } = *comparator;
        let numbers = first(major, minor.unwrap_or(0), patch.unwrap_or(0));
        let exact = Version { pre: comparator.pre.clone(), ..numbers.clone() };
        // The first version that is not written like this one any more.
        let after = before(match (minor, patch) {
            (None, _) => first(major.saturating_add(1), 0, 0),
            (Some(minor), None) => first(major, minor.saturating_add(1), 0),
            (Some(minor), Some(patch)) => first(major, minor, patch.saturating_add(1)),
        });
        let whole = patch.is_some();
        match comparator.op {
            Op::Greater if whole => self.raise(next(exact)),
            Op::Greater => self.raise(Version { pre: Prerelease::EMPTY, ..after }),
            Op::GreaterEq => self.raise(exact),
            Op::Less if !comparator.pre.is_empty() => self.lower(exact, false),
            Op::Less => self.lower(before(exact), false),
            Op::LessEq if whole => self.lower(exact, true),
            Op::LessEq => self.lower(after, false),
            Op::Tilde => {
                self.raise(exact);
                self.lower(after_tilde(major, minor), false);
            }
            Op::Caret => {
                self.raise(exact);
                self.lower(after_caret(major, minor, patch), false);
            }
            _ if whole => {
                self.raise(exact.clone());
                self.lower(exact, true);
            }
            _ => {
                self.raise(numbers);
                self.lower(after, false);
            }
        }
    }

    /// What the text of every version in here starts with.
    fn common_start(&self) -> Option<String> {
        let high = self.high.as_ref()?;
        let low = &self.low;
        let ends_before = |version: Version| !self.high_included && *high <= before(version);
        if ends_before(first(low.major, low.minor.saturating_add(1), 0)) {
            return Some(format!("{}.{}.", low.major, low.minor));
        }
        ends_before(first(low.major.saturating_add(1), 0, 0)).then(|| format!("{}.", low.major))
    }
}

/// The next version after this one in the order of versions.
fn next(version: Version) -> Version {
    if version.pre.is_empty() {
        return first(version.major, version.minor, version.patch.saturating_add(1));
    }
    // A pre-release with one more part comes directly after it.
    let pre = Prerelease::new(&format!("{}.0", version.pre)).unwrap_or(Prerelease::EMPTY);
    Version { pre, ..version }
}

fn after_tilde(major: u64, minor: Option<u64>) -> Version {
    before(match minor {
        Some(minor) => first(major, minor.saturating_add(1), 0),
        None => first(major.saturating_add(1), 0, 0),
    })
}

fn after_caret(major: u64, minor: Option<u64>, patch: Option<u64>) -> Version {
    before(match (major, minor, patch) {
        (0, Some(0), Some(patch)) => first(0, 0, patch.saturating_add(1)),
        (0, Some(minor), _) => first(0, minor.saturating_add(1), 0),
        _ => first(major.saturating_add(1), 0, 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn highest(range: &str, tags: &[&str]) -> String {
        let range = VersionRange::parse(range).unwrap();
        range.highest(tags.iter().copied()).unwrap_or_default().to_owned()
    }

    #[test]
    fn gitops_15_the_highest_version_of_a_range_wins_as_a_version_and_not_as_a_text() {
        let tags =
            ["v1.9.0", "v1.10.0", "v2.0.0", "v0.3.1", "1.4.7", "v1.4", "main", "v3.0.0-rc.1"];
        for (range, expected) in [
            ("1.x", "v1.10.0"),
            (">=1.2.0 <2.0.0", "v1.10.0"),
            (">= 1.2.0, < 1.10.0", "v1.9.0"),
            ("~1.4", "1.4.7"),
            ("1.4", "1.4.7"),
            ("^0.3", "v0.3.1"),
            ("1.0 - 1.9", "v1.9.0"),
            ("*", "v2.0.0"),
            ("<1 || >=2", "v2.0.0"),
            (">=2.0.0-0", "v3.0.0-rc.1"),
            (">=4", ""),
        ] {
            assert_eq!(highest(range, &tags), expected, "{range}");
        }
    }

    #[test]
    fn pre_releases_count_only_where_they_are_asked_for() {
        let has =
            |range: &str, version: &str| VersionRange::parse(range).unwrap().contains(version);
        assert!(!has(">=1.0.0", "1.1.0-rc.1"));
        assert!(has(">=1.0.0-0", "1.1.0-rc.1"));
        assert!(has(">=1.0.0-rc.1 <2.0.0", "1.0.0-rc.2"));
        assert!(!has(">=1.0.0-rc.1 <2.0.0", "2.0.0-rc.1"));
        assert!(!has(">=1.0.0-rc.1", "1.0.0-beta"));
        assert!(has("1.2.3", "1.2.3+build.5"));
        assert_eq!(highest("*", &["1.2.3", "v1.2.3"]), "v1.2.3");
    }

    /// What Helm and npm users expect of the ways to write one.
    #[test]
    fn a_range_takes_the_versions_that_its_operators_say() {
        let takes =
            |range: &str, version: &str| VersionRange::parse(range).unwrap().contains(version);
        for (range, inside, outside) in [
            ("1.2.3", "1.2.3", "1.2.4 1.2.3-rc.1"),
            ("1.2", "1.2.0 1.2.9", "1.3.0 1.1.9"),
            ("1.x", "1.0.0 1.9.9", "2.0.0 0.9.9"),
            ("*", "0.0.1 9.9.9", "1.0.0-rc.1"),
            ("^1.2.3", "1.2.3 1.9.0", "2.0.0 1.2.2"),
            ("^0.2.3", "0.2.3 0.2.9", "0.3.0 1.0.0"),
            ("^0.0.3", "0.0.3", "0.0.4 0.1.0"),
            ("^0.0", "0.0.9", "0.1.0"),
            ("^0", "0.9.9", "1.0.0"),
            ("~1.2.3", "1.2.3 1.2.9", "1.3.0"),
            ("~1", "1.9.9", "2.0.0"),
            (">=1.0.0, <2", "1.0.0 1.9.9", "2.0.0 0.9.9"),
            (">= 1.0.0 <2.0.0", "1.5.0", "2.0.0"),
            (">1.2", "1.3.0", "1.2.9"),
            ("<=1.2", "1.2.9", "1.3.0"),
            ("1.x || >=3", "1.1.0 3.0.0", "2.0.0"),
            ("^1.0.0-0", "1.1.0-rc.1 1.0.0", "2.0.0-rc.1 2.0.0"),
        ] {
            for version in inside.split(' ') {
                assert!(takes(range, version), "{version} is in {range}");
            }
            for version in outside.split(' ') {
                assert!(!takes(range, version), "{version} is not in {range}");
            }
        }
    }

    #[test]
    fn names_that_are_no_versions_are_left_alone() {
        let tags = ["v1.9.0", "v1.10.0", "latest", "v2.0.0", "1.10.0", "v1.11.0-rc.1", "v01.99.0"];
        assert_eq!(highest("1.x", &tags), "v1.10.0");
        assert_eq!(highest("1.x", &["main"]), "");
        assert_eq!(highest(">=1.0.0-0 <2", &tags), "v1.11.0-rc.1");
    }

    #[test]
    fn what_all_versions_of_a_range_start_with_is_known_while_they_have_one_major() {
        let starts = |range: &str| VersionRange::parse(range).unwrap().starts();
        assert_eq!(starts("1.x"), ["1."]);
        assert_eq!(starts("~1.4"), ["1.4."]);
        assert_eq!(starts(">=1.2.0 <2.0.0"), ["1."]);
        assert_eq!(starts(">=1.2.0"), [""]);
        assert_eq!(starts("1.x || 3.x"), ["1.", "3."]);
    }

    #[test]
    fn what_is_no_range_is_refused_up_to_its_bounds() {
        for bad in ["", "main", ">=", "1.2.3.4", "> <", "1.x ||", ">=2 <1", "!=1.0.0", "1.2.3 -"] {
            assert!(VersionRange::parse(bad).is_err(), "{bad}");
        }
        let alternatives = |count: usize| vec!["1.x"; count].join("||");
        assert!(VersionRange::parse(&alternatives(ALTERNATIVES_MAX)).is_ok());
        assert!(VersionRange::parse(&alternatives(ALTERNATIVES_MAX + 1)).is_err());
        let long = format!("1.x{}", " ".repeat(RANGE_TEXT_BYTES_MAX - 3));
        assert!(VersionRange::parse(&long).is_ok());
        assert!(VersionRange::parse(&format!("{long} ")).is_err());
    }

    proptest! {
        /// Without pre-releases, a range means what the library's own comparators mean.
        #[test]
        fn a_range_means_what_its_comparators_mean(
            comparators in proptest::collection::vec(
                "(=|>|>=|<|<=|~|\\^)[0-3](\\.[0-3](\\.[0-3])?)?", 1..4),
            version in "[0-4]\\.[0-4]\\.[0-4]",
        ) {
            let library = VersionReq::parse(&comparators.join(", ")).unwrap();
            let version = Version::parse(&version).unwrap();
            let expected = library.matches(&version);
            match VersionRange::parse(&comparators.join(" ")) {
                Ok(range) => {
                    prop_assert_eq!(range.has(&version), expected);
                    let text = version.to_string();
                    let listed = range.starts().iter().any(|start| text.starts_with(start));
                    prop_assert!(listed || !expected);
                }
                Err(_) => prop_assert!(!expected),
            }
        }

        #[test]
        fn any_text_is_a_range_or_not(text in "\\PC{0,40}", tag in "\\PC{0,40}") {
            if let Ok(range) = VersionRange::parse(&text) {
                prop_assert_eq!(&VersionRange::parse(&range.to_string()).unwrap(), &range);
                let _ = range.highest([tag.as_str()]);
            }
        }
    }
}
