//! Versions in tags, and which of them a range wants.
//!
//! Input: a range as Helm and npm users write one (`^1.2`, `~1.2.3`, `>=1.0, <2`, `1.x || 2.x`)
//! and the names of tags, with or without `v`. A pre-release is taken only by a range that names
//! one itself. Limits: [`RANGE_BYTES_MAX`], [`TAG_BYTES_MAX`]; longer texts are no version.

use std::cmp::Ordering;

/// Bytes of a range.
pub const RANGE_BYTES_MAX: usize = 256;
/// Bytes of a tag that is looked at.
pub const TAG_BYTES_MAX: usize = 255;

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// There is nothing between two `||`, or nothing at all.
    #[error("there is nothing to compare with")]
    Empty,
    /// Longer than [`RANGE_BYTES_MAX`].
    #[error("it is longer than {RANGE_BYTES_MAX} bytes")]
    TooLong,
    /// A part that is no comparison.
    #[error("`{0}` is no comparison with a version")]
    Comparison(String),
}

impl model::Explain for RangeError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new("write for example `^1.2`, `~1.2.3` or `>=1.0.0, <2.0.0`"))
    }
}

/// A version; the order is that of semver.org, build metadata left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    /// The identifiers behind `-`.
    pre: Vec<Identifier>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(String),
}

impl Version {
    /// Reads `1.2.3`, `v1.2.3-rc.1+build`; all three numbers are needed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let partial = Partial::parse(text)?;
        let [Some(major), Some(minor), Some(patch)] = partial.numbers else { return None };
        Some(Self { numbers: [major, minor, patch], pre: partial.pre })
    }

    fn lowest(numbers: [u64; 3]) -> Self {
        Self { numbers, pre: vec![Identifier::Number(0)] }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.pre.cmp(&other.pre),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A version of which the end may be left out or be a wildcard.
struct Partial {
    numbers: [Option<u64>; 3],
    pre: Vec<Identifier>,
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        if text.is_empty() || text.len() > TAG_BYTES_MAX {
            return None;
        }
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let (core, pre) = text.split_once('-').map_or((text, None), |(c, p)| (c, Some(p)));
        let mut numbers = [None; 3];
        let mut parts = core.split('.');
        let mut open = false;
        for number in &mut numbers {
            match parts.next() {
                None => break,
                Some("x" | "X" | "*") => open = true,
                Some(_) if open => return None,
                Some(digits) => *number = Some(natural(digits)?),
            }
        }
        if parts.next().is_some() {
            return None;
        }
        let pre = match pre {
            None => Vec::new(),
            Some(_) if numbers.iter().any(Option::is_none) => return None,
            Some(pre) => pre.split('.').map(identifier).collect::<Option<_>>()?,
        };
        Some(Self { numbers, pre })
    }

    /// The version with zeroes for what is left out.
    fn floor(&self) -> Version {
        Version { numbers: self.numbers.map(|n| n.unwrap_or(0)), pre: self.pre.clone() }
    }

    /// The lowest version above all that begin like this one; none when everything does.
    fn ceiling(&self) -> Option<Version> {
        let [major, minor, patch] = self.numbers;
        Some(match (major, minor, patch) {
            (None, ..) => return None,
            (Some(major), None, _) => Version::lowest([major.saturating_add(1), 0, 0]),
            (Some(major), Some(minor), None) => {
                Version::lowest([major, minor.saturating_add(1), 0])
            }
            (Some(major), Some(minor), Some(patch)) => {
                Version::lowest([major, minor, patch.saturating_add(1)])
            }
        })
    }

    /// As [`Partial::ceiling`], of this version without its numbers from `from` on.
    fn ceiling_of(&self, from: usize) -> Option<Version> {
        let mut numbers = self.numbers;
        for number in numbers.iter_mut().skip(from) {
            *number = None;
        }
        Self { numbers, pre: Vec::new() }.ceiling()
    }
}

fn natural(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0');
    if plain && !padded { digits.parse().ok() } else { None }
}

fn identifier(text: &str) -> Option<Identifier> {
    let chars = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if text.is_empty() || !chars {
        return None;
    }
    Some(natural(text).map_or_else(|| Identifier::Text(text.to_owned()), Identifier::Number))
}

/// A range of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(Vec<Vec<Comparison>>);

/// From `min` to `max`; the flags say whether the ends belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Comparison {
    min: Option<(Version, bool)>,
    max: Option<(Version, bool)>,
    names_pre: bool,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// [`RangeError`] names the part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        if text.len() > RANGE_BYTES_MAX {
            return Err(RangeError::TooLong);
        }
        text.split("||").map(alternative).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a version is in it.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        self.0.iter().any(|all| {
            let pre = version.pre.is_empty() || all.iter().any(|one| one.names_pre);
            pre && all.iter().all(|one| one.contains(version))
        })
    }

    /// The tag with the highest version in the range; of two spellings of one version the first.
    #[must_use]
    pub fn highest<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let mut best: Option<(Version, &str)> = None;
        for tag in tags {
            let Some(version) = Version::parse(tag).filter(|v| self.contains(v)) else { continue };
            if best.as_ref().is_none_or(|(highest, _)| version > *highest) {
                best = Some((version, tag));
            }
        }
        best.map(|(_, tag)| tag)
    }
}

