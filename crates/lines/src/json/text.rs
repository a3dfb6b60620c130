//! The escapes of JSON strings, and the grammar of its numbers.

/// Whether every escape of a string's inside is one that JSON knows.
pub(crate) fn escapes_are_valid(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let Some((_, taken)) = rest.get(at..).and_then(escape) else { return false };
        rest = rest.get(at + taken..).unwrap_or_default();
    }
    true
}

/// Appends a string's inside with its escapes decoded. A surrogate without its partner becomes
/// U+FFFD. Gives `None` at an escape that JSON does not know.
pub(crate) fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at)?);
        let (unit, mut taken) = escape(rest.get(at..)?)?;
        let mut code = u32::from(unit);
        if (0xd800..0xdc00).contains(&code) {
            let next = rest.get(at + taken..).filter(|next| next.starts_with("\\u"));
            let low = next.and_then(escape).filter(|(low, _)| (0xdc00..0xe000).contains(low));
            if let Some((low, more)) = low {
                code = 0x1_0000 + ((code - 0xd800) << 10) + (u32::from(low) - 0xdc00);
                taken += more;
            }
        }
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = rest.get(at + taken..)?;
    }
    out.push_str(rest);
    Some(())
}

/// The escape at the start of `text`: its UTF-16 unit and how many bytes it takes.
fn escape(text: &str) -> Option<(u16, usize)> {
    let unit = match text.as_bytes().get(1)? {
        b'"' => b'"',
        b'\\' => b'\\',
        b'/' => b'/',
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let digits = text.get(2..6)?;
            let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            return hex.then(|| u16::from_str_radix(digits, 16).ok())?.map(|unit| (unit, 6));
        }
        _ => return None,
    };
    Some((u16::from(unit), 2))
}

/// Whether a text is a number of JSON; `Some(true)` for one without fraction and exponent.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<bool> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    let mut rest = text.get(whole..)?;
    if rest.is_empty() {
        return Some(true);
    }
    if let Some(after) = rest.strip_prefix(b".") {
        let count = digits(after);
        if count == 0 {
            return None;
        }
        rest = after.get(count..)?;
    }
    if let [b'e' | b'E', after @ ..] = rest {
        let after = match after {
            [b'+' | b'-', after @ ..] => after,
            _ => after,
        };
        if after.is_empty() || digits(after) != after.len() {
            return None;
        }
        return Some(false);
    }
    rest.is_empty().then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Option<String> {
        let mut out = String::new();
        unescape(text, &mut out).map(|()| out)
    }

    #[test]
    fn r17_escapes_are_decoded_and_lone_surrogates_replaced() {
        for (text, wanted) in [
            (r"a\n\t\r\b\f\\\/\x", None),
            (r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r"\u0041\u00e9\u20ac", Some("Aé€")),
            (r"\ud83d\ude00", Some("😀")),
            (r"\ud83d", Some("\u{fffd}")),
            (r"\ud83dx", Some("\u{fffd}x")),
            (r"\ud83d\n", Some("\u{fffd}\n")),
            (r"\ud83d\ud83d\ude00", Some("\u{fffd}😀")),
            (r"\ude00", Some("\u{fffd}")),
            (r"\u00", None),
            (r"\u+123", None),
            (r"\u00é0", None),
            ("\\", None),
        ] {
            assert_eq!(plain(text).as_deref(), wanted, "{text}");
            assert_eq!(escapes_are_valid(text), wanted.is_some(), "{text}");
        }
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for text in ["0", "-0", "12", "-120"] {
            assert_eq!(number(text.as_bytes()), Some(true), "{text}");
        }
        for text in ["0.5", "1e5", "1E+5", "-1.5e-10", "0e0"] {
            assert_eq!(number(text.as_bytes()), Some(false), "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1x", "0x1", "NaN", "1.5.2"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }
}
