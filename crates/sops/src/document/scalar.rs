//! What a plain YAML scalar means to Go's `yaml.v3`, which SOPS reads files with.
//!
//! Input: the text of a scalar without quotes and tag. Output: a [`Node`].

use super::Node;

/// Reads a plain scalar.
pub(super) fn resolve(text: &str) -> Node {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Node::Null,
        "true" | "True" | "TRUE" => return Node::Bool(true),
        "false" | "False" | "FALSE" => return Node::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Node::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Node::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Node::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Node::Text(text.to_owned());
    }
    if is_time(text) {
        return Node::Time(text.to_owned());
    }
    let plain = text.replace('_', "");
    if let Some(node) = integer(&plain) {
        return node;
    }
    let looks_like_float =
        plain.chars().all(|c| matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'));
    match plain.parse::<f64>() {
        Ok(value) if looks_like_float && value.is_finite() => Node::Float(value),
        _ => Node::Text(text.to_owned()),
    }
}

/// With a sign and a base: `0x`, `0b`, `0o`, or a zero in front for octal.
fn integer(plain: &str) -> Option<Node> {
    let (negative, digits) = match plain.split_at_checked(1) {
        Some(("-", digits)) => (true, digits),
        Some(("+", digits)) => (false, digits),
        _ => (false, plain),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.split_at_checked(2) {
        Some(("0x", digits)) => (16, digits),
        Some(("0b", digits)) => (2, digits),
        Some(("0o", digits)) => (8, digits),
        _ => match lower.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => (8, digits),
            _ => (10, lower.as_str()),
        },
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let value = i128::from_str_radix(digits, base).ok().map(|v| if negative { -v } else { v });
    match value.map(i64::try_from) {
        Some(Ok(value)) => Some(Node::Integer(value)),
        // Beyond both signed and unsigned 64 bits Go reads a decimal number as a float.
        Some(Err(_)) if value.is_some_and(|v| v > 0 && u64::try_from(v).is_ok()) => {
            Some(Node::Large)
        }
        _ => None,
    }
}

/// `2006-1-2`, with or without a time behind it.
fn is_time(text: &str) -> bool {
    let date = text.split(['T', 't', ' ']).next().unwrap_or_default();
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    year.len() == 4
        && digits(year, 4)
        && digits(month, 2)
        && digits(day, 2)
        && text
            .chars()
            .all(|c| matches!(c, '0'..='9' | '-' | ':' | '.' | 'T' | 't' | 'Z' | '+' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_they_mean_to_sops() {
        let text = |text: &str| Node::Text(text.to_owned());
        for (written, meant) in [
            ("", Node::Null),
            ("yes", text("yes")),
            ("True", Node::Bool(true)),
            ("tRUE", text("tRUE")),
            ("0644", Node::Integer(420)),
            ("0o644", Node::Integer(420)),
            ("-0x1F", Node::Integer(-31)),
            ("0b101", Node::Integer(5)),
            ("+1_000", Node::Integer(1000)),
            ("08", Node::Float(8.0)),
            ("1.10", Node::Float(1.1)),
            ("1e3", Node::Float(1000.0)),
            (".5", Node::Float(0.5)),
            ("-", text("-")),
            (".", text(".")),
            ("1.2.3", text("1.2.3")),
            ("1e400", text("1e400")),
            ("0x", text("0x")),
            ("-9223372036854775808", Node::Integer(i64::MIN)),
            ("9223372036854775808", Node::Large),
            ("99999999999999999999", Node::Float(1e20)),
            ("infinity", text("infinity")),
            ("2026-1-2", Node::Time("2026-1-2".into())),
            ("2026-01-02T03:04:05Z", Node::Time("2026-01-02T03:04:05Z".into())),
            ("2026-01-02x", text("2026-01-02x")),
        ] {
            assert_eq!(resolve(written), meant, "{written}");
        }
    }
}
