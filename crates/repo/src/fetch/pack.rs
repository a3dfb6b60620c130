//! Receiving a pack: counted on its way, indexed while it comes, under its name only when whole.

use super::Step;
use super::watch::Watch;
use crate::RepoError;
use crate::error::Cause;
use crate::limits::Limits;
use gix_hash::Kind;
use gix_utils::progress::Discard;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Bytes of a pack's head: its name, its version and its number of objects.
const HEAD_BYTES: usize = 12;

/// What bounds one pack.
pub(super) struct Bounds<'a> {
    pub(super) limits: &'a Limits,
    /// Objects, and what they are for a message.
    pub(super) objects: Option<(usize, &'static str)>,
}

/// Counts a pack on its way, and stops it at the limits.
pub(super) struct Counted<'a> {
    pub(super) pack: &'a mut dyn Read,
    pub(super) bounds: Bounds<'a>,
    pub(super) watch: &'a Watch<'a>,
    pub(super) progress: &'a (dyn Fn(Step) + Sync),
    head: Vec<u8>,
    bytes: u64,
}

impl<'a> Counted<'a> {
    pub(super) fn new(
        pack: &'a mut dyn Read,
        bounds: Bounds<'a>,
        watch: &'a Watch<'a>,
        progress: &'a (dyn Fn(Step) + Sync),
    ) -> Self {
        Self { pack, bounds, watch, progress, head: Vec::new(), bytes: 0 }
    }

    /// The number of objects stands in the head, so nothing has to be received to see it.
    fn look_at_head(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.head.len() >= HEAD_BYTES {
            return Ok(());
        }
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend(bytes.iter().take(missing));
        let count = self.head.get(8..HEAD_BYTES).and_then(|four| four.try_into().ok());
        let count = count.map(u32::from_be_bytes).and_then(|n| usize::try_from(n).ok());
        match (count, self.bounds.objects) {
            (Some(count), Some((limit, what))) if count > limit => {
                let (from, path) = (self.watch.url.clone(), "refs/".to_owned());
                Err(self.watch.failure.keep(RepoError::TooMany { from, what, limit, path }))
            }
            _ => Ok(()),
        }
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.check_cancel()?;
        let read = self.pack.read(buffer)?;
        self.look_at_head(buffer.get(..read).unwrap_or_default())?;
        self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        let limit = self.bounds.limits.pack_bytes;
        if self.bytes > limit {
            let url = self.watch.url.clone();
            return Err(self.watch.failure.keep(RepoError::PackTooLarge { url, limit }));
        }
        (self.progress)(Step::Receive { bytes: self.bytes });
        Ok(read)
    }
}

/// Why a pack could not be written.
#[derive(Debug)]
pub(super) enum PackError {
    DiskFull,
    Failed(Cause),
}

impl PackError {
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        if is_disk_full(error) { Self::DiskFull } else { Self::Failed(Cause::of(error)) }
    }
}

/// Writes the pack and its index into `objects/pack`; both appear under their names only when they
/// are whole. `bases` is where the other half of a thin pack's deltas is.
pub(super) fn write_pack(
    pack: Counted<'_>,
    objects: &Path,
    bases: Option<&Path>,
) -> Result<(), PackError> {
    let (cancel, limit) = (pack.watch.cancel, pack.bounds.limits.object_bytes);
    index_pack(&mut BufReader::new(pack), objects, bases, limit, cancel)
}

/// The same from any reader; no object beyond `object_bytes` is held in memory.
pub(super) fn index_pack(
    pack: &mut dyn BufRead,
    objects: &Path,
    bases: Option<&Path>,
    object_bytes: usize,
    cancel: &AtomicBool,
) -> Result<(), PackError> {
    let bases = match bases {
        Some(path) => Some(gix_odb::at(path, Kind::Sha1).map_err(|error| PackError::of(&error))?),
        None => None,
    };
    let options = gix_pack::bundle::write::Options {
        alloc_limit_bytes: Some(object_bytes),
        ..gix_pack::bundle::write::Options::default()
    };
    let outcome = gix_pack::Bundle::write_to_directory(
        pack,
        Some(&objects.join("pack")),
        &mut Discard,
        cancel,
        bases,
        Kind::Sha1,
        options,
    );
    let outcome = outcome.map_err(|error| PackError::of(&error))?;
    match outcome.keep_path {
        Some(keep) => std::fs::remove_file(keep).map_err(|error| PackError::of(&error)),
        None => Ok(()),
    }
}

/// Whether a full file system is anywhere among the causes.
fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|e| e.kind() == io::ErrorKind::StorageFull)
            || error.to_string().contains("No space left on device")
        {
            return true;
        }
        next = error.source();
    }
    false
}
