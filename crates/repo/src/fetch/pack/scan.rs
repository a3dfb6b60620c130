//! What a pack holds, seen while it comes.
//!
//! The indexer learns where an object ends by unpacking all of it, and keeps its packed bytes for
//! so long. So a file of gigabytes would cost as much memory, and one of zeros, which is small on
//! its way, minutes of work, before anybody looked at its size. Here the size that stands before
//! each object is looked at first, and no object may have more bytes than it says.
//!
//! Input: a pack as it comes, in parts of any size. Output: the first thing that is too much. A
//! pack that is not well formed is an error here, too: what follows could not be looked at.

use flate2::{Decompress, FlushDecompress, Status};

/// Bytes of a pack's head: its name, its version and its number of objects.
const HEAD_BYTES: usize = 12;

/// Bytes that are unpacked at once; nobody reads them.
const SCRATCH_BYTES: usize = 16 * 1024;

/// Bytes of an object's name, which stands before a delta against it.
const NAME_BYTES: usize = 20;

/// Bits of the largest size that is read; an object has fewer bytes.
const SIZE_BITS_MAX: u32 = 60;

/// The kinds of deltas.
const OFFSET_DELTA: u8 = 6;
const NAMED_DELTA: u8 = 7;

/// What a pack may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub(super) objects: usize,
    /// Of one object, unpacked.
    pub(super) object_bytes: u64,
    /// Of all objects, unpacked.
    pub(super) content_bytes: u64,
}

/// Why a pack is not read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Objects,
    /// An object with this many bytes.
    Object(u64),
    Content,
    Damaged(&'static str),
}

/// How far a pack is.
pub(super) struct Scan {
    most: Most,
    stage: Stage,
    objects_left: u32,
    content: u64,
    inflate: Decompress,
    scratch: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Head {
        seen: usize,
        count: u32,
    },
    Kind,
    /// Of an object: the lower bits of its size.
    Size {
        kind: u8,
        bytes: u64,
        bits: u32,
    },
    /// How far back a delta's base is.
    Offset {
        bytes: u64,
    },
    /// The name of a delta's base.
    Name {
        bytes: u64,
        left: usize,
    },
    Data {
        left: u64,
    },
    Over,
}

impl Scan {
    pub(super) fn new(most: Most) -> Self {
        Self {
            most,
            stage: Stage::Head { seen: 0, count: 0 },
            objects_left: 0,
            content: 0,
            inflate: Decompress::new(true),
            scratch: vec![0; SCRATCH_BYTES],
        }
    }

