//! Identities and versions in a few bytes: they are remembered of every object that is watched,
//! and copied for every object in every run.

use crate::Object;
use std::fmt;

/// A uid in 16 bytes, as long as it is one of the usual form.
#[derive(Clone, PartialEq, Eq)]
pub enum Uid {
    /// One of the usual form.
    Usual([u8; 16]),
    /// Any other text.
    Other(Box<str>),
}

/// A resourceVersion. Equal versions of one object are one state of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Version {
    /// A number, as the API server makes them.
    Number(u64),
    /// Any other text.
    Other(Box<str>),
}

impl Uid {
    /// That of an object; of one without a uid an empty text.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        Self::parse(object.uid().unwrap_or_default())
    }

    /// Reads a uid; any text comes back as it was.
    #[must_use]
    pub fn parse(text: &str) -> Self {
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

impl Default for Uid {
    /// That of an object without one.
    fn default() -> Self {
        Self::Other(Box::default())
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.write_str(text),
            Self::Usual(bytes) => {
                // At once: an inventory that is written prints as many as there are objects.
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
    /// That of an object; of one without a version an empty text.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        Self::parse(object.resource_version().unwrap_or_default())
    }

    /// Reads a version; any text comes back as it was.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => Self::Number(number),
            _ => Self::Other(text.into()),
        }
    }

    /// Whether this is surely an older one of the same object.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Number(one), Self::Number(two)) if one < two)
    }
}

impl Default for Version {
    /// That of an object without one.
    fn default() -> Self {
        Self::Other(Box::default())
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        Self::parse(text)
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
    use proptest::prelude::*;

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
