//! The place where an encoder writes a record: bytes that are there already, written from the
//! front.
//!
//! Each write takes the room and gives what is left of it, so it lives in registers and a write
//! costs one comparison. What does not fit is told by `None`: the caller makes a larger room and
//! writes the record again.

use crate::proto;

/// Room that is made first when there is none.
const ROOM_BYTES_MIN: usize = 1_024;

/// What is left of a buffer.
#[derive(Debug)]
#[must_use]
pub struct Room<'b>(&'b mut [u8]);

impl<'b> Room<'b> {
    /// All of a buffer.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self(buffer)
    }

    /// How many bytes fit.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Writes so many bytes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub fn array<const N: usize>(self, bytes: &[u8; N]) -> Option<Self> {
        let (to, rest) = self.0.split_first_chunk_mut()?;
        *to = *bytes;
        Some(Self(rest))
    }

    /// Writes bytes of which only the first `length` stay.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub fn some<const N: usize>(self, bytes: &[u8; N], length: usize) -> Option<Self> {
        *self.0.first_chunk_mut()? = *bytes;
        Some(Self(self.0.get_mut(length..)?))
    }

    /// Writes any bytes. Short ones are copied as two words that may overlap.
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Option<Self> {
        let (to, rest) = self.0.split_at_mut_checked(bytes.len())?;
        if !(copied::<16>(bytes, to) || copied::<8>(bytes, to) || copied::<4>(bytes, to)) {
            to.copy_from_slice(bytes);
        }
        Some(Self(rest))
    }

    /// A varint.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub(crate) fn varint(self, value: u64) -> Option<Self> {
        if value < 0x80 {
            return self.array(&[value.to_le_bytes()[0]]);
        }
        let (bytes, used) = proto::varint_bytes(value);
        self.bytes(bytes.get(..used.into())?)
    }

    /// The tag and the length of a field of `length` bytes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub(crate) fn head(self, field: u8, length: usize) -> Option<Self> {
        let tag = proto::tag(field, proto::BYTES);
        match length {
            0..0x80 => self.array(&[tag, proto::low(length)]),
            0x80..0x4000 => {
                let [a, b] = proto::two(length);
                self.array(&[tag, a, b])
            }
            _ => self.array(&[tag])?.varint(length as u64),
        }
    }

    /// A field with bytes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub(crate) fn field(self, field: u8, content: &[u8]) -> Option<Self> {
        self.head(field, content.len())?.bytes(content)
    }

    /// A field of eight bytes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub(crate) fn fixed64(self, field: u8, value: u64) -> Option<Self> {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.array(&[proto::tag(field, proto::FIXED64), a, b, c, d, e, f, g, h])
    }

    /// A field with a varint.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each part of each record")]
    pub(crate) fn number(self, field: u8, value: u64) -> Option<Self> {
        self.array(&[proto::tag(field, proto::VARINT)])?.varint(value)
    }
}

/// Copies `N` to `2 * N` bytes, or says that it are fewer or more.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each part of each record")]
fn copied<const N: usize>(from: &[u8], to: &mut [u8]) -> bool {
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return false;
    };
    if from.len() > 2 * N || from.len() != to.len() {
        return false;
    }
    if let Some(to) = to.first_chunk_mut() {
        *to = *first;
    }
    if let Some(to) = to.last_chunk_mut() {
        *to = *last;
    }
    true
}

/// What is written, in a buffer that grew as far as it had to.
pub(crate) fn grown(write: impl Fn(Room<'_>) -> Option<Room<'_>>) -> Vec<u8> {
    let mut buffer = vec![0; ROOM_BYTES_MIN];
    loop {
        if let Some(left) = write(Room::new(&mut buffer)).map(|room| room.left()) {
            buffer.truncate(buffer.len() - left);
            buffer.shrink_to_fit();
            return buffer;
        }
        buffer.resize(buffer.len() * 2, 0);
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

    #[test]
    fn bytes_of_any_length_are_copied() {
        for length in 0..80 {
            let bytes: Vec<u8> = (0..length).map(|at| at + 1).collect();
            assert_eq!(grown(|room| room.bytes(&bytes)), bytes);
        }
        let long = vec![7; 5 * ROOM_BYTES_MIN];
        assert_eq!(grown(|room| room.bytes(&long)), long);
    }

    #[test]
    fn a_field_is_what_the_other_writer_writes_at_every_bound() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000, 2_097_151, 2_097_152] {
            let content = vec![1; length];
            let mut wanted = Vec::new();
            proto::bytes(&mut wanted, 2, &content);
            assert!(grown(|room| room.field(2, &content)) == wanted, "{length}");
            proto::number(&mut wanted, 3, length as u64);
            let found = grown(|room| room.field(2, &content)?.number(3, length as u64));
            assert!(found == wanted, "{length}");
        }
    }
}
