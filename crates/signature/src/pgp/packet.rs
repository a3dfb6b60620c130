//! OpenPGP packets (RFC 9580, section 4), old and new headers.
//!
//! Input: bytes. Output: each packet's tag and body, borrowed. Partial and indeterminate lengths
//! are for streams and are refused. Limit: [`PACKETS_MAX`] packets.

use crate::bytes::Cursor;
use crate::verdict::Fault;

/// More packets in one piece are refused.
pub(crate) const PACKETS_MAX: usize = 20_000;

pub(crate) const SIGNATURE: u8 = 2;
pub(crate) const SECRET_KEY: u8 = 5;
pub(crate) const PUBLIC_KEY: u8 = 6;
pub(crate) const SECRET_SUBKEY: u8 = 7;
pub(crate) const MARKER: u8 = 10;
pub(crate) const TRUST: u8 = 12;
pub(crate) const USER_ID: u8 = 13;
pub(crate) const PUBLIC_SUBKEY: u8 = 14;
pub(crate) const USER_ATTRIBUTE: u8 = 17;
pub(crate) const PADDING: u8 = 21;

/// One packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) tag: u8,
    pub(crate) body: &'a [u8],
}

/// Takes bytes apart into packets.
pub(crate) fn all(bytes: &[u8]) -> Result<Vec<Packet<'_>>, Fault> {
    let mut cursor = Cursor::new(bytes);
    let mut packets = Vec::new();
    while !cursor.is_empty() {
        if packets.len() == PACKETS_MAX {
            return Err(Fault::unsupported(format!("more than {PACKETS_MAX} OpenPGP packets")));
        }
        packets.push(next(&mut cursor)?);
    }
    Ok(packets)
}

fn next<'a>(cursor: &mut Cursor<'a>) -> Result<Packet<'a>, Fault> {
    let malformed = || Fault::bad("the OpenPGP packets are not well formed");
    let head = cursor.u8().ok_or_else(malformed)?;
    if head & 0x80 == 0 {
        return Err(malformed());
    }
    let (tag, length) = if head & 0x40 != 0 {
        (head & 0x3f, new_length(cursor).ok_or_else(malformed)??)
    } else {
        let length = match head & 3 {
            0 => cursor.u8().map(u32::from),
            1 => cursor.u16().map(u32::from),
            2 => cursor.u32(),
            _ => return Err(Fault::unsupported("an OpenPGP packet of indeterminate length")),
        };
        ((head >> 2) & 0x0f, length.ok_or_else(malformed)?)
    };
    let length = usize::try_from(length).map_err(|_| malformed())?;
    Ok(Packet { tag, body: cursor.take(length).ok_or_else(malformed)? })
}

fn new_length(cursor: &mut Cursor<'_>) -> Option<Result<u32, Fault>> {
    let first = cursor.u8()?;
    Some(Ok(match first {
        0..=191 => u32::from(first),
        192..=223 => ((u32::from(first) - 192) << 8) + u32::from(cursor.u8()?) + 192,
        224..=254 => {
            return Some(Err(Fault::unsupported("an OpenPGP packet in parts (partial length)")));
        }
        255 => cursor.u32()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_headers_are_read_and_streams_are_refused() {
        let mut bytes = vec![0x88, 1, 9, 0x99, 0, 1, 9, 0xc2, 1, 9, 0xc2, 0xc0, 0];
        bytes.extend([0; 192]);
        bytes.extend([0xc2, 255, 0, 0, 0, 1, 9]);
        let packets = all(&bytes).unwrap();
        assert_eq!(packets.iter().map(|p| p.tag).collect::<Vec<_>>(), [2, 6, 2, 2, 2]);
        assert_eq!(packets.iter().map(|p| p.body.len()).collect::<Vec<_>>(), [1, 1, 1, 192, 1]);
        for refused in [&[0x8b, 0][..], &[0xc2, 0xe1, 0], &[0x08, 0], &[0x88, 2, 0], &[0x88]] {
            assert!(all(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn the_bound_of_packets_is_exact() {
        assert!(all(&[0x88, 0].repeat(PACKETS_MAX)).is_ok());
        assert!(all(&[0x88, 0].repeat(PACKETS_MAX + 1)).is_err());
    }
}
