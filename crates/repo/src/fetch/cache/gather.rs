//! Many small packs made into one, without asking the server: the largest pack is taken over as it
//! is, of the others only what is still reachable. It costs what changed since the last time, plus
//! a walk over the trees.
//!
//! When the largest pack has become mostly garbage itself, or too much would be copied, nothing is
//! done, and the caller fetches afresh into one pack.

use super::{Generation, State};
use crate::error::Cause;
use crate::fetch::pack::{PackError, index_pack};
use crate::tree::{self, Objects};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix_hash::{Kind, ObjectId};
use gix_object::{Exists, Find, FindHeader};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Bytes of all objects that are copied.
const COPIED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Objects of the largest pack that may be garbage: this many, or as many as are not.
const GARBAGE_OBJECTS: usize = 100;

/// Fills an empty generation from an older one; `false` when fetching afresh is better.
pub(super) fn gather(
    old: &Path,
    state: &State,
    new: &mut Generation,
    cancel: &AtomicBool,
) -> Result<bool, Cause> {
    let io = |e: io::Error| Cause::of(&e);
    let old_packs = old.join("objects").join("pack");
    let Some(base) = largest(&old_packs).map_err(io)? else { return Ok(false) };
    let objects = tree::open(&old.join("objects"))?;
    let live = tree::reachable(&objects, &state.tips)?;
    for path in [base.with_extension("pack"), base.with_extension("idx")] {
        let Some(name) = path.file_name() else { return Ok(false) };
        fs::hard_link(&path, new.objects().join("pack").join(name)).map_err(io)?;
    }
    let taken = tree::open(&new.objects())?;
    let (kept, copied): (Vec<ObjectId>, Vec<ObjectId>) =
        live.into_iter().partition(|id| taken.exists(id));
    let garbage =
        object_count(&base.with_extension("pack")).map_err(io)?.saturating_sub(kept.len());
    if garbage > kept.len().max(GARBAGE_OBJECTS) {
        return Ok(false);
    }
    drop(taken);
    let Some(pack) = pack(&objects, &copied)? else { return Ok(false) };
    let limit = usize::try_from(COPIED_BYTES_MAX).unwrap_or(usize::MAX);
    index_pack(&mut pack.as_slice(), &new.objects(), None, limit, cancel).map_err(|error| {
        match error {
            PackError::DiskFull => Cause::new("no space left on the file system"),
            PackError::Failed(cause) => cause,
        }
    })?;
    new.state = state.clone();
    Ok(true)
}

/// The pack with the most bytes.
fn largest(packs: &Path) -> io::Result<Option<PathBuf>> {
    let mut largest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(packs)? {
        let entry = entry?;
        let (path, bytes) = (entry.path(), entry.metadata()?.len());
        let is_pack = path.extension().is_some_and(|e| e == "pack");
        if is_pack && largest.as_ref().is_none_or(|(most, _)| bytes > *most) {
            largest = Some((bytes, path));
        }
    }
    Ok(largest.map(|(_, path)| path))
}

/// The number of objects that stands in a pack's head.
fn object_count(pack: &Path) -> io::Result<usize> {
    let mut head = [0; 12];
    fs::File::open(pack)?.read_exact(&mut head)?;
    let [.., a, b, c, d] = head;
    usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(io::Error::other)
}

/// A pack of whole objects; `None` when they are too large together. An object that is not here
/// was left at the server.
fn pack(objects: &Objects, ids: &[ObjectId]) -> Result<Option<Vec<u8>>, Cause> {
    let (mut body, mut buffer) = (Vec::new(), Vec::new());
    let (mut count, mut bytes) = (0_u32, 0_u64);
    for id in ids {
        let header = objects.try_header(id).map_err(|e| Cause::of(&e))?;
        let Some(header) = header else { continue };
        bytes = bytes.saturating_add(header.size);
        if bytes > COPIED_BYTES_MAX {
            return Ok(None);
        }
        let data = objects.try_find(id, &mut buffer).map_err(|e| Cause::of(&e))?;
        let data = data.ok_or_else(|| Cause::new(format!("the object {id} is missing")))?;
        data.verify_checksum(id).map_err(|e| Cause::of(&e))?;
        entry(data.kind, data.data, &mut body).map_err(|e| Cause::of(&e))?;
        count = count.saturating_add(1);
    }
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    pack.append(&mut body);
    let mut hasher = gix_hash::hasher(Kind::Sha1);
    hasher.update(&pack);
    let checksum = hasher.try_finalize().map_err(|e| Cause::of(&e))?;
    pack.extend_from_slice(checksum.as_bytes());
    Ok(Some(pack))
}

/// One object: its kind and size in groups of seven bits (the first has four), then its bytes.
fn entry(kind: gix_object::Kind, data: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
    let number: u8 = match kind {
        gix_object::Kind::Commit => 1,
        gix_object::Kind::Tree => 2,
        gix_object::Kind::Blob => 3,
        gix_object::Kind::Tag => 4,
    };
    let low = |value: usize, mask: usize| u8::try_from(value & mask).unwrap_or(0);
    let mut left = data.len();
    let mut byte = (number << 4) | low(left, 0b1111);
    left >>= 4;
    while left > 0 {
        to.push(byte | 0b1000_0000);
        byte = low(left, 0b0111_1111);
        left >>= 7;
    }
    to.push(byte);
    let mut encoder = ZlibEncoder::new(to, Compression::fast());
    encoder.write_all(data)?;
    encoder.finish().map(drop)
}
