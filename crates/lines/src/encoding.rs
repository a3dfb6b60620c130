//! Bytes of a file to UTF-8: where lines end in an encoding, and what the bytes of one say.
//!
//! Encodings are those of the WHATWG list (`encoding_rs`). Bytes that an encoding does not know
//! become U+FFFD. In UTF-16 the units are aligned on even offsets of the file.

use encoding_rs::{Encoding as Table, UTF_8, UTF_16BE, UTF_16LE};

use crate::error::PlanError;

/// The encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static Table);

impl Default for Encoding {
    fn default() -> Self {
        Self(UTF_8)
    }
}

impl Encoding {
    /// The encoding with this label, such as `utf-8`, `utf-16le`, `gbk` or `shift_jis`.
    ///
    /// # Errors
    /// When nobody knows it.
    pub fn named(label: &str) -> Result<Self, PlanError> {
        let table = Table::for_label_no_replacement(label.trim().as_bytes());
        table.map(Self).ok_or_else(|| PlanError::Encoding { label: label.to_owned() })
    }

    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The two bytes of a newline, where characters have two.
    pub(crate) fn wide_newline(self) -> Option<[u8; 2]> {
        if self.0 == UTF_16LE {
            Some([b'\n', 0])
        } else if self.0 == UTF_16BE {
            Some([0, b'\n'])
        } else {
            None
        }
    }

    /// The mark that a file of this encoding may begin with.
    pub(crate) fn byte_order_mark(self) -> &'static [u8] {
        if self.0 == UTF_8 {
            b"\xef\xbb\xbf"
        } else if self.0 == UTF_16LE {
            b"\xff\xfe"
        } else if self.0 == UTF_16BE {
            b"\xfe\xff"
        } else {
            b""
        }
    }

    /// Whether bytes of it are text as they are.
    pub(crate) fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// The text of a line that is UTF-8 already.
    #[inline]
    pub(crate) fn as_text(self, bytes: &[u8]) -> Option<&str> {
        if self.0 == UTF_8 { utf8(bytes) } else { None }
    }

    /// The text of a line, and whether something in it was repaired. `buffer` is used when the
    /// bytes are not the text already. A `cut` line may end within a character, which is dropped.
    #[inline]
    pub(crate) fn decode<'t>(
        self,
        bytes: &'t [u8],
        cut: bool,
        buffer: &'t mut String,
    ) -> (&'t str, bool) {
        if self.0 == UTF_8 {
            return match utf8(bytes) {
                Some(text) => (text, false),
                None => repair(bytes, cut, buffer),
            };
        }
        buffer.clear();
        let mut decoder = self.0.new_decoder_without_bom_handling();
        let most = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len());
        buffer.reserve(most);
        let (_, _, repaired) = decoder.decode_to_string(bytes, buffer, !cut);
        (buffer, repaired)
    }
}

/// Bytes that are UTF-8 as text. Most lines are ASCII, which is seen four times as fast.
#[inline]
#[expect(unsafe_code, reason = "the standard library has no way to say so of ASCII")]
fn utf8(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8.
        return Some(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes).ok()
}

#[cold]
fn repair<'t>(bytes: &[u8], cut: bool, buffer: &'t mut String) -> (&'t str, bool) {
    buffer.clear();
    let mut repaired = false;
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        buffer.push_str(chunk.valid());
        let half = cut && chunks.peek().is_none() && is_head(chunk.invalid());
        if !chunk.invalid().is_empty() && !half {
            buffer.push(char::REPLACEMENT_CHARACTER);
            repaired = true;
        }
    }
    (buffer, repaired)
}

/// Whether bytes are the beginning of a character.
fn is_head(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(label: &str, bytes: &[u8], cut: bool) -> (String, bool) {
        let mut buffer = "old".to_owned();
        let (text, repaired) = Encoding::named(label).unwrap().decode(bytes, cut, &mut buffer);
        (text.to_owned(), repaired)
    }

    #[test]
    fn r15_bytes_of_each_encoding_become_exactly_this_text() {
        let cases: [(&str, &[u8], &str, bool); 12] = [
            ("utf-8", "aé€😀".as_bytes(), "aé€😀", false),
            ("utf-8", b"a\xffb", "a\u{fffd}b", true),
            ("utf-8", b"a\xf0\x9f\x98", "a\u{fffd}", true),
            ("utf-8", b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}", true),
            ("utf-8", b"a\0b", "a\0b", false),
            ("utf-16le", b"a\0\xac\x20\x3d\xd8\x00\xde", "a€😀", false),
            ("utf-16be", b"\0a\x20\xac", "a€", false),
            ("utf-16le", b"\x3d\xd8a\0", "\u{fffd}a", true),
            ("gbk", b"\xc4\xe3\xba\xc3", "你好", false),
            ("shift_jis", b"\x83\x8d\x83\x4f\x5c", "ログ\\", false),
            ("latin1", b"caf\xe9", "café", false),
            ("gb18030", b"\x81\x30\x81\x30", "\u{80}", false),
        ];
        for (label, bytes, text, repaired) in cases {
            assert_eq!(decode(label, bytes, false), (text.to_owned(), repaired), "{label}");
        }
    }

    #[test]
    fn r14_a_cut_within_a_character_repairs_nothing() {
        assert_eq!(decode("utf-8", b"a\xf0\x9f\x98", true), ("a".to_owned(), false));
        assert_eq!(decode("utf-8", b"\xffa\xe2", true), ("\u{fffd}a".to_owned(), true));
        assert_eq!(decode("utf-8", b"a\xff", true), ("a\u{fffd}".to_owned(), true));
        assert_eq!(decode("gbk", b"\xc4\xe3\xba", true), ("你".to_owned(), false));
        assert_eq!(decode("utf-16le", b"a\0b", true), ("a".to_owned(), false));
    }

    #[test]
    fn labels_are_those_of_the_list() {
        assert_eq!(Encoding::named(" Shift-JIS ").unwrap().name(), "Shift_JIS");
        for label in ["", "utf-17", "replacement", "iso-2022-kr"] {
            assert!(Encoding::named(label).is_err(), "{label}");
        }
    }
}
