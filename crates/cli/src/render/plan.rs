//! A plan for people: one line per object that is not left as it is, its fields under it.

use super::in_one_line;
use crate::terminal::{Painter, Style, printable};
use std::fmt::Write;
use sync::{Action, Operation, Plan};

/// A value longer than this is cut in a plan; `orlop sync diff` shows it whole.
const VALUE_CHARS_MAX: usize = 60;
/// Columns of the action's word.
const ACTION_COLUMNS: usize = 8;

/// The whole plan; what stands in the way is not in it but goes to stderr.
pub(crate) fn text(plan: &Plan, painter: Painter) -> String {
    let heading = format!("{}: {} → {}", plan.delivery, plan.source, plan.cluster.server);
    let mut text = format!("{}\n", painter.paint(Style::Bold, &printable(&heading)));
    if !plan.operations.is_empty() {
        text.push('\n');
    }
    for operation in &plan.operations {
        text.push_str(&one(operation, painter));
    }
    text.push('\n');
    text.push_str(&plan.summary.to_string());
    text.push('\n');
    text
}

/// The sign and the colour of an action.
pub(crate) fn sign(action: Action) -> (char, Style) {
    match action {
        Action::Create => ('+', Style::Good),
        Action::Update => ('~', Style::Warn),
        Action::Takeover => ('>', Style::Warn),
        Action::Recreate => ('±', Style::Bad),
        Action::Hook => ('*', Style::Warn),
        Action::Prune => ('-', Style::Bad),
        Action::HandOver | Action::Keep => ('=', Style::Dim),
        _ => ('!', Style::Bad),
    }
}

/// One operation with its reason, conflicts and fields.
pub(crate) fn heading(operation: &Operation, painter: Painter) -> String {
    let (sign, style) = sign(operation.action);
    let action = match operation.action {
        Action::HandOver => "hand over".to_owned(),
        action => action.to_string(),
    };
    let head = painter.paint(style, &format!("{sign} {action:<ACTION_COLUMNS$}"));
    let mut text = format!("{head} {}", printable(&operation.object.to_string()));
    if let Some(origin) = &operation.origin {
        let origin = painter.paint(Style::Dim, &format!("({})", printable(origin)));
        let _ = write!(text, " {origin}");
    }
    text.push('\n');
    for line in reasons(operation) {
        let _ = writeln!(text, "    {}", printable(&line).replace('\n', "\n    "));
    }
    text
}

fn one(operation: &Operation, painter: Painter) -> String {
    let mut text = heading(operation, painter);
    for change in &operation.changes {
        let value = |value: &Option<serde_json::Value>| {
            value.as_ref().map(|value| in_one_line(value, VALUE_CHARS_MAX))
        };
        let path = printable(&change.path);
        let line = match (value(&change.before), value(&change.after)) {
            (Some(before), Some(after)) => format!(
                "{path}: {} → {}",
                painter.paint(Style::Bad, &before),
                painter.paint(Style::Good, &after)
            ),
            (None, Some(after)) => {
                format!("{path}: {}", painter.paint(Style::Good, &format!("+ {after}")))
            }
            (Some(before), None) => {
                format!("{path}: {}", painter.paint(Style::Bad, &format!("- {before}")))
            }
            (None, None) => path,
        };
        let _ = writeln!(text, "    {line}");
    }
    text
}

fn reasons(operation: &Operation) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(operation.reason.clone());
    lines.extend(operation.conflicts.iter().map(ToString::to_string));
    if !operation.takes_over_from.is_empty() {
        lines.push(format!("takes over from {}", operation.takes_over_from.join(", ")));
    }
    lines.extend(operation.hint.as_ref().map(|hint| format!("hint: {hint}")));
    lines
}
