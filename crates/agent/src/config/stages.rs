//! What happens between reading and sending: sampling and redaction.

use super::defaults::*;
use super::inputs::pattern;
use super::path;
use super::section::Section;
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
    /// In this order.
    pub rules: Vec<RedactionRule>,
    /// A file with a key: values become keyed hashes of themselves, which can be compared but
    /// not read. Without it they become fixed words.
    pub key_file: Option<PathBuf>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactionRule {
    /// Its name, in metrics and in what replaces the text.
    pub name: String,
    /// What it finds.
    pub kind: RedactionKind,
    /// What replaces it; none is the name of the rule.
    pub replacement: Option<String>,
}

/// What a rule finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedactionKind {
    /// Numbers of payment cards with a right check digit.
    CreditCard,
    /// Addresses of e-mail.
    Email,
    /// Addresses of IPv4.
    Ipv4,
    /// Tokens of the kind `Bearer …` and `eyJ…`.
    Token,
    /// What a pattern matches.
    Pattern(String),
    /// The value of fields with these names.
    Fields(Vec<String>),
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
    };
    section.finish();
    sampling
}

fn rate(section: Section<'_>) -> KeyRate {
    let rate = rate_of(&section);
    section.finish();
    rate
}

fn rate_of(section: &Section<'_>) -> KeyRate {
    let lines = 1..=RATE_LINES_MAX;
    KeyRate {
        lines_per_second: section.number("lines_per_second", lines, HOT_TRACE_LINES_DEFAULT),
        keep_percent: section.percent("keep_percent", HOT_TRACE_KEEP_DEFAULT),
    }
}

fn keyed(section: Section<'_>) -> Option<(String, KeyRate)> {
    let field = section.required("field", "the name of a field");
    let rate = rate_of(&section);
    section.finish();
    Some((field?.value, rate))
}

/// The section `redaction`.
pub(crate) fn redaction(root: &Section<'_>) -> Redaction {
    let Some(section) = root.section("redaction") else { return Redaction::default() };
    let sections = section.sections("rules");
    if sections.len() > REDACTION_RULES_MAX {
        let message = format!("`redaction.rules` has more than {REDACTION_RULES_MAX} entries");
        section.wrong(section.line_of("rules"), message);
    }
    let rules = sections.into_iter().take(REDACTION_RULES_MAX).filter_map(rule).collect();
    let redaction = Redaction { rules, key_file: path(&section, "key_file") };
    section.finish();
    redaction
}

fn rule(section: Section<'_>) -> Option<RedactionRule> {
    let words = [
        ("credit_card", RedactionKind::CreditCard),
        ("email", RedactionKind::Email),
        ("ipv4", RedactionKind::Ipv4),
        ("token", RedactionKind::Token),
    ];
    let known = section
        .has("find")
        .then(|| section.choice("find", &words, RedactionKind::CreditCard));
    let matched = pattern(&section, "pattern").map(RedactionKind::Pattern);
    let fields: Vec<String> =
        section.texts("fields").into_iter().map(|placed| placed.value).collect();
    let fields = (!fields.is_empty()).then_some(RedactionKind::Fields(fields));
    let given = [known.is_some(), matched.is_some(), fields.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let message = "a redaction rule needs exactly one of find, pattern and fields";
        section.wrong(section.line, message);
    }
    let name = section.required("name", "the name of the rule, for metrics");
    let replacement = section.text("replacement").map(|placed| placed.value);
    section.finish();
    Some(RedactionRule { name: name?.value, kind: known.or(matched).or(fields)?, replacement })
}
