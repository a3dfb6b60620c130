//! Which lines belong together: stack traces of known languages, or what a start pattern says.
//!
//! A line either starts a record or continues the open one. A group is closed by the line that
//! starts the next, by a pause, or by its bounds; then it is one record with newlines in it. The
//! head of a trace (`Traceback`, `panic:`, an exception's name) continues the open group only when
//! that is one line which speaks of an error: a trace must not hide behind an `INFO` line. What a
//! parser finds in the line says so, else its words do. An empty line that a trace may go on behind
//! belongs to the group; at the end of one the body has it not.

use regex::Regex;

use crate::error::PlanError;
use crate::meaning;

mod presets;

pub use presets::{PRESETS, Preset};

/// A group is closed after this many nanoseconds without a line, unless told otherwise.
pub const PAUSE: u64 = 1_000_000_000;
/// The longest pause that can be asked for, nanoseconds.
pub const PAUSE_MAX: u64 = 60 * 1_000_000_000;
/// A group has at most this many lines, unless told otherwise.
pub const GROUP_LINES: usize = 2_000;
/// The severity of a trace that says none: ERROR.
pub(crate) const SEVERITY: u8 = 17;
/// A line of this severity or a higher one speaks of an error.
const WARN: u8 = 13;
/// So does one with this status or a higher one.
const STATUS_ERROR: u16 = 500;
/// Words that speak of an error and are no severity.
const WORDS: [&str; 7] = ["exception", "failed", "failure", "failing", "erro", "fata", "panicked"];
/// A shorter word is no severity.
const WORD_BYTES_MIN: usize = 3;

/// What a line is to the open group. The state is the preset's own; 0 is "no trace".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It begins a record.
    Starts(u8),
    /// It belongs to the open one.
    Continues(u8),
}

/// The open group, as presets see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    /// What this preset said about the last line.
    pub state: u8,
    /// The group is one line that speaks of an error.
    pub error_line: bool,
}

/// What belongs together.
#[derive(Debug, Clone)]
pub struct Multiline {
    pub(crate) presets: Vec<Preset>,
    start: Option<Regex>,
    pub(crate) pause: u64,
    pub(crate) lines_max: usize,
}

/// The names of all presets.
#[must_use]
pub fn preset_names() -> [&'static str; PRESETS.len()] {
    PRESETS.map(|preset| preset.name)
}

impl Multiline {
    /// Traces of these languages.
    ///
    /// # Errors
    /// When a preset does not exist.
    pub fn presets<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, PlanError> {
        let find = |name: &str| {
            let found = PRESETS.iter().find(|preset| preset.name == name).copied();
            found.ok_or_else(|| PlanError::Preset { name: name.to_owned() })
        };
        let presets = names.into_iter().map(find).collect::<Result<_, _>>()?;
        Ok(Self { presets, start: None, pause: PAUSE, lines_max: GROUP_LINES })
    }

    /// A line that matches starts a record; all others continue it.
    ///
    /// # Errors
    /// When the pattern is none.
    pub fn starting_with(pattern: &str) -> Result<Self, PlanError> {
        let start = Some(crate::plan::compile(pattern)?);
        Ok(Self { presets: Vec::new(), start, pause: PAUSE, lines_max: GROUP_LINES })
    }

    /// Closes a group after this many nanoseconds without a line.
    ///
    /// # Errors
    /// When it is 0 or more than [`PAUSE_MAX`].
    pub fn with_pause(mut self, nanoseconds: u64) -> Result<Self, PlanError> {
        crate::plan::bound("the pause of a multi-line group", nanoseconds, 1, PAUSE_MAX)?;
        self.pause = nanoseconds;
        Ok(self)
    }

    /// Closes a group after this many lines.
    #[must_use]
    pub fn with_lines(mut self, lines: usize) -> Self {
        self.lines_max = lines.max(1);
        self
    }

