//! The wire format of Protocol Buffers, as much of it as OTLP and Loki use.
//!
//! Writing appends to one buffer. The length of a nested message is written where it belongs
//! after the message is complete: two bytes are kept free, which is right for 128 to 16,383 bytes;
//! anything else moves the message by a byte or two. So lengths are as short as they can be.
//! Reading walks the fields of one message without copying; the input's length bounds its time.

use crate::error::DecodeError;

/// Wire types: a varint, 8 bytes, a length and as many bytes, 4 bytes.
pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const FIXED32: u8 = 5;

/// Longest varint in bytes.
const VARINT_BYTES_MAX: usize = 10;
/// Bytes kept free for the length of a nested message.
const LENGTH_BYTES: usize = 2;

/// The tag of a field below 16, whose tag is one byte.
pub(crate) const fn tag(field: u8, wire_type: u8) -> u8 {
    (field << 3) | wire_type
}

/// How many bytes the varint of `value` has.
pub(crate) const fn varint_len(value: u64) -> usize {
    // Seven bits a byte; 0 has one byte.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// Appends a varint.
#[inline]
pub(crate) fn varint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value.to_le_bytes()[0]);
        return;
    }
    let (bytes, used) = varint_bytes(value);
    out.extend_from_slice(bytes.get(..usize::from(used)).unwrap_or_default());
}

/// The varint of `value` with zeros after it, and how many bytes it has.
#[inline]
pub(crate) fn varint_bytes(mut value: u64) -> ([u8; VARINT_BYTES_MAX], u8) {
    let mut bytes = [0_u8; VARINT_BYTES_MAX];
    let mut used = 0;
    for byte in &mut bytes {
        used += 1;
        let low = value.to_le_bytes()[0];
        value >>= 7;
        if value == 0 {
            *byte = low;
            break;
        }
        *byte = low | 0x80;
    }
    (bytes, used)
}

/// Appends a length, which fits wherever memory does.
#[inline]
pub(crate) fn length(out: &mut Vec<u8>, length: usize) {
    varint(out, length as u64);
}

/// Appends a field with a length and its bytes.
#[inline]
pub(crate) fn bytes(out: &mut Vec<u8>, field: u8, content: &[u8]) {
    let tag = tag(field, BYTES);
    if content.len() < 0x80 {
        out.extend_from_slice(&[tag, low(content.len())]);
    } else {
        out.push(tag);
        length(out, content.len());
    }
    out.extend_from_slice(content);
}

/// The lowest byte.
pub(crate) const fn low(value: usize) -> u8 {
    value.to_le_bytes()[0]
}

/// The varint of a number from 128 to 16,383.
pub(crate) const fn two(value: usize) -> [u8; 2] {
    [low(value) | 0x80, low(value >> 7)]
}

/// How many bytes [`bytes`] appends for content of this length.
pub(crate) const fn bytes_len(content: usize) -> usize {
    1 + varint_len(content as u64) + content
}

/// Appends a field with a varint.
#[inline]
pub(crate) fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(tag(field, VARINT));
    varint(out, value);
}

/// Where a nested message begins whose length is not known yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open(usize);

/// Begins a nested message.
#[inline]
pub(crate) fn open(out: &mut Vec<u8>, field: u8) -> Open {
    out.extend_from_slice(&[tag(field, BYTES), 0, 0]);
    Open(out.len())
}

/// Ends a nested message: its length is written in front of it.
#[inline]
pub(crate) fn close(out: &mut Vec<u8>, open: Open) {
    let content = out.len().saturating_sub(open.0);
    let place = open.0.saturating_sub(LENGTH_BYTES);
    if (0x80..0x4000).contains(&content) {
        if let Some(room) = out.get_mut(place..open.0) {
            room.copy_from_slice(&two(content));
        }
        return;
    }
    close_unusual(out, open, content);
}

