//! What is remembered of one managed object: enough to say that nothing is to be done about it,
//! and never the object itself.

use objects::Object;
use objects::health::Health;
use std::fmt;
use sync::Digest;
use sync::directives::PruneRule;

/// What a memo may take, without what an unhealthy object's reason takes.
pub(crate) const MEMO_BYTES_MAX: usize = 128;

/// What is known of a managed object in its newest version.
#[derive(Debug, Clone)]
pub(crate) struct Memo {
    pub(crate) uid: Uid,
    pub(crate) version: Version,
    /// The desired document that it was last seen equal to, or that was applied last.
    pub(crate) digest: Option<Digest>,
    pub(crate) standing: Standing,
    /// Its health when it is not healthy.
    pub(crate) health: Option<Box<Health>>,
    /// Another writer's ownership may have to be taken over before it is applied.
    pub(crate) takes: bool,
    pub(crate) prune: PruneRule,
    pub(crate) prune_last: bool,
    pub(crate) wave: i32,
    pub(crate) heal_disabled: bool,
    /// This version is the answer to a write of ours, and its event has not come yet.
    pub(crate) written: bool,
}

/// How an object stands to its desired document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Applying the document of the memo's digest would change nothing.
    Clean,
    /// It might change something.
    Unproven,
    /// It is being deleted.
    Going,
    /// The tree does not name it.
    Unnamed,
}

/// A uid in 16 bytes, as long as it is one of the usual form.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Uid {
    Usual([u8; 16]),
    Other(Box<str>),
}

/// A resourceVersion. Equal versions of one object are one state of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Version {
    Number(u64),
    Other(Box<str>),
}

impl Uid {
    pub(crate) fn of(object: &Object) -> Self {
        Self::parse(object.uid().unwrap_or_default())
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut bytes = [0; 16];
        let mut digits = text.bytes().filter(|byte| *byte != b'-');
        for byte in &mut bytes {
            let mut digit = || char::from(digits.next()?).to_digit(16);
            match (digit(), digit()) {
                (Some(high), Some(low)) => *byte = u8::try_from(high * 16 + low).unwrap_or(0),
                _ => return Self::Other(text.into()),
            }
        }
        let usual = Self::Usual(bytes);
        // Only what comes back as it was is kept short.
        if usual.to_string() == text { usual } else { Self::Other(text.into()) }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.write_str(text),
            Self::Usual(bytes) => {
                // At once: each run prints as many as there are objects.
                let mut text = String::with_capacity(36);
                for (index, byte) in bytes.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        text.push('-');
                    }
                    for digit in [byte >> 4, byte & 15] {
                        text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
                    }
                }
                f.write_str(&text)
            }
        }
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Version {
    pub(crate) fn of(object: &Object) -> Self {
        Self::parse(object.resource_version().unwrap_or_default())
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => Self::Number(number),
            _ => Self::Other(text.into()),
        }
    }

    /// Whether this is surely an older one of the same object.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Number(one), Self::Number(two)) if one < two)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::ObjectRef;
    use proptest::prelude::*;

    #[test]
    fn a_memo_takes_no_more_than_its_bound() {
        const { assert!(size_of::<(ObjectRef, Memo)>() <= MEMO_BYTES_MAX) };
    }

    #[test]
    fn a_usual_uid_and_version_take_no_text() {
        let uid = "9f6a1b2c-0d3e-4f50-8a7b-1234567890ab";
        assert!(matches!(Uid::parse(uid), Uid::Usual(_)));
        assert!(matches!(Version::parse("123456"), Version::Number(123_456)));
        assert!(Version::parse("9").is_before(&Version::parse("10")));
        assert!(!Version::parse("x9").is_before(&Version::parse("x10")), "not ours to compare");
    }

    proptest! {
        #[test]
        fn uids_and_versions_come_back_as_they_were(text in "[-0-9a-fA-Fx]{0,40}|[0-9]{0,25}|.{0,8}") {
            prop_assert_eq!(Uid::parse(&text).to_string(), text.clone());
            prop_assert_eq!(Version::parse(&text).to_string(), text);
        }
    }
}