    /// Whether a line starts a record or continues the open group. `error_line` is whether that is
    /// one line that speaks of an error.
    pub(crate) fn judge(&self, open: Option<Trace>, error_line: bool, line: &str) -> (Verdict, u8) {
        if let Some(start) = &self.start {
            let starts = open.is_none() || start.is_match(line);
            return (if starts { Verdict::Starts(0) } else { Verdict::Continues(0) }, 0);
        }
        // The preset of the open trace is asked first: an indented line could be another's too.
        if let Some(trace) = open.filter(|trace| trace.state != 0)
            && let Some(preset) = self.presets.get(usize::from(trace.preset))
        {
            let view = Open { state: trace.state, error_line };
            let verdict = (preset.judge)(view, line);
            if matches!(verdict, Verdict::Continues(_)) {
                return (verdict, trace.preset);
            }
        }
        let mut started = (Verdict::Starts(0), 0);
        for (number, preset) in (0_u8..).zip(&self.presets) {
            let state = open.filter(|trace| trace.preset == number).map_or(0, |trace| trace.state);
            match (preset.judge)(Open { state, error_line }, line) {
                found @ Verdict::Continues(_) if open.is_some() => return (found, number),
                Verdict::Starts(state) | Verdict::Continues(state)
                    if state != 0 && started.0 == Verdict::Starts(0) =>
                {
                    started = (Verdict::Starts(state), number);
                }
                _ => {}
            }
        }
        started
    }
}

/// What the last line of the open group was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trace {
    pub(crate) preset: u8,
    pub(crate) state: u8,
    /// The group has a line that only traces have.
    is_trace: bool,
    /// So has its beginning, so that no line of it tells the severity.
    is_headless: bool,
}

impl Trace {
    /// The trace after a line with this verdict, which may be the first one of its record.
    pub(crate) fn after(self, (verdict, preset): (Verdict, u8), is_first: bool) -> Self {
        let (state, before) = match verdict {
            Verdict::Starts(state) => (state, false),
            Verdict::Continues(state) => (state, self.is_trace),
        };
        let is_trace = before || presets::is_trace(state);
        let is_headless = if is_first { is_trace } else { self.is_headless };
        Self { preset, state, is_trace, is_headless }
    }

    /// Whether the group is a trace that says nothing of its severity, of which a parser found this
    /// one.
    pub(crate) fn is_bare(self, severity: u8) -> bool {
        self.is_trace && (severity == 0 || self.is_headless && severity < SEVERITY)
    }
}

/// Whether a line speaks of an error: by the severity or the status that a parser found in it (0
/// is none), else by the first of its words that is a severity, or that speaks of an error.
pub(crate) fn speaks_of_error(severity: u8, status: u16, line: &str) -> bool {
    match (severity, status) {
        (0, 0) => words(line).find_map(says_error).unwrap_or(false),
        (0, status) => status >= STATUS_ERROR,
        (severity, _) => severity >= WARN,
    }
}

/// Whether a word speaks of an error; nothing when it says neither.
fn says_error(word: &str) -> Option<bool> {
    let named = ["Exception", "Error"].iter().any(|end| word.ends_with(end));
    if named || WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return Some(true);
    }
    let is_word =
        word.len() >= WORD_BYTES_MIN && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let severity = meaning::severity(word.as_bytes()).filter(|_| is_word);
    severity.map(|severity| severity >= WARN)
}

/// The words of a line, without colours of a terminal, names of pairs and of JSON's members.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let part = |one: char| !one.is_alphanumeric() && one != '_';
    let uncoloured = line.split('\u{1b}').map(|text| {
        let colour = text.strip_prefix('[').and_then(|text| text.split_once('m'));
        colour.map_or(text, |(_, behind)| behind)
    });
    uncoloured.flat_map(move |text| {
        let mut rest = text;
        std::iter::from_fn(move || {
            let (word, behind) = rest.split_at_checked(rest.find(part).unwrap_or(rest.len()))?;
            let mark = behind.chars().next();
            rest = behind.get(mark.map_or(0, char::len_utf8)..)?;
            let is_member = behind.strip_prefix('"');
            let is_member = is_member.is_some_and(|text| text.trim_start().starts_with(':'));
            let is_end = word.is_empty() && mark.is_none();
            (!is_end).then_some(if mark == Some('=') || is_member { "" } else { word })
        })
    })
}