/// The same for a message whose length does not have two bytes.
#[cold]
fn close_unusual(out: &mut Vec<u8>, open: Open, content: usize) {
    let needed = varint_len(content as u64);
    let place = open.0.saturating_sub(LENGTH_BYTES);
    if needed > LENGTH_BYTES {
        out.resize(out.len() + needed - LENGTH_BYTES, 0);
    }
    let target = place + needed;
    if open.0 + content <= out.len() && target + content <= out.len() {
        out.copy_within(open.0..open.0 + content, target);
    }
    let mut prefix = Vec::with_capacity(VARINT_BYTES_MAX);
    varint(&mut prefix, content as u64);
    if let Some(room) = out.get_mut(place..target) {
        room.copy_from_slice(&prefix);
    }
    out.truncate(target + content);
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) content: Content<'a>,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Field<'a> {
    pub(crate) fn varint(&self) -> Result<u64, DecodeError> {
        match self.content {
            Content::Varint(value) => Ok(value),
            _ => Err(self.mismatch()),
        }
    }

    pub(crate) fn fixed64(&self) -> Result<u64, DecodeError> {
        match self.content {
            Content::Fixed64(value) => Ok(value),
            _ => Err(self.mismatch()),
        }
    }

    pub(crate) fn fixed32(&self) -> Result<u32, DecodeError> {
        match self.content {
            Content::Fixed32(value) => Ok(value),
            _ => Err(self.mismatch()),
        }
    }

    pub(crate) fn bytes(&self) -> Result<&'a [u8], DecodeError> {
        match self.content {
            Content::Bytes(value) => Ok(value),
            _ => Err(self.mismatch()),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Utf8 { field: self.number })
    }

    fn mismatch(&self) -> DecodeError {
        let wire_type = match self.content {
            Content::Varint(_) => VARINT,
            Content::Fixed64(_) => FIXED64,
            Content::Bytes(_) => BYTES,
            Content::Fixed32(_) => FIXED32,
        };
        DecodeError::WireType { field: self.number, wire_type }
    }
}

/// Walks the fields of one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field; nothing at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 || number >= 1 << 29 {
            return Err(DecodeError::FieldNumber);
        }
        let content = match (tag & 7) as u8 {
            VARINT => Content::Varint(self.varint()?),
            FIXED64 => Content::Fixed64(u64::from_le_bytes(self.array()?)),
            BYTES => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Content::Bytes(self.take(length)?)
            }
            FIXED32 => Content::Fixed32(u32::from_le_bytes(self.array()?)),
            wire_type => return Err(DecodeError::WireType { field: number, wire_type }),
        };
        Ok(Some(Field { number, content }))
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for (at, byte) in self.rest.iter().take(VARINT_BYTES_MAX).enumerate() {
            let low = u64::from(byte & 0x7f);
            if at == VARINT_BYTES_MAX - 1 && *byte > 1 {
                return Err(DecodeError::Varint);
            }
            value |= low << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.rest.len() < VARINT_BYTES_MAX {
            DecodeError::Truncated
        } else {
            DecodeError::Varint
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_has_as_many_bytes_as_was_said_and_reads_back() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut out = vec![tag(1, VARINT)];
                varint(&mut out, value);
                assert_eq!(out.len(), 1 + varint_len(value), "{value}");
                let field = Fields::new(&out).next().unwrap().unwrap();
                assert_eq!(field.varint(), Ok(value));
            }
        }
    }

    #[test]
    fn a_nested_length_is_as_short_as_it_can_be_at_every_bound() {
        for content in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000, 2_097_151, 2_097_152] {
            let mut out = b"before".to_vec();
            let nested = open(&mut out, 2);
            out.extend((0..content).map(|at: usize| at.to_le_bytes()[0]));
            close(&mut out, nested);
            let mut plain = b"before".to_vec();
            let bytes_of: Vec<u8> = (0..content).map(|at: usize| at.to_le_bytes()[0]).collect();
            bytes(&mut plain, 2, &bytes_of);
            assert!(out == plain, "{content}");
            assert_eq!(out.len(), 6 + bytes_len(content));
        }
    }

    #[test]
    fn a_varint_over_64_bits_is_refused_and_a_cut_one_is_truncated() {
        let long = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Fields::new(&long).next(), Err(DecodeError::Varint));
        let endless = [0x80_u8; 12];
        assert_eq!(Fields::new(&endless).next(), Err(DecodeError::Varint));
        assert_eq!(Fields::new(&[0x08, 0x80]).next(), Err(DecodeError::Truncated));
        assert_eq!(Fields::new(&[0x0a, 5, 1]).next(), Err(DecodeError::Truncated));
        assert_eq!(Fields::new(&[0x00, 0]).next(), Err(DecodeError::FieldNumber));
        assert_eq!(
            Fields::new(&[0x0b]).next(),
            Err(DecodeError::WireType { field: 1, wire_type: 3 })
        );
    }
}
