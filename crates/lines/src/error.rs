//! What can be wrong with a plan. Lines never fail: what is wrong with one is counted.

use model::{Explain, Hint};

/// Why a plan was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A regular expression that is none, or is too large.
    #[error("cannot compile the pattern `{pattern}`")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// A pattern that cannot give fields.
    #[error("the pattern `{pattern}` has no named group")]
    NoGroups {
        /// The pattern.
        pattern: String,
    },
    /// An encoding that nobody knows.
    #[error("no encoding is called `{label}`")]
    Encoding {
        /// The label.
        label: String,
    },
    /// A parser that is not in the table.
    #[error("no parser is called `{name}`")]
    Parser {
        /// The name.
        name: String,
    },
    /// A preset that is not in the table.
    #[error("no multi-line preset is called `{name}`")]
    Preset {
        /// The name.
        name: String,
    },
    /// A redaction rule that is not in the table.
    #[error("no redaction rule is called `{name}`")]
    Rule {
        /// The name.
        name: String,
    },
    /// A bound outside of what is possible.
    #[error("{what} must be {min} to {max}, not {value}")]
    Bound {
        /// Which bound.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// Too many names of fields.
    #[error("more than {max} names of fields")]
    ManyNames {
        /// How many there may be.
        max: usize,
    },
    /// A name of a field that is too long.
    #[error("a name of a field has {bytes} bytes, the limit is {max}")]
    LongName {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// A key for hashes that is too short to keep a secret.
    #[error("the key of the keyed hash has {bytes} bytes, it must have at least {min}")]
    ShortKey {
        /// How many it has.
        bytes: usize,
        /// How many it must have.
        min: usize,
    },
}

impl Explain for PlanError {
    fn hint(&self) -> Option<Hint> {
        let text = match self {
            Self::Pattern { .. } => "look-around and back references are not supported",
            Self::NoGroups { .. } => "name what should become a field: `(?P<user>\\w+)`",
            Self::Encoding { .. } => "use a label of the WHATWG list, such as `gbk` or `utf-16le`",
            Self::Parser { .. } => return Some(among(&crate::parsers::names())),
            Self::Preset { .. } => return Some(among(&crate::multiline::preset_names())),
            Self::Rule { .. } => return Some(among(&crate::redact::rule_names())),
            Self::ShortKey { .. } => "make one with `head -c 32 /dev/urandom | base64`",
            Self::Bound { .. } | Self::ManyNames { .. } | Self::LongName { .. } => return None,
        };
        Some(Hint::new(text))
    }
}

fn among(names: &[&str]) -> Hint {
    Hint::new(format!("use one of {}", names.join(", ")))
}
