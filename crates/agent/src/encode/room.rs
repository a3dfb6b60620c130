//! The place where an encoder writes a record: bytes that are there already, written from the
//! front.
//!
//! Each write takes the room and gives what is left of it, so it lives in registers and a write
//! costs one comparison. What does not fit is told by `None`: the caller makes a larger room and
//! writes the record again.

/// A short text may be copied with so many of the bytes that follow it; they are written over.
pub(super) const AHEAD: usize = 96;

/// What is left of a buffer.
#[derive(Debug)]
pub(super) struct Room<'b>(&'b mut [u8]);

impl<'b> Room<'b> {
    /// All of a buffer.
    pub(super) fn new(buffer: &'b mut [u8]) -> Self {
        Self(buffer)
    }

    /// How many bytes fit.
    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    /// Writes so many bytes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub(super) fn array<const N: usize>(self, bytes: &[u8; N]) -> Option<Self> {
        let (to, rest) = self.0.split_first_chunk_mut()?;
        *to = *bytes;
        Some(Self(rest))
    }

    /// Writes bytes of which only the first `length` stay.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub(super) fn some<const N: usize>(self, bytes: &[u8; N], length: usize) -> Option<Self> {
        *self.0.first_chunk_mut()? = *bytes;
        Some(Self(self.0.get_mut(length..)?))
    }

    /// Writes any bytes.
    #[inline]
    pub(super) fn bytes(self, bytes: &[u8]) -> Option<Self> {
        let (to, rest) = self.0.split_at_mut_checked(bytes.len())?;
        to.copy_from_slice(bytes);
        Some(Self(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_written_and_what_does_not_is_told() {
        let mut buffer = [b'.'; 8];
        let room = Room::new(&mut buffer).array(b"abc").unwrap();
        let room = room.some(b"defgh", 1).unwrap().bytes(b"xy").unwrap();
        assert_eq!(room.left(), 2);
        assert!(room.bytes(b"123").is_none());
        assert_eq!(&buffer[..6], b"abcdxy");
        assert!(Room::new(&mut buffer).array(b"123456789").is_none());
        assert!(Room::new(&mut buffer).some(b"123456789", 1).is_none());
    }
}
