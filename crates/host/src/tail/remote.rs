//! File systems that another machine or process keeps, and that may answer nothing.

use super::discover::kind;
use super::identity::{from_stat, look, look_at};
use rustix::fs::{FileType, StatFs, Statx};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// File systems whose changes by other machines no event tells: NFS, SMB, CIFS, FUSE, 9P, Ceph.
const REMOTE: [u32; 6] = [0x6969, 0xFE53_4D42, 0xFF53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400];

/// Whether a path leads to a remote file system.
pub(super) fn is_remote(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| is_one(&stat))
}

fn is_one(stat: &StatFs) -> bool {
    REMOTE.iter().any(|magic| i128::from(*magic) == i128::from(stat.f_type))
}

fn device(stat: &Statx) -> u64 {
    from_stat(stat).place().0
}

/// What is said of files, by their paths.
static SAID: Mutex<Vec<(PathBuf, Arc<RemoteFile>)>> = Mutex::new(Vec::new());

/// On which remote file system a file lies that this process writes, as the one who writes it says.
///
/// Such a file system may answer nothing. Who finds another file elsewhere must not wait for that.
#[derive(Debug, Default)]
pub struct RemoteFile(AtomicU64);

impl RemoteFile {
    /// What anybody in this process says of this path.
    pub fn of(path: &Path) -> Arc<Self> {
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|(_, file)| Arc::strong_count(file) > 1);
        if let Some((_, file)) = said.iter().find(|(at, _)| at == path) {
            return file.clone();
        }
        let file = Arc::<Self>::default();
        said.push((path.to_owned(), file.clone()));
        file
    }

    /// The path is opened next. It may lead elsewhere by now.
    pub fn check(&self, path: &Path) {
        let at = look(path, false).or_else(|_| look(path.parent().unwrap_or(path), true));
        let is_there = |stat: &Statx| kind(stat) != FileType::Symlink && self.is_at(device(stat));
        if !at.is_ok_and(|stat| is_there(&stat)) {
            self.set(0);
        }
    }

    /// The path was opened; this is what is there.
    pub fn tell(&self, path: &Path, file: impl AsFd) {
        let folder = path.parent().map(|folder| look(folder, true));
        let at = look_at(file.as_fd()).ok().zip(folder.and_then(Result::ok));
        let at = at.map(|(file, folder)| (device(&file), device(&folder)));
        // Beside a link to another file system the names that a rotation gives are looked for, too.
        let is_one = |at: &(u64, u64)| {
            at.0 == at.1 && rustix::fs::fstatfs(&file).is_ok_and(|stat| is_one(&stat))
        };
        self.set(at.filter(is_one).map_or(0, |(device, _)| device));
    }

    pub(super) fn set(&self, device: u64) {
        self.0.store(device, Ordering::SeqCst);
    }

    /// Whether it lies there.
    fn is_at(&self, device: u64) -> bool {
        self.0.load(Ordering::SeqCst) == device
    }

    /// Whether it cannot be one of these devices.
    pub(super) fn is_elsewhere(&self, devices: [u64; 2]) -> bool {
        let device = self.0.load(Ordering::SeqCst);
        device != 0 && !devices.contains(&device)
    }
}
