//! The escapes of JSON strings.

use std::borrow::Cow;

/// Appends a string's inside with its escapes decoded. A surrogate without its partner becomes
/// U+FFFD. Gives `None` at an escape that JSON does not know.
pub(crate) fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at)?);
        let (one, taken) = character(rest.as_bytes().get(at..)?)?;
        out.push(one);
        rest = rest.get(at + taken..)?;
    }
    out.push_str(rest);
    Some(())
}

/// JSON in which each surrogate without its partner is the escape of U+FFFD, which is as long.
pub(crate) fn mended(json: &str) -> Cow<'_, str> {
    let mut mended = Cow::Borrowed(json);
    let rest = |at: usize| json.as_bytes().get(at..).unwrap_or_default();
    let unit = |at| {
        let escape = Some(rest(at)).filter(|rest| rest.starts_with(b"\\u")).and_then(escape);
        escape.map(|(unit, _)| unit)
    };
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', rest(at)) {
        at += next;
        at += match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                mended.to_mut().replace_range(at..at + 6, "\\ufffd");
                6
            }
            // No backslash is among the digits of an escape.
            _ => 2,
        };
    }
    mended
}

/// The character that is escaped at the start of `text`, and how many bytes it takes.
pub(crate) fn character(text: &[u8]) -> Option<(char, usize)> {
    let (unit, mut taken) = escape(text)?;
    let mut code = u32::from(unit);
    if (0xd800..0xdc00).contains(&code) {
        let next = text.get(taken..).filter(|next| next.starts_with(b"\\u"));
        let low = next.and_then(escape).filter(|(low, _)| (0xdc00..0xe000).contains(low));
        if let Some((low, more)) = low {
            code = 0x1_0000 + ((code - 0xd800) << 10) + (u32::from(low) - 0xdc00);
            taken += more;
        }
    }
    Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), taken))
}

/// The escape at the start of `text`: its UTF-16 unit and how many bytes it takes.
pub(crate) fn escape(text: &[u8]) -> Option<(u16, usize)> {
    let unit = match text.get(1)? {
        b'"' => b'"',
        b'\\' => b'\\',
        b'/' => b'/',
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let digits = text.get(2..6)?.iter();
            let mut values = digits.map(|digit| char::from(*digit).to_digit(16));
            let unit = values.try_fold(0, |unit, value| Some(unit << 4 | value?))?;
            return Some((u16::try_from(unit).ok()?, 6));
        }
        _ => return None,
    };
    Some((u16::from(unit), 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r17_json_keeps_all_but_surrogates_without_their_partner() {
        for (json, wanted) in [
            (r#"{"a":"\\ud83d \n \u00e9","\ud83d\uDE00":[1]}"#, None),
            (r#"["\ud83d"]"#, Some(r#"["\ufffd"]"#)),
            (r#"["\ud83dude00"]"#, Some(r#"["\ufffdude00"]"#)),
            (r#"["\ud83d\n\uDE00"]"#, Some(r#"["\ufffd\n\ufffd"]"#)),
            (r#"{"\uD83D\ud83d\ude00\ude00":0}"#, Some(r#"{"\ufffd\ud83d\ude00\ufffd":0}"#)),
            (r#"["\\\ud83d\\"]"#, Some(r#"["\\\ufffd\\"]"#)),
        ] {
            let mended = mended(json);
            assert_eq!(&mended, wanted.unwrap_or(json));
            assert_eq!(matches!(mended, Cow::Owned(_)), wanted.is_some(), "{json}");
            assert!(serde_json::from_str::<serde_json::Value>(&mended).is_ok(), "{json}");
        }
    }

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
        }
    }
}
