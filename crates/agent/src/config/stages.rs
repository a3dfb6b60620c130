//! What happens between reading and sending: sampling and redaction.

use super::Config;
use super::defaults::*;
use super::inputs::with_hint;
use super::path;
use super::section::Section;
use lines::{PlanError, Role};
use std::path::PathBuf;
use std::time::Duration;

/// What is left out. Errors and statuses from 500 on never are.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Lines of one trace in a second from which on it is thinned; none is never.
    pub hot_trace: Option<KeyRate>,
    /// A field, and how many lines with one value of it in a second pass before they are thinned.
    pub rate: Option<(String, KeyRate)>,
    /// Percent of what is left that is kept.
    pub keep_percent: f64,
    /// How long dropped lines of a trace may be asked back by an error of it; none is never.
    pub rescue: Option<Duration>,
    /// Memory for what may be asked back, in bytes.
    pub rescue_memory_bytes: u64,
    /// Over how long what was left out is summed up in records of our own.
    pub summary: Duration,
}

/// Thinning above a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyRate {
    /// Lines in a second that all pass.
    pub lines_per_second: u64,
    /// Percent of further lines that pass.
    pub keep_percent: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            hot_trace: None,
            rate: None,
            keep_percent: 100.0,
            rescue: None,
            rescue_memory_bytes: RESCUE_MEMORY_BYTES_DEFAULT,
            summary: SUMMARY_DEFAULT,
        }
    }
}

impl Sampling {
    /// Whether nothing is ever left out.
    #[must_use]
    pub fn keeps_all(&self) -> bool {
        self.hot_trace.is_none() && self.rate.is_none() && self.keep_percent >= 100.0
    }
}

/// What is made unreadable before anything is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Built-in rules.
    pub rules: Vec<String>,
    /// Rules of one's own.
    pub patterns: Vec<RedactionPattern>,
    /// What stands there instead.
    pub show: Show,
    /// A file with the key of [`Show::Hash`].
    pub key_file: Option<PathBuf>,
}

/// A rule of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactionPattern {
    /// What stands in brackets where it matched.
    pub name: String,
    /// What is replaced.
    pub pattern: String,
    /// A text that every match has in it, which makes other lines cheap.
    pub contains: Option<String>,
}

/// What stands where something was replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Show {
    /// The name of the rule in brackets.
    #[default]
    Name,
    /// Stars.
    Stars,
    /// The name and a keyed hash: equal texts can be found, nobody can read them.
    Hash,
}

impl Redaction {
    /// The rules, compiled; nothing when there are none. `key` is the content of the key file.
    ///
    /// # Errors
    /// When a name, a pattern or the key is wrong.
    pub fn compiled(&self, key: Option<&[u8]>) -> Result<Option<lines::Redaction>, PlanError> {
        if self.rules.is_empty() && self.patterns.is_empty() {
            return Ok(None);
        }
        let mut made = lines::Redaction::builtin(self.rules.iter().map(String::as_str))?;
        for one in &self.patterns {
            made = made.with_pattern(&one.name, &one.pattern, one.contains.as_deref())?;
        }
        Ok(Some(match (self.show, key) {
            (Show::Name, _) | (Show::Hash, None) => made,
            (Show::Stars, _) => made.with_stars(),
            (Show::Hash, Some(key)) => made.with_key(key)?,
        }))
    }
}

/// The section `sampling`.
pub(crate) fn sampling(root: &Section<'_>) -> Sampling {
    let Some(section) = root.section("sampling") else { return Sampling::default() };
    let rescue = section.section("rescue");
    let (window, memory) = match rescue {
        None => (None, RESCUE_MEMORY_BYTES_DEFAULT),
        Some(rescue) => {
            let windows = WAIT_MIN..=RESCUE_WINDOW_MAX;
            let sizes = 64 * 1024..=RESCUE_MEMORY_BYTES_MAX;
            let read = (
                Some(rescue.span("window", windows, RESCUE_WINDOW_DEFAULT)),
                rescue.size("memory_bytes", sizes, RESCUE_MEMORY_BYTES_DEFAULT),
            );
            rescue.finish();
            read
        }
    };
    let sampling = Sampling {
        hot_trace: section.section("hot_trace").map(rate),
        rate: section.section("rate").and_then(keyed),
        keep_percent: section.percent("keep_percent", 100.0),
        rescue: window,
        rescue_memory_bytes: memory,
        summary: section.span("summary", SUMMARY_MIN..=SUMMARY_MAX, SUMMARY_DEFAULT),
    };
    section.finish();
    sampling
}

