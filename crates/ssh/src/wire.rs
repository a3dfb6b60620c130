//! The data types of SSH (RFC 4251, 5): read with every length checked, and written.
//!
//! Input: a slice. Output: parts of it, or `None` when it is too short or not well formed.

pub(crate) use signature::bytes::without_zeros;

use signature::bytes::Cursor;
use std::ops::{Deref, DerefMut};
use zeroize::Zeroizing;

/// What is left to read: a [`Cursor`] that knows the types of SSH.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(Cursor<'a>);

impl<'a> Deref for Reader<'a> {
    type Target = Cursor<'a>;

    fn deref(&self) -> &Cursor<'a> {
        &self.0
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(Cursor::new(bytes))
    }

    pub(crate) fn bool(&mut self) -> Option<bool> {
        self.u8().map(|byte| byte != 0)
    }

    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        self.ssh_string()
    }

    /// A string that is UTF-8.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    /// Names, which are printable ASCII.
    pub(crate) fn names(&mut self) -> Option<Vec<&'a str>> {
        let text = self.text()?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        Some(text.split(',').filter(|name| !name.is_empty()).collect())
    }

    /// A positive integer without its leading zeros.
    pub(crate) fn integer(&mut self) -> Option<&'a [u8]> {
        self.ssh_integer()
    }
}

/// Bytes that are written one value after the other. They are cleared when they are dropped, as
/// some of them are secrets.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Zeroizing<Vec<u8>>,
}

impl Writer {
    /// A message of this number.
    pub(crate) fn message(number: u8) -> Self {
        Self::default().u8(number)
    }

    pub(crate) fn u8(mut self, value: u8) -> Self {
        self.bytes.push(value);
        self
    }

    pub(crate) fn bool(self, value: bool) -> Self {
        self.u8(u8::from(value))
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn string(self, value: &[u8]) -> Self {
        // Every caller's strings are bounded far below 4 GiB.
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX)).raw(value)
    }

    pub(crate) fn names(self, names: &[&str]) -> Self {
        self.string(names.join(",").as_bytes())
    }

    /// A positive integer, given as big-endian bytes.
    pub(crate) fn integer(self, value: &[u8]) -> Self {
        let value = without_zeros(value);
        if value.first().is_some_and(|first| *first >= 0x80) {
            let length = u32::try_from(value.len() + 1).unwrap_or(u32::MAX);
            return self.u32(length).u8(0).raw(value);
        }
        self.string(value)
    }

    pub(crate) fn raw(mut self, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(value);
        self
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4251_are_written_and_read() {
        let integer = |value: &[u8]| Writer::default().integer(value).into_vec();
        assert_eq!(integer(&[0, 0]), [0, 0, 0, 0]);
        assert_eq!(
            integer(&[0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7]),
            [0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7]
        );
        assert_eq!(integer(&[0x80]), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(Reader::new(&[0, 0, 0, 2, 0, 0x80]).integer(), Some(&[0x80][..]));
        assert_eq!(Reader::new(&[0, 0, 0, 1, 0x80]).integer(), None);
        let names = |text: &str| Writer::default().names(&[text]).into_vec();
        assert_eq!(names(""), [0, 0, 0, 0]);
        assert_eq!(names("zlib"), [0, 0, 0, 4, 0x7a, 0x6c, 0x69, 0x62]);
        let list = Writer::default().names(&["zlib", "none"]).into_vec();
        assert_eq!(Reader::new(&list).names(), Some(vec!["zlib", "none"]));
    }

    #[test]
    fn a_read_beyond_the_end_gives_nothing() {
        let mut reader = Reader::new(&[0, 0, 0, 9, 1]);
        assert_eq!(reader.string(), None);
        assert_eq!(reader.u32(), None);
        assert_eq!(reader.u8(), Some(1));
        assert_eq!((reader.u8(), reader.bool()), (None, None));
        assert_eq!(Reader::new(&[0, 0, 0, 2, b'a', b'\n']).names(), None);
        assert_eq!(Reader::new(&[0, 0, 0, 1, 0xff]).text(), None);
    }
}
