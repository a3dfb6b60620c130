//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code. Each takes any bytes and
//! returns; what must not happen is a panic, or a damaged file that is taken for whole.

use crate::{checkpoint, spill};

/// Reading a checkpoint: the bytes as they are, and as records with checksums that hold.
///
/// # Panics
/// When the promise is broken.
pub fn checkpoint(bytes: &[u8]) {
    read_checkpoint(bytes);
    let (mut bodies, mut rest) = (Vec::new(), bytes);
    while let Some((length, behind)) = rest.split_first() {
        let (body, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        bodies.push(body);
        rest = behind;
    }
    read_checkpoint(&checkpoint::sealed(None, &bodies));
    let written_ns = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    read_checkpoint(&checkpoint::sealed(Some(written_ns), &bodies));
}

fn read_checkpoint(bytes: &[u8]) {
    let decoded = checkpoint::decode(bytes);
    assert!(decoded.entries.len() <= checkpoint::RECORDS_MAX);
    if decoded.is_whole {
        let (generation, written_ns) = (decoded.generation, decoded.written_ns);
        let again = checkpoint::encode_all(generation, written_ns, &decoded.entries);
        assert_eq!(again, bytes, "a whole file is what we would write, or wrote without a time");
    }
}

/// Reading a segment of spilled bytes.
///
/// # Panics
/// When the promise is broken.
pub fn spill_segment(bytes: &[u8]) {
    let frames = spill::decode(bytes);
    assert!(frames.iter().all(|(_, end)| *end <= bytes.len()));
    assert!(frames.is_sorted_by(|(_, one), (_, other)| one < other));
    let held: usize = frames.iter().map(|(frame, _)| frame.bytes.len()).sum();
    assert!(held <= bytes.len());
}
