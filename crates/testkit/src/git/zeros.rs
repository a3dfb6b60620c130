//! A huge file of zeros in a repository, in a moment.
//!
//! Git packs and hashes such a file at a few hundred megabytes a second. Here the pack is written
//! as it would come out: one megabyte of zeros is packed once, and stands in it as often as it has
//! to. What cannot be had without reading all of it is the name of the object, so the sizes are
//! fixed. 10 GiB take 10 MB on the disk.

use super::repository::{Change, Repository};
use flate2::{Compress, Compression, Crc, FlushCompress};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::io;

const MEBIBYTE: u64 = 1024 * 1024;

/// The first bytes of an index of packs.
const INDEX_HEAD: [u8; 8] = *b"\xfftOc\0\0\0\x02";

/// Objects whose names start with a byte or a lower one: this many numbers are in an index.
const FIRST_BYTES: usize = 256;

/// A file of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zeros {
    /// Its size.
    pub mebibytes: u64,
    /// The name of its object, as `git hash-object` gives it.
    blob: [u8; 20],
}

impl Zeros {
    /// A little more than an object may have (256 MiB).
    pub const SHORT: Self = Self {
        mebibytes: 288,
        blob: [
            0x09, 0x64, 0xec, 0xc6, 0x2d, 0x3a, 0xfe, 0xda, 0x77, 0x3a, 0xa6, 0xf6, 0x4c, 0x91,
            0x7c, 0xed, 0x59, 0x01, 0x81, 0x1c,
        ],
    };

    /// 10 GiB.
    pub const LONG: Self = Self {
        mebibytes: 10 * 1024,
        blob: [
            0x11, 0x19, 0x18, 0x1c, 0x47, 0x08, 0x37, 0x7b, 0x56, 0xe8, 0xde, 0xdc, 0x83, 0xbb,
            0xa1, 0x6a, 0x2c, 0xe4, 0xa2, 0x54,
        ],
    };

    /// The object in a pack: its kind and its size, and a zlib stream.
    fn entry(self) -> io::Result<Vec<u8>> {
        let bytes = self.mebibytes * MEBIBYTE;
        let low = |value: u64| u8::try_from(value & 0x7f).unwrap_or_default();
        let mut entry = vec![0x80 | (3 << 4) | low(bytes & 0b1111)];
        let mut left = bytes >> 4;
        while left > 0x7f {
            entry.push(0x80 | low(left));
            left >>= 7;
        }
        entry.push(low(left));
        entry.extend_from_slice(&[0x78, 0x01]);
        let packed = packed_mebibyte()?;
        (0..self.mebibytes).for_each(|_| entry.extend_from_slice(&packed));
        // The last block, which is empty, and the checksum over bytes that are all zero.
        entry.extend_from_slice(&[0x01, 0x00, 0x00, 0xff, 0xff]);
        let sum = u32::try_from(bytes % 65_521).map_err(io::Error::other)?;
        entry.extend_from_slice(&((sum << 16) | 1).to_be_bytes());
        Ok(entry)
    }

    /// The pack with this one object, and its index.
    fn pack(self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let entry = self.entry()?;
        let mut crc = Crc::new();
        crc.update(&entry);
        let mut pack = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
        let offset = u32::try_from(pack.len()).map_err(io::Error::other)?;
        pack.extend_from_slice(&entry);
        let checksum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &pack);
        pack.extend_from_slice(checksum.as_ref());
        let mut index = INDEX_HEAD.to_vec();
        let [first, ..] = self.blob;
        for byte in 0..FIRST_BYTES {
            index.extend_from_slice(&u32::from(byte >= usize::from(first)).to_be_bytes());
        }
        index.extend_from_slice(&self.blob);
        index.extend_from_slice(&crc.sum().to_be_bytes());
        index.extend_from_slice(&offset.to_be_bytes());
        index.extend_from_slice(checksum.as_ref());
        let checksum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &index);
        index.extend_from_slice(checksum.as_ref());
        Ok((pack, index))
    }
}

/// A mebibyte of zeros as blocks that end at a byte and refer to nothing before them.
fn packed_mebibyte() -> io::Result<Vec<u8>> {
    let zeros = vec![0; usize::try_from(MEBIBYTE).map_err(io::Error::other)?];
    let mut packed = Vec::with_capacity(zeros.len());
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(&zeros, &mut packed, FlushCompress::Full).map_err(io::Error::other)?;
    Ok(packed)
}

impl Repository {
    /// Adds a file of zeros on top of `main`; gives the new commit's id.
    ///
    /// # Errors
    /// When its pack cannot be written or `git` fails.
    pub fn push_zeros(&self, path: &str, zeros: Zeros, message: &str) -> io::Result<String> {
        let name: String = zeros.blob.iter().map(|byte| format!("{byte:02x}")).collect();
        let (pack, index) = zeros.pack()?;
        let stem = self.path().join("objects").join("pack").join(format!("pack-{name}"));
        std::fs::write(stem.with_extension("pack"), pack)?;
        std::fs::write(stem.with_extension("idx"), index)?;
        self.commit("main", &[Change::Object(path, &name)], message)
    }
}
