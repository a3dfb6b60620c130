//! A plan as a diff: every field that changes, whole; long texts line by line.

use super::plan::heading;
use crate::terminal::{Painter, Style, printable};
use objects::emit::to_yaml;
use serde_json::Value;
use sync::{Change, Plan};

/// Unchanged lines shown around a change of a long text.
const CONTEXT_LINES: usize = 3;

/// The whole diff; empty when nothing changes.
pub(crate) fn text(plan: &Plan, painter: Painter) -> String {
    let mut text = String::new();
    for operation in &plan.operations {
        text.push_str(&heading(operation, painter));
        for change in &operation.changes {
            text.push_str(&one(change, painter));
        }
        text.push('\n');
    }
    text
}

fn one(change: &Change, painter: Painter) -> String {
    if let (Some(Value::String(before)), Some(Value::String(after))) =
        (&change.before, &change.after)
        && (before.contains('\n') || after.contains('\n'))
    {
        let head = painter.paint(Style::Bold, &format!("@ {}", printable(&change.path)));
        return format!("    {head}\n{}", lines(before, after, painter));
    }
    let mut text = String::new();
    for (value, mark, style) in
        [(&change.before, '-', Style::Bad), (&change.after, '+', Style::Good)]
    {
        let Some(value) = value else { continue };
        let nested = match value {
            Value::Object(map) => !map.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::String(text) => text.contains('\n'),
            _ => false,
        };
        let yaml = to_yaml(value);
        let shown = if nested {
            let body: String = yaml.trim_end().lines().map(|line| format!("\n  {line}")).collect();
            format!("{}:{body}", change.path)
        } else {
            format!("{}: {}", change.path, yaml.trim_end())
        };
        for line in printable(&shown).lines() {
            text.push_str(&format!("    {}\n", painter.paint(style, &format!("{mark} {line}"))));
        }
    }
    text
}

/// Two texts without what they have in common at both ends, but for a little context.
fn lines(before: &str, after: &str, painter: Painter) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(left, right)| left == right).count()
    };
    let head = same(&mut old.iter().zip(&new));
    let rest = old.len().min(new.len()) - head;
    let tail = same(&mut old.iter().rev().zip(new.iter().rev())).min(rest);
    let slice = |list: &[&str], from: usize, to: usize| -> Vec<String> {
        list.iter().take(to).skip(from).map(|line| printable(line)).collect()
    };
    let mut text = String::new();
    let mut add = |list: Vec<String>, mark: char, style: Option<Style>| {
        for line in list {
            let line = format!("{mark} {line}");
            let line = style.map_or(line.clone(), |style| painter.paint(style, &line));
            text.push_str(&format!("    {line}\n"));
        }
    };
    add(slice(&old, head.saturating_sub(CONTEXT_LINES), head), ' ', None);
    add(slice(&old, head, old.len() - tail), '-', Some(Style::Bad));
    add(slice(&new, head, new.len() - tail), '+', Some(Style::Good));
    let after_change = old.len() - tail;
    add(slice(&old, after_change, after_change + CONTEXT_LINES), ' ', None);
    text
}