    /// Looks at the next part.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> Result<(), Excess> {
        while let Some((first, rest)) = bytes.split_first() {
            if let Stage::Over = self.stage {
                return Ok(());
            }
            if let Stage::Data { left } = self.stage {
                bytes = self.unpack(left, bytes)?;
            } else {
                self.step(*first)?;
                bytes = rest;
            }
        }
        Ok(())
    }

    /// One byte of what stands around the objects.
    fn step(&mut self, byte: u8) -> Result<(), Excess> {
        let low = |bits: u32| u64::from(byte) & ((1 << bits) - 1);
        let more = byte & 0x80 != 0;
        self.stage = match self.stage {
            Stage::Head { seen, count } => {
                return self.head(seen + 1, (count << 8) | u32::from(byte));
            }
            Stage::Kind => self.sized((byte >> 4) & 7, low(4), 4, more)?,
            Stage::Size { kind, bytes, bits } => {
                if bits > SIZE_BITS_MAX - 7 {
                    return Err(Excess::Damaged("the size of an object has too many digits"));
                }
                self.sized(kind, bytes | (low(7) << bits), bits + 7, more)?
            }
            Stage::Offset { bytes } if more => Stage::Offset { bytes },
            Stage::Offset { bytes } | Stage::Name { bytes, left: 1 } => Stage::Data { left: bytes },
            Stage::Name { bytes, left } => Stage::Name { bytes, left: left.saturating_sub(1) },
            stage @ (Stage::Data { .. } | Stage::Over) => stage,
        };
        Ok(())
    }

    /// The last four bytes of the head are the number of objects.
    fn head(&mut self, seen: usize, count: u32) -> Result<(), Excess> {
        self.stage = Stage::Head { seen, count };
        if seen == HEAD_BYTES {
            if usize::try_from(count).is_ok_and(|count| count > self.most.objects) {
                return Err(Excess::Objects);
            }
            self.objects_left = count;
            self.next_object();
        }
        Ok(())
    }

    fn next_object(&mut self) {
        self.stage = if self.objects_left == 0 { Stage::Over } else { Stage::Kind };
        self.objects_left = self.objects_left.saturating_sub(1);
    }

    /// What follows a part of an object's size.
    fn sized(&mut self, kind: u8, bytes: u64, bits: u32, more: bool) -> Result<Stage, Excess> {
        if more {
            return Ok(Stage::Size { kind, bytes, bits });
        }
        if bytes > self.most.object_bytes {
            return Err(Excess::Object(bytes));
        }
        self.content = self.content.saturating_add(bytes);
        if self.content > self.most.content_bytes {
            return Err(Excess::Content);
        }
        Ok(match kind {
            OFFSET_DELTA => Stage::Offset { bytes },
            NAMED_DELTA => Stage::Name { bytes, left: NAME_BYTES },
            _ => Stage::Data { left: bytes },
        })
    }

    /// Unpacks an object's bytes as far as they are here; gives what is behind them.
    fn unpack<'b>(&mut self, mut left: u64, mut bytes: &'b [u8]) -> Result<&'b [u8], Excess> {
        loop {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(bytes, &mut self.scratch, FlushDecompress::None);
            let status = status.map_err(|_| Excess::Damaged("an object cannot be unpacked"))?;
            let size = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
            let read = size(self.inflate.total_in(), read);
            let written = size(self.inflate.total_out(), written);
            bytes = bytes.get(read..).unwrap_or_default();
            let wrote = u64::try_from(written).unwrap_or(u64::MAX);
            left = left
                .checked_sub(wrote)
                .ok_or(Excess::Damaged("an object has more bytes than it says"))?;
            self.stage = Stage::Data { left };
            if status == Status::StreamEnd {
                self.inflate.reset(true);
                self.next_object();
                return Ok(bytes);
            }
            if written < self.scratch.len() && (bytes.is_empty() || read == 0) {
                // What it does not take although it has room is no part of a stream.
                let stuck = !bytes.is_empty() && written == 0;
                return if stuck {
                    Err(Excess::Damaged("an object has no end"))
                } else {
                    Ok(bytes)
                };
            }
        }
    }
}