/// Comparisons that all have to hold. A blank may stand between an operator and its version.
fn alternative(text: &str) -> Result<Vec<Comparison>, RangeError> {
    let mut comparisons = Vec::new();
    let mut operator = String::new();
    for part in text.split([',', ' ', '\t']).filter(|part| !part.is_empty()) {
        operator.push_str(part);
        if part.chars().all(|c| "<>=^~".contains(c)) {
            continue;
        }
        comparisons.push(comparison(&operator)?);
        operator.clear();
    }
    if !operator.is_empty() {
        return Err(RangeError::Comparison(operator));
    }
    if comparisons.is_empty() {
        return Err(RangeError::Empty);
    }
    Ok(comparisons)
}

fn comparison(text: &str) -> Result<Comparison, RangeError> {
    let at = text.find(|c| !"<>=^~".contains(c)).unwrap_or(text.len());
    let (operator, version) = text.split_at_checked(at).unwrap_or(("", text));
    let refused = || RangeError::Comparison(text.to_owned());
    let version = Partial::parse(version).ok_or_else(refused)?;
    let whole = version.numbers.iter().all(Option::is_some);
    let names_pre = !version.pre.is_empty();
    let (min, max) = match operator {
        "" | "=" if whole => (Some((version.floor(), true)), Some((version.floor(), true))),
        "" | "=" => (Some((version.floor(), true)), below(version.ceiling())),
        ">=" => (Some((version.floor(), true)), None),
        "<" => (None, Some((version.floor(), false))),
        ">" if whole => (Some((version.floor(), false)), None),
        // What begins with these numbers is not above them.
        ">" => (Some((version.ceiling().ok_or_else(refused)?, true)), None),
        "<=" if whole => (None, Some((version.floor(), true))),
        "<=" => (None, below(version.ceiling())),
        "~" => (Some((version.floor(), true)), below(version.ceiling_of(2))),
        "^" => {
            let fixed = version.numbers.iter().position(|n| *n != Some(0)).unwrap_or(2);
            (Some((version.floor(), true)), below(version.ceiling_of(fixed + 1)))
        }
        _ => return Err(refused()),
    };
    Ok(Comparison { min, max, names_pre })
}

fn below(version: Option<Version>) -> Option<(Version, bool)> {
    version.map(|version| (version, false))
}

impl Comparison {
    fn contains(&self, version: &Version) -> bool {
        let above =
            self.min.as_ref().is_none_or(|(min, with)| version > min || (*with && version == min));
        let under =
            self.max.as_ref().is_none_or(|(max, with)| version < max || (*with && version == max));
        above && under
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn takes(range: &str, version: &str) -> bool {
        Range::parse(range).unwrap().contains(&Version::parse(version).unwrap())
    }

    #[test]
    fn a_range_takes_the_versions_that_helm_users_expect() {
        let vectors = [
            ("1.2.3", "1.2.3 v1.2.3", "1.2.4 1.2.3-rc.1"),
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
        ];
        for (range, inside, outside) in vectors {
            for version in inside.split(' ') {
                assert!(takes(range, version), "{version} is in {range}");
            }
            for version in outside.split(' ') {
                assert!(!takes(range, version), "{version} is not in {range}");
            }
        }
    }

    #[test]
    fn the_highest_version_is_chosen_and_other_tags_are_left_alone() {
        let tags = ["v1.9.0", "v1.10.0", "latest", "v2.0.0", "1.10.0", "v1.11.0-rc.1", "v01.99.0"];
        let range = Range::parse("1.x").unwrap();
        assert_eq!(range.highest(tags), Some("v1.10.0"));
        assert_eq!(range.highest(["main"]), None);
        assert_eq!(Range::parse(">=1.0.0-0 <2").unwrap().highest(tags), Some("v1.11.0-rc.1"));
    }

    #[test]
    fn pre_releases_are_ordered_as_semver_says() {
        let order = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 \
                     1.0.0-beta.11 1.0.0-rc.1 1.0.0";
        let versions: Vec<_> = order.split(' ').map(|v| Version::parse(v).unwrap()).collect();
        assert!(versions.is_sorted());
    }

    #[test]
    fn what_is_no_range_is_named() {
        assert_eq!(Range::parse(""), Err(RangeError::Empty));
        assert_eq!(Range::parse("1.2 ||"), Err(RangeError::Empty));
        assert_eq!(Range::parse("latest"), Err(RangeError::Comparison("latest".into())));
        assert_eq!(Range::parse(">= "), Err(RangeError::Comparison(">=".into())));
        assert!(Range::parse(&"1".repeat(RANGE_BYTES_MAX + 1)).is_err());
        assert!(Range::parse(&" ".repeat(RANGE_BYTES_MAX)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_range_or_a_version_panic(range in "\\PC{0,30}", tag in "\\PC{0,30}") {
            if let Ok(range) = Range::parse(&range) {
                let _ = range.highest([tag.as_str()]);
            }
        }

        #[test]
        fn an_exact_range_takes_its_own_version_only(
            a in prop::array::uniform3(0_u64..4), b in prop::array::uniform3(0_u64..4),
        ) {
            let text = |v: [u64; 3]| format!("{}.{}.{}", v[0], v[1], v[2]);
            prop_assert_eq!(takes(&text(a), &text(b)), a == b);
            prop_assert_eq!(takes(&format!(">={}", text(a)), &text(b)), b >= a);
            prop_assert_eq!(takes(&format!("<{}", text(a)), &text(b)), b < a);
        }
    }
}
