//! What to do with the lines of one kind of file: compiled once from [`Settings`], then shared.

use std::sync::atomic::{AtomicU64, Ordering};

use regex::{Regex, RegexBuilder};

use crate::encoding::Encoding;
use crate::error::PlanError;
use crate::multiline::Multiline;
use crate::options::{Body, Keep, Options};
use crate::parsers::{self, Parser};
use crate::redact::Redaction;

/// A line is kept up to this many bytes, unless told otherwise.
pub const LINE_BYTES: u64 = 1024 * 1024;
/// The longest line that can be asked for, bytes.
pub const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The shortest limit of a line, bytes.
pub const LINE_BYTES_MIN: u64 = 64;
/// A compiled pattern may take this many bytes.
const PATTERN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The number of the next plan.
static PLANS: AtomicU64 = AtomicU64::new(1);
/// A chain of partial entries that gets no more is emitted after this many nanoseconds.
pub const CHAIN_PAUSE: u64 = 60 * 1_000_000_000;
/// The longest pause that can be asked for, nanoseconds: a day.
pub const PAUSE_MAX: u64 = 86_400 * 1_000_000_000;

/// How lines are wrapped in their file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// They are not.
    #[default]
    Raw,
    /// As the Container Runtime Interface writes them.
    Cri,
    /// As Docker's json-file driver writes them.
    Docker,
}

/// What a configuration says.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How lines are wrapped.
    pub framing: Framing,
    /// A label of the WHATWG list; `utf-8` when absent.
    pub encoding: Option<String>,
    /// The longest line, bytes; [`LINE_BYTES`] when absent.
    pub line_bytes_max: Option<u64>,
    /// Empty lines are passed over (and counted).
    pub skip_empty_lines: bool,
    /// A line without its newline is emitted after this many nanoseconds; never when absent.
    pub partial_after: Option<u64>,
    /// Which lines belong together.
    pub multiline: Option<Multiline>,
    /// Names of parsers, tried in this order.
    pub parsers: Vec<String>,
    /// The pattern of the parser `regex`.
    pub pattern: Option<String>,
    /// What the parsers are told.
    pub options: Options,
    /// What nobody may see.
    pub redaction: Option<Redaction>,
}

/// What to do with the lines of a file.
#[derive(Debug, Clone)]
pub struct Plan {
    /// A number that only copies of it have, not 0.
    pub(crate) number: u64,
    pub(crate) framing: Framing,
    pub(crate) encoding: Encoding,
    pub(crate) line_bytes_max: usize,
    pub(crate) skip_empty_lines: bool,
    pub(crate) partial_after: Option<u64>,
    pub(crate) multiline: Option<Multiline>,
    pub(crate) parsers: Vec<Parser>,
    pub(crate) options: Options,
    /// The same with all fields and the message, when some are given up of which a rule asks for
    /// the ends.
    pub(crate) all: Option<Options>,
    pub(crate) redaction: Option<Redaction>,
}

impl Plan {
    /// Whether a clean line is the text of a record as it lies in its chunk, behind its framing:
    /// then many are copied at once. What may be redacted must leave no copy.
    #[inline]
    pub(crate) fn keeps_lines(&self) -> bool {
        self.framing != Framing::Docker
            && self.encoding.is_utf8()
            && self.multiline.is_none()
            && self.redaction.is_none()
    }

    /// Checks and compiles settings.
    ///
    /// # Errors
    /// When a name, a pattern or a bound is wrong.
    pub fn new(settings: Settings) -> Result<Self, PlanError> {
        let limit = settings.line_bytes_max.unwrap_or(LINE_BYTES);
        bound("the longest line", limit, LINE_BYTES_MIN, LINE_BYTES_MAX)?;
        if let Some(pause) = settings.partial_after {
            bound("the pause before a partial line", pause, 1, PAUSE_MAX)?;
        }
        let mut options = settings.options;
        if let Some(pattern) = &settings.pattern {
            let compiled = compile(pattern)?;
            if compiled.capture_names().flatten().next().is_none() {
                return Err(PlanError::NoGroups { pattern: pattern.clone() });
            }
            options.pattern = Some(compiled);
        }
        let asks_ends = settings.redaction.as_ref().is_some_and(|redaction| redaction.asks_ends);
        let gives_up = options.keep == Keep::Named || options.body == Body::Line;
        let all = (asks_ends && gives_up).then(|| {
            let mut all = options.clone();
            (all.keep, all.body) = (Keep::All, Body::Message);
            all
        });
        let encoding = settings.encoding.as_deref().map(Encoding::named).transpose()?;
        let named = settings.parsers.iter().map(|name| parsers::named(name));
        Ok(Self {
            number: PLANS.fetch_add(1, Ordering::Relaxed),
            framing: settings.framing,
            encoding: encoding.unwrap_or_default(),
            line_bytes_max: usize::try_from(limit).unwrap_or(usize::MAX),
            skip_empty_lines: settings.skip_empty_lines,
            partial_after: settings.partial_after,
            multiline: settings.multiline,
            parsers: named.collect::<Result<_, _>>()?,
            options,
            all,
            redaction: settings.redaction,
        })
    }
}

/// Compiles a pattern within bounds.
pub(crate) fn compile(pattern: &str) -> Result<Regex, PlanError> {
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|source| PlanError::Pattern {
        pattern: pattern.to_owned(),
        source: Box::new(source),
    })
}

/// Refuses what is out of bounds.
pub(crate) fn bound(what: &'static str, value: u64, min: u64, max: u64) -> Result<(), PlanError> {
    let fits = (min..=max).contains(&value);
    if fits { Ok(()) } else { Err(PlanError::Bound { what, value, min, max }) }
}
