//! The parsers, one file each, and their table. A parser is told a line and fills a `Draft`; it
//! says whether the line is of its format. When it is not, what it wrote is forgotten.

mod access;
mod json;
mod klog;
mod logfmt;
mod regex;
mod syslog;
mod words;

use crate::draft::Draft;
use crate::error::PlanError;

pub(crate) use logfmt::closing;

/// A format of lines.
#[derive(Debug, Clone, Copy)]
pub struct Parser {
    /// Its name in a configuration.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Fills the draft; `None` when the line is not of this format.
    pub(crate) parse: fn(&mut Draft<'_>) -> Option<()>,
}

impl PartialEq for Parser {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// All parsers.
pub const PARSERS: [Parser; 7] = [
    json::PARSER,
    logfmt::PARSER,
    regex::PARSER,
    access::PARSER,
    syslog::RFC3164,
    syslog::RFC5424,
    klog::PARSER,
];

/// The parser of this name.
///
/// # Errors
/// When there is none.
pub fn named(name: &str) -> Result<Parser, PlanError> {
    let found = PARSERS.iter().find(|parser| parser.name == name);
    found.copied().ok_or_else(|| PlanError::Parser { name: name.to_owned() })
}

/// The names of all parsers.
#[must_use]
pub fn names() -> [&'static str; PARSERS.len()] {
    PARSERS.map(|parser| parser.name)
}

#[cfg(test)]
mod tests;