/// What a share may differ from one of a whole number, in percent of it.
const KEEP_DEVIATION_MAX: f64 = 5.0;

fn rate(section: Section<'_>) -> KeyRate {
    let rate = rate_of(&section);
    section.finish();
    rate
}

fn rate_of(section: &Section<'_>) -> KeyRate {
    let lines = 1..=RATE_LINES_MAX;
    let lines_per_second = section.number("lines_per_second", lines, HOT_TRACE_LINES_DEFAULT);
    let keep_percent = section.percent("keep_percent", HOT_TRACE_KEEP_DEFAULT);
    // One of so many is kept, up to one of a thousand.
    let one_in = (100.0 / keep_percent).round();
    if (one_in * keep_percent - 100.0).abs() > KEEP_DEVIATION_MAX {
        let share = |one_in: f64| (1000.0 / one_in).round() / 10.0;
        let message = format!(
            "`{}` keeps one of so many: {} or {} percent, not {keep_percent}",
            section.name("keep_percent"),
            share((100.0 / keep_percent).floor()),
            share((100.0 / keep_percent).ceil())
        );
        section.wrong(section.line_of("keep_percent"), message);
    }
    KeyRate { lines_per_second, keep_percent }
}

fn keyed(section: Section<'_>) -> Option<(String, KeyRate)> {
    let field = section.required("field", "the name of a field");
    if let Some(field) = &field
        && let Some(Role::Time | Role::TraceId | Role::SpanId | Role::Traceparent) =
            lines::role(&field.value)
    {
        let message = format!(
            "`{}`: `{}` becomes the time or the trace of its record, which no rate limits: name \
             another field (`sampling.hot_trace` limits traces)",
            section.name("field"),
            field.value
        );
        section.wrong(field.line, message);
    }
    let rate = rate_of(&section);
    section.finish();
    Some((field?.value, rate))
}

/// A rate of a message that no record has beside its line.
pub(crate) fn no_message(root: &Section<'_>, config: &Config) {
    let Some((field, _)) = &config.sampling.rate else { return };
    if lines::role(field) != Some(Role::Message)
        || config.inputs.iter().any(|input| input.reading.has_message(field))
    {
        return;
    }
    let message = format!(
        "`sampling.rate.field`: no record has `{field}`, because the body of each input is the \
         line: add `{field}` to `fields`, or say `body: message`"
    );
    root.wrong(root.line_of("sampling"), message);
}

/// The section `redaction`.
pub(crate) fn redaction(root: &Section<'_>) -> Redaction {
    let Some(section) = root.section("redaction") else { return Redaction::default() };
    let rules = section.texts("rules").into_iter().map(|text| text.value).collect();
    let sections = section.sections("patterns");
    if sections.len() > REDACTION_PATTERNS_MAX {
        let message =
            format!("`redaction.patterns` has more than {REDACTION_PATTERNS_MAX} entries");
        section.wrong(section.line_of("patterns"), message);
    }
    let patterns = sections.into_iter().take(REDACTION_PATTERNS_MAX).filter_map(rule).collect();
    let shows = [("name", Show::Name), ("stars", Show::Stars), ("hash", Show::Hash)];
    let redaction = Redaction {
        rules,
        patterns,
        show: section.choice("show", &shows, Show::Name),
        key_file: path(&section, "key_file"),
    };
    if (redaction.show == Show::Hash) != redaction.key_file.is_some() {
        let message = "`redaction.key_file` and `show: hash` need each other";
        section.wrong(section.line_of("show"), message);
    }
    if let Err(error) = redaction.compiled(None) {
        let (key, near) = match &error {
            PlanError::Rule { .. } => {
                let names = lines::redact::rule_names().join(", ");
                ("rules", Some(format!("there are {names}")))
            }
            _ => ("patterns", None),
        };
        section.wrong(section.line_of(key), with_hint(&error, near));
    }
    section.finish();
    redaction
}

fn rule(section: Section<'_>) -> Option<RedactionPattern> {
    let name = section.required("name", "what stands where it matched");
    let pattern = section.required("pattern", "a regular expression");
    let contains = section.text("contains").map(|placed| placed.value);
    section.finish();
    Some(RedactionPattern { name: name?.value, pattern: pattern?.value, contains })
}
