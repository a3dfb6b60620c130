//! Redaction: what nobody may see is replaced before a record leaves the crate.
//!
//! Rules run over the body and all fields of a record after all joins, so that no rule misses
//! what was cut in two. A rule's own cheap test of the whole line decides first; a line without
//! anything suspicious costs no more than that. A record that is changed is written anew, so that
//! no arena keeps what was replaced. The same text always gives the same replacement.

use memchr::memmem::Finder;
use regex::Regex;
use ring::hmac;

use crate::error::PlanError;

mod across;
mod apply;
mod readings;
mod rules;
mod survey;

use readings::readings;
pub use rules::{RULES, Rule};
use survey::Survey;

/// The key of a keyed hash has at least this many bytes.
pub const KEY_BYTES_MIN: usize = 16;
/// Bytes of the keyed hash that a replacement shows, in hex.
const SHOWN_BYTES: usize = 8;

/// What is written in the place of what nobody may see.
#[derive(Clone, Default)]
pub enum Replacement {
    /// The rule's name in brackets: `[email]`.
    #[default]
    Name,
    /// Nothing but stars.
    Stars,
    /// The rule's name and the first 64 bits of an HMAC-SHA-256: `[email:3f0c…]`. Equal texts can
    /// be found again, and only who has the key can test a guess.
    Keyed(hmac::Key),
}

impl std::fmt::Debug for Replacement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name => "Name",
            Self::Stars => "Stars",
            Self::Keyed(_) => "Keyed(…)",
        })
    }
}

/// What nobody may see.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    rules: Vec<Active>,
    replacement: Replacement,
    /// Whether a pattern asks for the start or the end of a text.
    pub(crate) asks_ends: bool,
    /// Whether one without a needle does.
    has_anchors: bool,
    /// The same for the start or the end of a word.
    has_word_ends: bool,
}

#[derive(Debug, Clone)]
enum Active {
    Builtin(Rule),
    Custom(Box<Custom>),
}

#[derive(Debug, Clone)]
struct Custom {
    name: Box<str>,
    pattern: Regex,
    needle: Option<Finder<'static>>,
}

/// The names of all built-in rules.
#[must_use]
pub fn rule_names() -> [&'static str; RULES.len()] {
    RULES.map(|rule| rule.name)
}

impl Redaction {
    /// The built-in rules with these names.
    ///
    /// # Errors
    /// When there is no such rule.
    pub fn builtin<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, PlanError> {
        let find = |name: &str| {
            let found = RULES.iter().find(|rule| rule.name == name);
            found
                .map(|rule| Active::Builtin(*rule))
                .ok_or_else(|| PlanError::Rule { name: name.to_owned() })
        };
        let rules = names.into_iter().map(find).collect::<Result<_, _>>()?;
        Ok(Self { rules, ..Self::default() })
    }

    /// Adds a rule of one's own: everything that the pattern matches is replaced. With a `needle`
    /// the pattern is tried only on texts that contain it, which makes clean lines cheap. `^` and
    /// `$` are the ends of a field as well as those of the body; with them, no line is clean.
    ///
    /// # Errors
    /// When the pattern is none.
    pub fn with_pattern(
        mut self,
        name: &str,
        pattern: &str,
        needle: Option<&str>,
    ) -> Result<Self, PlanError> {
        let (anchors, word_ends) = looks_around(pattern);
        self.asks_ends |= anchors;
        if needle.is_none_or(str::is_empty) {
            self.has_anchors |= anchors;
            self.has_word_ends |= word_ends;
        }
        // The name is written into JSON text: what would break it is left out.
        let name = name.chars().filter(|one| one.is_ascii_alphanumeric() || "-_.".contains(*one));
        self.rules.push(Active::Custom(Box::new(Custom {
            name: name.collect::<String>().into(),
            pattern: crate::plan::compile(pattern)?,
            needle: needle
                .filter(|text| !text.is_empty())
                .map(|text| Finder::new(text).into_owned()),
        })));
        Ok(self)
    }

    /// Stars instead of names.
    #[must_use]
    pub fn with_stars(mut self) -> Self {
        self.replacement = Replacement::Stars;
        self
    }

    /// Keyed hashes instead of names.
    ///
    /// # Errors
    /// When the key is shorter than [`KEY_BYTES_MIN`].
    pub fn with_key(mut self, key: &[u8]) -> Result<Self, PlanError> {
        if key.len() < KEY_BYTES_MIN {
            return Err(PlanError::ShortKey { bytes: key.len(), min: KEY_BYTES_MIN });
        }
        self.replacement = Replacement::Keyed(hmac::Key::new(hmac::HMAC_SHA256, key));
        Ok(self)
    }
}

/// Whether a pattern may ask for the ends of a text, and for those of a word. What is neither may
/// be taken for one: that costs time only.
fn looks_around(pattern: &str) -> (bool, bool) {
    let (mut anchors, mut word_ends) = (false, false);
    let (mut bytes, mut before) = (pattern.bytes(), 0);
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'A' | b'z') => anchors = true,
                Some(b'b' | b'B' | b'<' | b'>') => word_ends = true,
                _ => {}
            },
            b'$' => anchors = true,
            // Behind the bracket of a class it says that the class is the other one.
            b'^' => anchors |= before != b'[',
            _ => {}
        }
        before = byte;
    }
    (anchors, word_ends)
}

impl Active {
    fn name(&self) -> &str {
        match self {
            Self::Builtin(rule) => rule.name,
            Self::Custom(custom) => &custom.name,
        }
    }

    /// A cheap test: `false` only when the rule matches nothing in the text.
    #[inline]
    fn suspects(&self, survey: &Survey, text: &str) -> bool {
        match self {
            Self::Builtin(rule) => (rule.suspects)(survey, text.as_bytes()),
            Self::Custom(custom) => match &custom.needle {
                Some(needle) => needle.find(text.as_bytes()).is_some(),
                None => custom.pattern.is_match(text),
            },
        }
    }

    /// Calls `each` with the start and the end of what is to be replaced.
    fn find(&self, survey: &Survey, text: &str, each: &mut dyn FnMut(usize, usize)) {
        match self {
            Self::Builtin(rule) => (rule.find)(survey, text.as_bytes(), each),
            Self::Custom(custom) => {
                custom.pattern.find_iter(text).for_each(|found| each(found.start(), found.end()));
            }
        }
    }
}

impl Replacement {
    /// Writes what stands for `secret`.
    fn write(&self, rule: &str, secret: &str, out: &mut String) {
        match self {
            Self::Stars => out.push_str("****"),
            Self::Name => {
                out.push('[');
                out.push_str(rule);
                out.push(']');
            }
            Self::Keyed(key) => {
                out.push('[');
                out.push_str(rule);
                out.push(':');
                // However it is escaped, it is the same secret.
                let readings = readings(secret);
                let secret = readings.last().map_or(secret, |reading| &reading.text);
                let tag = hmac::sign(key, secret.as_bytes());
                for byte in tag.as_ref().iter().take(SHOWN_BYTES) {
                    for nibble in [byte >> 4, byte & 15] {
                        out.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
                    }
                }
                out.push(']');
            }
        }
    }
}
