//! Git's protocol as bytes: packet lines, greetings, lists of references, fetch requests and
//! answers. Nothing here knows a socket; the same code reads from http, from ssh and from tests.
//!
//! Protocol 2 is spoken. A server that only knows the first one (Git before 2018) sends all its
//! references with its greeting and is understood too. Every line is at most 65,516 bytes, a list
//! of references is bounded by the caller's count and by [`LISTING_BYTES_MAX`].

mod fetch;
mod listing;

pub(crate) use fetch::{Answer, Request, SideBand, answer};
pub(crate) use listing::{Greeting, Listed, RemoteRef, greeting, listing, listing_request};

use std::io::{self, BufRead, Read};

/// How we call ourselves to servers; some look for the first four letters.
pub(crate) const AGENT: &str = concat!("git/orlop-", env!("CARGO_PKG_VERSION"));

/// Bytes of all lines of one list of references.
pub(crate) const LISTING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of one packet line with its four digits.
const PACKET_BYTES_MAX: usize = 65_520;

/// Why a conversation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// Nothing more comes, or not in time.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is not Git's protocol.
    #[error("{0}")]
    Protocol(&'static str),
    /// The server says why it does not go on.
    #[error("the server says: {0}")]
    Refused(String),
    /// More references than the bound.
    #[error("the server has more than {0} references to list")]
    TooMany(usize),
}

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    Flush,
    Delimiter,
    End,
    Data(&'a [u8]),
}

/// Reads one packet into `buffer`, which is used again and again.
pub(crate) fn packet<'a>(
    reader: &mut dyn BufRead,
    buffer: &'a mut Vec<u8>,
) -> Result<Packet<'a>, WireError> {
    let mut digits = [0; 4];
    reader.read_exact(&mut digits)?;
    let length = std::str::from_utf8(&digits).ok();
    let length = length.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
    match length {
        Some(0) => Ok(Packet::Flush),
        Some(1) => Ok(Packet::Delimiter),
        Some(2) => Ok(Packet::End),
        Some(length) if (4..=PACKET_BYTES_MAX).contains(&length) => {
            buffer.clear();
            let wanted = u64::try_from(length - 4).unwrap_or(0);
            let read = reader.take(wanted).read_to_end(buffer)?;
            if read < length - 4 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if let Some(reason) = buffer.strip_prefix(b"ERR ") {
                return Err(WireError::Refused(said(reason)));
            }
            Ok(Packet::Data(buffer))
        }
        _ => Err(WireError::Protocol("the answer is not Git's protocol")),
    }
}

/// Writes one packet; longer data than a packet holds is none of ours.
pub(crate) fn write_line(to: &mut Vec<u8>, line: &str) {
    to.extend_from_slice(format!("{:04x}{line}", line.len() + 4).as_bytes());
}

/// A line without its line end.
fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// What a server says to people, for a message.
fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().chars().take(1000).collect()
}

/// Every reader of foreign bytes here, with any bytes; for the fuzz target and the property tests.
pub(crate) fn read_anything(bytes: &[u8]) {
    const REFERENCES: usize = 100;
    let _ = greeting(&mut &*bytes, REFERENCES);
    let _ = listing(&mut &*bytes, REFERENCES, &mut |_| true);
    for version2 in [true, false] {
        let mut reader = bytes;
        if let Ok(mut found) = answer(&mut reader, version2) {
            let _ = io::copy(&mut SideBand::new(&mut reader, &mut found), &mut io::sink());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_is_read_up_to_its_bound_and_not_beyond() {
        let mut buffer = Vec::new();
        let line = |length: usize| {
            let mut bytes = format!("{length:04x}").into_bytes();
            bytes.resize(length, b'x');
            bytes
        };
        let largest = line(PACKET_BYTES_MAX);
        let read = packet(&mut largest.as_slice(), &mut buffer).unwrap();
        assert!(matches!(read, Packet::Data(data) if data.len() == PACKET_BYTES_MAX - 4));
        let larger = line(PACKET_BYTES_MAX + 1);
        assert!(packet(&mut larger.as_slice(), &mut buffer).is_err());
        for bad in ["0003", "+004", "00", "zzzz", "0009ab"] {
            assert!(packet(&mut bad.as_bytes(), &mut buffer).is_err(), "{bad}");
        }
        let refused = packet(&mut b"000cERR no!\n".as_slice(), &mut buffer).unwrap_err();
        assert_eq!(refused.to_string(), "the server says: no!");
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_server_make_a_reader_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            lines in proptest::collection::vec("[a-z0-9 :/^{}\\x00-]{0,70}", 0..12),
        ) {
            crate::fuzzing::git_wire(&bytes);
            let mut packets = Vec::new();
            for line in &lines {
                write_line(&mut packets, line);
            }
            packets.extend_from_slice(b"0000");
            packets.extend_from_slice(&bytes);
            crate::fuzzing::git_wire(&packets);
        }
    }
}
