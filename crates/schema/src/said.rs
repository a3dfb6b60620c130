//! Small questions about JSON values, and the words in which findings speak of them.

use serde_json::Value;

/// At most so many allowed words are named.
const WORDS_MAX: usize = 12;
/// Longer words are not repeated in a message.
pub(crate) const WORD_CHARS_MAX: usize = 40;

/// A number without a fraction, however it is written.
pub(crate) fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64()
        || number.is_u64()
        || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// Equality of JSON; numbers by amount.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        _ => left == right,
    }
}

/// A few words as a list, or none when there are none.
pub(crate) fn words<'a>(known: impl Iterator<Item = &'a str>) -> Option<String> {
    let all: Vec<&str> = known.collect();
    let shown: Vec<String> =
        all.iter().take(WORDS_MAX).map(|word| format!("`{}`", short(word))).collect();
    let rest = all.len().saturating_sub(WORDS_MAX);
    match (shown.is_empty(), rest) {
        (true, _) => None,
        (_, 0) if shown.len() == 1 => shown.into_iter().next(),
        (_, 0) => Some(format!("one of {}", shown.join(", "))),
        (_, rest) => Some(format!("one of {} and {rest} more", shown.join(", "))),
    }
}

/// At most a line's worth of a text.
pub(crate) fn short(text: &str) -> &str {
    let end = text.char_indices().nth(2 * WORD_CHARS_MAX).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// A JSON value's type with its article.
pub(crate) fn article(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
