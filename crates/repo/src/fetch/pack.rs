//! Receiving a pack: looked at on its way, indexed while it comes, under its name only when whole.

mod scan;

pub(crate) use scan::scan_anything;

use super::Step;
use super::watch::Watch;
use crate::RepoError;
use crate::error::Cause;
use crate::limits::Limits;
use gix_hash::Kind;
use gix_utils::progress::Discard;
use scan::{Excess, Most, Scan};
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What bounds one pack.
pub(super) struct Bounds<'a> {
    pub(super) limits: &'a Limits,
    /// Objects, and what they are for a message.
    pub(super) objects: Option<(usize, &'static str)>,
}

/// Looks at a pack on its way, and stops it at the limits.
pub(super) struct Bounded<'a> {
    pack: &'a mut dyn Read,
    bounds: Bounds<'a>,
    watch: &'a Watch<'a>,
    progress: &'a (dyn Fn(Step) + Sync),
    scan: Scan,
    bytes: u64,
}

impl<'a> Bounded<'a> {
    pub(super) fn new(
        pack: &'a mut dyn Read,
        bounds: Bounds<'a>,
        watch: &'a Watch<'a>,
        progress: &'a (dyn Fn(Step) + Sync),
    ) -> Self {
        let scan = Scan::new(Most {
            objects: bounds.objects.map_or(usize::MAX, |(count, _)| count),
            object_bytes: u64::try_from(bounds.limits.object_bytes).unwrap_or(u64::MAX),
            content_bytes: bounds.limits.content_bytes,
        });
        Self { pack, bounds, watch, progress, scan, bytes: 0 }
    }

    /// The error for what is too much.
    fn stopped(&self, excess: Excess) -> io::Error {
        let (url, limits) = (self.watch.url.clone(), self.bounds.limits);
        let error = match (excess, self.bounds.objects) {
            (Excess::Damaged(why), _) => return io::Error::new(io::ErrorKind::InvalidData, why),
            (Excess::Objects, objects) => {
                let (limit, what) = objects.unwrap_or((usize::MAX, "objects"));
                RepoError::TooMany { from: url, what, limit, path: "refs/".to_owned() }
            }
            (Excess::Object(bytes), _) => {
                let limit = u64::try_from(limits.object_bytes).unwrap_or(u64::MAX);
                RepoError::ObjectTooLarge { url, bytes, limit }
            }
            (Excess::Content, _) => RepoError::PackTooLarge { url, limit: limits.content_bytes },
        };
        self.watch.failure.keep(error)
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.check_cancel()?;
        let read = self.pack.read(buffer)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        let limit = self.bounds.limits.pack_bytes;
        if self.bytes > limit {
            let url = self.watch.url.clone();
            return Err(self.watch.failure.keep(RepoError::PackTooLarge { url, limit }));
        }
        let seen = self.scan.see(buffer.get(..read).unwrap_or_default());
        seen.map_err(|excess| self.stopped(excess))?;
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
    pack: Bounded<'_>,
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