/// Looks at any bytes as a pack: parts change no verdict, but which damage is seen first. For the
/// fuzz target and the property test.
pub(crate) fn scan_anything(bytes: &[u8]) {
    let most = Most { objects: 100, object_bytes: 1 << 16, content_bytes: 1 << 20 };
    let verdict = |part: usize| {
        let mut scan = Scan::new(most);
        let verdict = bytes.chunks(part).try_for_each(|part| scan.see(part));
        verdict.map_err(|excess| match excess {
            Excess::Damaged(_) => Excess::Damaged(""),
            other => other,
        })
    };
    let (whole, parts) = (verdict(bytes.len().max(1)), verdict(3));
    assert_eq!(whole, parts, "parts change the verdict");
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    const ROOMY: Most = Most { objects: 10, object_bytes: 1 << 40, content_bytes: 1 << 40 };
    const BLOB: u8 = 3;

    /// An object of a kind that says it has so many bytes, with what stands before its content.
    fn object(kind: u8, says: u64, before: &[u8], content: &[u8]) -> Vec<u8> {
        let low = |value: u64| u8::try_from(value & 0x7f).unwrap();
        let mut left = says >> 4;
        let more = |left: u64| if left > 0 { 0x80 } else { 0 };
        let mut bytes = vec![(kind << 4) | low(says & 15) | more(left)];
        while left > 0 {
            bytes.push(low(left) | more(left >> 7));
            left >>= 7;
        }
        bytes.extend_from_slice(before);
        let mut encoder = ZlibEncoder::new(bytes, Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn pack(objects: &[Vec<u8>]) -> Vec<u8> {
        let count = u32::try_from(objects.len()).unwrap().to_be_bytes();
        [b"PACK\0\0\0\x02", &count[..], &objects.concat(), &[0; 20]].concat()
    }

    /// The verdict over a pack, and whether its end was seen.
    fn seen(most: Most, pack: &[u8], part: usize) -> (Result<(), Excess>, bool) {
        let mut scan = Scan::new(most);
        let verdict = pack.chunks(part).try_for_each(|part| scan.see(part));
        (verdict, matches!(scan.stage, Stage::Over))
    }

    /// One of each kind of object, and one larger than what is unpacked at once.
    fn mixed() -> Vec<u8> {
        let zeros = vec![0; 3 * SCRATCH_BYTES];
        pack(&[
            object(BLOB, 0, b"", b""),
            object(OFFSET_DELTA, 5, &[0x81, 0xff, 0x01], b"delta"),
            object(NAMED_DELTA, 5, &[0xff; NAME_BYTES], b"delta"),
            object(BLOB, zeros.len() as u64, b"", &zeros),
            object(1, 16, b"", &[7; 16]),
        ])
    }

    #[test]
    fn every_object_is_seen_in_parts_of_any_size() {
        let pack = mixed();
        let total = 10 + 3 * SCRATCH_BYTES as u64 + 16;
        for part in [1, 2, 7, 100, pack.len()] {
            assert_eq!(seen(ROOMY, &pack, part), (Ok(()), true), "{part}");
            let exact =
                Most { objects: 5, object_bytes: 3 * SCRATCH_BYTES as u64, content_bytes: total };
            assert_eq!(seen(exact, &pack, part), (Ok(()), true), "{part}");
            let verdict = |most| seen(most, &pack, part).0;
            assert_eq!(verdict(Most { objects: 4, ..exact }), Err(Excess::Objects));
            let less = Most { object_bytes: exact.object_bytes - 1, ..exact };
            assert_eq!(verdict(less), Err(Excess::Object(exact.object_bytes)));
            let less = Most { content_bytes: total - 1, ..exact };
            assert_eq!(verdict(less), Err(Excess::Content));
        }
        let cut = &pack[..pack.len() - 30];
        assert_eq!(seen(ROOMY, cut, 9), (Ok(()), false));
    }

    #[test]
    fn gitops_15_an_object_beyond_the_limit_is_seen_before_a_byte_of_it_came() {
        let most = Most { object_bytes: 1000, ..ROOMY };
        let huge = object(BLOB, 10 << 30, b"", b"");
        let head = [pack(&[])[..8].to_vec(), vec![0, 0, 0, 1], huge[..5].to_vec()].concat();
        assert_eq!(seen(most, &head, 3).0, Ok(()), "its size is not whole yet");
        let head = [head, huge[5..6].to_vec()].concat();
        assert_eq!(seen(most, &head, 3).0, Err(Excess::Object(10 << 30)));
    }

    #[test]
    fn an_object_with_more_bytes_than_it_says_is_not_unpacked_to_its_end() {
        for (says, holds) in [(999, 1000), (0, 1), (0, 1_000_000)] {
            let lying = pack(&[object(BLOB, says, b"", &vec![0; holds])]);
            let told = Excess::Damaged("an object has more bytes than it says");
            assert_eq!(seen(ROOMY, &lying, 64).0, Err(told), "{holds}");
        }
        let mut broken = mixed();
        broken[13] ^= 0xff;
        let told = Excess::Damaged("an object cannot be unpacked");
        assert_eq!(seen(ROOMY, &broken, 64).0, Err(told));
        let digits = [pack(&[])[..8].to_vec(), vec![0, 0, 0, 1], vec![0xff; 20]].concat();
        let told = Excess::Damaged("the size of an object has too many digits");
        assert_eq!(seen(ROOMY, &digits, 64).0, Err(told));
    }

    proptest! {
        #[test]
        fn no_pack_makes_the_scanner_panic_and_parts_change_no_verdict(
            tail in proptest::collection::vec(any::<u8>(), 0..200),
            at in 0..100_usize,
        ) {
            let mut pack = mixed();
            drop(pack.splice(at.min(pack.len()).., tail));
            scan_anything(&pack);
        }
    }
}
