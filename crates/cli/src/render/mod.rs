//! Results as text for people. The same results as data are serde's work.

pub(crate) mod diff;
pub(crate) mod gitsync;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod status;
#[cfg(test)]
pub(crate) mod tests;

use crate::terminal::{self, Painter, Style};
use serde_json::Value;
use sync::Problem;

/// A value in one line: strings as YAML writes them, the rest as JSON; cut at `chars_max`.
pub(crate) fn in_one_line(value: &Value, chars_max: usize) -> String {
    let text = match value {
        Value::String(text) if !text.contains('\n') => {
            objects::emit::to_yaml(value).trim_end().to_owned()
        }
        other => other.to_string(),
    };
    let text = terminal::printable(&text);
    if text.chars().count() <= chars_max {
        return text;
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// Problems under a heading, each with its hint; empty when there are none.
pub(crate) fn problems(painter: Painter, style: Style, heading: &str, list: &[Problem]) -> String {
    let mut text = String::new();
    for problem in list {
        let message = terminal::printable(&problem.to_string()).trim_end().replace('\n', "\n    ");
        text.push_str(&format!("{} {message}\n", painter.paint(style, &format!("{heading}:"))));
        if let Some(hint) = &problem.hint {
            text.push_str(&format!("  hint: {}\n", terminal::printable(hint)));
        }
    }
    text
}

/// Everything that stands in the way, as it goes to stderr.
pub(crate) fn all_problems(
    painter: Painter,
    problems_found: &[Problem],
    refusals: &[Problem],
    warnings: &[Problem],
) -> String {
    [
        problems(painter, Style::Bad, "error", problems_found),
        problems(painter, Style::Bad, "pruning refused", refusals),
        problems(painter, Style::Warn, "warning", warnings),
    ]
    .concat()
}
