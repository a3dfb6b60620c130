//! A cursor over foreign bytes: every read is checked, nothing is copied.
//!
//! Input: a slice. Output: parts of it, or `None` when it is too short. Lengths are in bytes.

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// All of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next so many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// The same of a fixed number.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two bytes, the higher one first.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, the highest one first.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A string of SSH: 32 bits of length, then that many bytes.
    pub fn ssh_string(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// A positive integer of SSH, without its leading zero.
    pub fn ssh_integer(&mut self) -> Option<&'a [u8]> {
        let bytes = self.ssh_string()?;
        match bytes {
            [first, ..] if *first >= 0x80 => None,
            _ => Some(without_zeros(bytes)),
        }
    }

    /// An integer of OpenPGP: 16 bits of length in bits, then the bytes.
    pub(crate) fn mpi(&mut self) -> Option<&'a [u8]> {
        let bits = usize::from(self.u16()?);
        Some(without_zeros(self.take(bits.div_ceil(8))?))
    }

    /// What was not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Without leading zeros.
#[must_use]
pub fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// An integer in exactly `width` bytes; nothing when it does not fit.
pub(crate) fn padded(bytes: &[u8], width: usize) -> Option<Vec<u8>> {
    let zeros = width.checked_sub(bytes.len())?;
    let mut out = vec![0; zeros];
    out.extend_from_slice(bytes);
    Some(out)
}

/// Hexadecimal, upper case, as OpenPGP fingerprints are printed.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_beyond_the_end_gives_nothing_and_moves_nothing() {
        let mut cursor = Cursor::new(&[0, 0, 0, 9, 1]);
        assert_eq!(cursor.ssh_string(), None);
        assert_eq!(cursor.rest(), [1]);
        assert_eq!(cursor.u16(), None);
        assert_eq!(cursor.u8(), Some(1));
        assert!(cursor.is_empty());
    }

    #[test]
    fn integers_lose_leading_zeros_and_negative_ones_are_refused() {
        assert_eq!(Cursor::new(&[0, 0, 0, 2, 0, 0x80]).ssh_integer(), Some(&[0x80][..]));
        assert_eq!(Cursor::new(&[0, 0, 0, 1, 0x80]).ssh_integer(), None);
        assert_eq!(Cursor::new(&[0, 9, 1, 0xff]).mpi(), Some(&[1, 0xff][..]));
        assert_eq!(padded(&[1], 2), Some(vec![0, 1]));
        assert_eq!(padded(&[1, 2, 3], 2), None);
    }
}
