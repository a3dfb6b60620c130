//! What came of an apply or a deletion: a summary for stdout, everything that went wrong for
//! stderr.

use super::all_problems;
use super::status;
use crate::terminal::{Painter, Style, printable};
use delivery::{Outcome, OutcomeResult, Report};
use model::Span;
use std::fmt::Write;
use std::time::Duration;
use sync::Action;

/// How many applied objects an interrupted run names.
const APPLIED_LISTED_MAX: usize = 20;

/// The actions that write, with the word for having done them.
const DONE_WORDS: [(Action, &str); 7] = [
    (Action::Create, "created"),
    (Action::Update, "updated"),
    (Action::Takeover, "taken over"),
    (Action::Recreate, "made again"),
    (Action::Hook, "hooks run"),
    (Action::Prune, "deleted"),
    (Action::HandOver, "released"),
];

/// One line: what was done and how long it took.
pub(crate) fn summary(report: &Report) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (action, word) in DONE_WORDS {
        let is_this =
            |outcome: &&Outcome| outcome.action == action && outcome.result == OutcomeResult::Done;
        let count = report.outcomes.iter().filter(is_this).count();
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let others = [
        (report.unchanged, "unchanged"),
        (report.count(OutcomeResult::Kept), "left alone"),
        (report.count(OutcomeResult::Failed), "failed"),
        (report.count(OutcomeResult::Held), "held"),
        (report.count(OutcomeResult::NotStarted), "not begun"),
        (report.unhealthy.len(), "not healthy"),
    ];
    parts.extend(
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}")),
    );
    if parts.is_empty() {
        parts.push("nothing to do".to_owned());
    }
    let mut text = format!("{}: {}", report.delivery, parts.join(", "));
    let _ = write!(text, " in {}", Span(report.apply_time()));
    if report.wait_milliseconds > 0 && report.unhealthy.is_empty() {
        let wait = Span(Duration::from_millis(report.wait_milliseconds));
        let _ = write!(text, ", healthy {wait} later");
    }
    text.push('\n');
    text
}

/// Everything that a person has to look at; empty when all went well.
pub(crate) fn troubles(report: &Report, painter: Painter) -> String {
    let mut text = all_problems(painter, &report.problems, &report.refusals, &report.warnings);
    for outcome in &report.outcomes {
        let word = match outcome.result {
            OutcomeResult::Failed => "error:",
            OutcomeResult::Held => "held:",
            _ => continue,
        };
        let word = painter.paint(Style::Bad, word);
        let _ = write!(text, "{word} {}", printable(&outcome.object.to_string()));
        if let Some(origin) = &outcome.origin {
            let _ = write!(text, " ({})", printable(origin));
        }
        if let Some(reason) = &outcome.reason {
            let _ = write!(text, ": {}", printable(reason).trim_end().replace('\n', "\n    "));
        }
        text.push('\n');
        if let Some(hint) = &outcome.hint {
            let _ = writeln!(text, "  hint: {}", printable(hint));
        }
    }
    if !report.unhealthy.is_empty() {
        let _ = writeln!(
            text,
            "{} not healthy when the wait ended:",
            painter.paint(Style::Bad, "error:")
        );
        text.push_str(&status::objects(&report.unhealthy, painter));
    }
    if report.interrupted {
        text.push_str(&interrupted(report, painter));
    }
    text
}

/// What an interrupted run leaves behind.
fn interrupted(report: &Report, painter: Painter) -> String {
    let done: Vec<&Outcome> =
        report.outcomes.iter().filter(|outcome| outcome.result == OutcomeResult::Done).collect();
    let left = report.count(OutcomeResult::NotStarted);
    let word = painter.paint(Style::Warn, "interrupted:");
    let mut text = format!("{word} {} done, {left} not begun\n", done.len());
    for outcome in done.iter().take(APPLIED_LISTED_MAX) {
        let verb = DONE_WORDS
            .iter()
            .find(|(action, _)| *action == outcome.action)
            .map_or("done", |(_, word)| word);
        let _ = writeln!(text, "  {verb} {}", printable(&outcome.object.to_string()));
    }
    if done.len() > APPLIED_LISTED_MAX {
        let _ = writeln!(text, "  and {} more", done.len() - APPLIED_LISTED_MAX);
    }
    text.push_str("  hint: run the same command again to complete the delivery\n");
    text
}
