//! Patterns as the API server's Go reads them, matched in linear time.
//!
//! Go's and this crate's regular expressions are of one family, but not equal: `\d`, `\w` and `\s`
//! mean ASCII in Go, `\<` is a plain `<`, `[` and `&&` inside of a class are plain characters, and
//! `{` is plain where it begins no repetition. [`translate`] says the same in the other dialect. A
//! pattern that cannot be said is never a silent pass: whoever checks is told.

use regex::{Regex, RegexBuilder};
use std::sync::OnceLock;

/// Longer patterns are not compiled.
pub const PATTERN_BYTES_MAX: usize = 16 << 10;
/// No pattern may take more memory than this when it is compiled.
const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// A pattern that is compiled when it is first needed.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) source: Box<str>,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(crate) fn new(source: &str) -> Self {
        Self { source: source.into(), compiled: OnceLock::new() }
    }

    /// Whether the text has a match anywhere; `None` when the pattern cannot be compiled.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        let compile = || {
            let translated = translate(&self.source)?;
            RegexBuilder::new(&translated).size_limit(PROGRAM_BYTES_MAX).build().ok()
        };
        self.compiled.get_or_init(compile).as_ref().map(|regex| regex.is_match(text))
    }
}

/// The same pattern in the dialect of the `regex` crate; `None` when that is not certain.
pub(crate) fn translate(pattern: &str) -> Option<String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return None;
    }
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '\\' => at = escape(&chars, at, false, &mut out)?,
            '[' => at = class(&chars, at, &mut out)?,
            '{' if !repeats(&chars, at) => out.push_str("\\{"),
            // A flag like `x` or `u` means something else or nothing in Go.
            '(' if chars.get(at) == Some(&'?') => at = group(&chars, at, &mut out)?,
            _ => out.push(c),
        }
    }
    Some(out)
}

/// What stands behind a backslash; `at` is its index.
fn escape(chars: &[char], at: usize, in_class: bool, out: &mut String) -> Option<usize> {
    let c = *chars.get(at)?;
    let plain = match c {
        'd' => Some("0-9"),
        's' => Some("\\t\\n\\f\\r "),
        'w' => Some("0-9A-Za-z_"),
        _ => None,
    };
    let negated = match c {
        'D' => Some("[^0-9]"),
        'S' => Some("[^\\t\\n\\f\\r ]"),
        'W' => Some("[^0-9A-Za-z_]"),
        _ => None,
    };
    match (plain, negated, c) {
        (Some(set), ..) if in_class => out.push_str(set),
        (Some(set), ..) => {
            out.push('[');
            out.push_str(set);
            out.push(']');
        }
        (_, Some(set), _) => out.push_str(set),
        (.., 'b') if !in_class => out.push_str("(?-u:\\b)"),
        // Literal in Go, an assertion here.
        (.., '<' | '>') => out.push(c),
        (.., 'a' | 'f' | 't' | 'n' | 'r' | 'v' | 'x' | 'p' | 'P') => {
            out.push('\\');
            out.push(c);
        }
        (.., 'A' | 'z') if !in_class => {
            out.push('\\');
            out.push(c);
        }
        _ if c.is_ascii_punctuation() => {
            out.push('\\');
            out.push(c);
        }
        // `\Q…\E`, `\C`, octal numbers and `\B`, which could match inside of a character.
        _ => return None,
    }
    Some(at + 1)
}

/// A class; `at` is the index behind its `[`.
fn class(chars: &[char], mut at: usize, out: &mut String) -> Option<usize> {
    out.push('[');
    if chars.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    let first = at;
    loop {
        let c = *chars.get(at)?;
        at += 1;
        match c {
            ']' if at - 1 > first => {
                out.push(']');
                return Some(at);
            }
            '\\' => at = escape(chars, at, true, out)?,
            '[' if chars.get(at) == Some(&':') => {
                let end = (at..chars.len()).find(|end| chars.get(*end) == Some(&']'))?;
                out.push('[');
                out.extend(chars.get(at..=end)?);
                at = end + 1;
            }
            // `a--b` is a range in Go and a difference here.
            '-' if chars.get(at) == Some(&'-') => return None,
            ']' | '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
}

/// A group with a `?`; `at` is the index of that.
fn group(chars: &[char], at: usize, out: &mut String) -> Option<usize> {
    out.push('(');
    let named =
        matches!(chars.get(at + 1..at + 3), Some(['P', '<'])) || chars.get(at + 1) == Some(&'<');
    let flags =
        chars.get(at + 1..)?.iter().take_while(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-'));
    let end = at + 1 + flags.count();
    let plain = matches!(chars.get(end), Some(':' | ')'));
    (named || plain).then_some(at)
}

/// Whether a repetition such as `{2}`, `{2,}` or `{2,3}` begins here, behind its brace.
fn repeats(chars: &[char], at: usize) -> bool {
    let rest = chars.get(at..).unwrap_or_default();
    let digits = |from: usize| {
        rest.get(from..).unwrap_or_default().iter().take_while(|c| c.is_ascii_digit()).count()
    };
    let low = digits(0);
    match rest.get(low) {
        _ if low == 0 => false,
        Some('}') => true,
        Some(',') => rest.get(low + 1 + digits(low + 1)) == Some(&'}'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> Option<bool> {
        Pattern::new(pattern).matches(text)
    }

    #[test]
    fn a_pattern_means_what_it_means_to_go() {
        let table = [
            (r"^\d+$", "12", Some(true)),
            (r"^\d+$", "١٢", Some(false)),
            (r"^\w$", "é", Some(false)),
            (r"^[\w.-]+$", "a.b-c", Some(true)),
            (r"^[^\W]$", "a", Some(true)),
            (r"^\s$", "\u{b}", Some(false)),
            (r"^.{3}$", "äöü", Some(true)),
            (r"^\<a\>$", "<a>", Some(true)),
            (r"^[[a]$", "[", Some(true)),
            (r"^[a&&b]$", "&", Some(true)),
            (r"^[]a]+$", "]a", Some(true)),
            (r"^[[:alpha:]]+$", "abc", Some(true)),
            (r"^a{,2}$", "a{,2}", Some(true)),
            (r"^{$", "{", Some(true)),
            (r"^a{2}$", "aa", Some(true)),
            (r"b", "abc", Some(true)),
            (r"^a$", "a\n", Some(false)),
            (r"(?i)^ABC$", "abc", Some(true)),
            (r"^(?P<x>a)$", "a", Some(true)),
            (r"\bfoo\b", "a foo b", Some(true)),
            (r"^\/\-\.$", "/-.", Some(true)),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_told_and_not_guessed() {
        for pattern in [r"\Qa\E", r"^\1", r"a(?=b)", r"[a--b]", "(", r"\B", "[a", "(?x)a"] {
            assert_eq!(matches(pattern, "a"), None, "{pattern}");
        }
        assert_eq!(matches(&"a".repeat(PATTERN_BYTES_MAX), "b"), Some(false));
        assert_eq!(matches(&"a".repeat(PATTERN_BYTES_MAX + 1), "b"), None);
        // A program beyond its bound is refused and not built.
        assert_eq!(matches(r"((a{900}){900}){900}", "a"), None);
    }
}
