//! Zstandard (RFC 8878). Compressing has one context for each thread: making one for each batch
//! costs more than small batches themselves.
//!
//! To decompress would cost a sixth of a megabyte of program, and is for short answers of servers
//! only, in which there is nothing to compress: what lies in a frame as it is can be read.

use std::cell::RefCell;
use std::io;
use zstd::zstd_safe::CParameter;

/// The table of matches has 2 to the power of this entries of 4 bytes: it fits into the first
/// cache beside the lines themselves. With the 2^14 of the level, logs of many kinds take 2 to 20 %
/// more time, and become 0 to 7 % smaller.
const HASH_LOG: u32 = 12;

thread_local! {
    static CONTEXT: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// Writes a frame with this content to an empty buffer.
pub(crate) fn compress(body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.reserve(zstd::zstd_safe::compress_bound(body.len()));
    CONTEXT.with_borrow_mut(|context| {
        let compressor = match context {
            Some(compressor) => compressor,
            None => {
                let mut compressor = zstd::bulk::Compressor::new(crate::config::ZSTD_LEVEL)?;
                compressor.set_parameter(CParameter::HashLog(HASH_LOG))?;
                context.insert(compressor)
            }
        };
        compressor.compress_to_buffer(body, out).map(drop)
    })
}

/// The first bytes of a frame.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// The content of a frame in which nothing is compressed (its blocks are raw or of one byte), of
/// `most` bytes or fewer. Nothing is compared with its checksum.
pub(crate) fn stored(frame: &[u8], most: usize) -> Option<Vec<u8>> {
    let (descriptor, rest) = frame.strip_prefix(&MAGIC)?.split_first()?;
    let is_single = descriptor & 0x20 != 0;
    let size_bytes = match descriptor >> 6 {
        0 => usize::from(is_single),
        flag => 1 << flag,
    };
    let dictionary_bytes = match descriptor & 3 {
        3 => 4,
        flag => usize::from(flag),
    };
    let mut rest = rest.get(usize::from(!is_single) + dictionary_bytes + size_bytes..)?;
    let mut content = Vec::new();
    loop {
        let (head, behind) = rest.split_first_chunk::<3>()?;
        let [a, b, c] = head.map(usize::from);
        let head = a | b << 8 | c << 16;
        let size = head >> 3;
        if size > most - content.len() {
            return None;
        }
        rest = match head >> 1 & 3 {
            0 => {
                let (block, behind) = behind.split_at_checked(size)?;
                content.extend_from_slice(block);
                behind
            }
            1 => {
                let (byte, behind) = behind.split_first()?;
                content.resize(content.len() + size, *byte);
                behind
            }
            _ => return None,
        };
        if head & 1 != 0 {
            break;
        }
    }
    let checksum_bytes = usize::from(descriptor & 4);
    (rest.len() == checksum_bytes).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::stored;
    use proptest::prelude::{any, prop, proptest};

    fn frame(content: &[u8], checksum: bool) -> Vec<u8> {
        let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
        compressor.include_checksum(checksum).unwrap();
        compressor.compress(content).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_and_no_bytes_are_more_than_the_bound(
            content in prop::collection::vec(any::<u8>(), 0..12),
            more in prop::collection::vec(any::<u8>(), 0..20),
            checksum in any::<bool>(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut frame = frame(&content, checksum);
            assert_eq!(stored(&frame, content.len()).as_deref(), Some(&content[..]));
            if let Some(less) = content.len().checked_sub(1) {
                assert_eq!(stored(&frame, less), None);
            }
            assert_eq!(stored(&frame[..frame.len() - 1], 60), None);
            assert_eq!(stored(&[&frame[..], b"x"].concat(), 60), None);
            let at = at.index(frame.len());
            frame[at] = byte;
            crate::fuzzing::zstd_frame(&frame);
            crate::fuzzing::zstd_frame(&[&frame[..at], &more].concat());
            crate::fuzzing::zstd_frame(&[&frame[..4], &more].concat());
        }
    }

    #[test]
    fn a_block_of_one_byte_is_read_and_one_that_is_compressed_is_not() {
        // No checksum, a window, no size: blocks of "ab", 5 times "x", and nothing.
        let head = [&super::MAGIC[..], &[0, 0x50]].concat();
        let blocks = [&[2 << 3, 0, 0][..], b"ab", &[5 << 3 | 2, 0, 0], b"x", &[1, 0, 0]].concat();
        let of = |blocks: &[u8], most| stored(&[&head, blocks].concat(), most);
        assert_eq!(of(&blocks, 7).unwrap(), b"abxxxxx");
        assert_eq!(of(&blocks, 6), None);
        assert_eq!(of(&blocks[..blocks.len() - 3], 7), None, "no block is the last one");
        assert_eq!(of(&[3 << 3 | 5, 0, 0, 1, 2, 3], 7), None);
        let text = "It is said again and again. ".repeat(9);
        assert_eq!(stored(&frame(text.as_bytes(), false), 1_000), None);
    }
}
