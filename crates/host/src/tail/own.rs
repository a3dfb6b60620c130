//! What is never read, whatever the patterns say: what this process writes itself. Each line of it
//! that was read would be written once more, and so on for ever.
//!
//! A file is judged when it is found, never per read. What somebody writes to by its path is known
//! by that: the file that the path leads to, over whatever links, and the names that a rotation
//! gives in the same directory. So it is known from the moment it is made, also by an earlier
//! process. What was passed over once is not read under another name either.

use super::discover::kind;
use super::identity::{Identity, from_stat, look, look_at};
use super::remote::RemoteFile;
use super::stats::Notice;
use super::tailer::Tailer;
use rustix::fs::FileType;
use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many files that were passed over are remembered, and how many paths that were told.
const PASSED_MAX: usize = 1024;

/// What this process writes.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Where files are written to, rotated and begun anew.
    files: Vec<(PathBuf, Arc<RemoteFile>)>,
    /// Files that stay open, and directories whose files are all written by this process.
    places: Vec<(u64, u64)>,
}

impl Own {
    /// Whatever is at this path at any time, and what a rotation makes of it.
    pub fn add_file(&mut self, path: &Path) {
        self.files.push((path.to_owned(), RemoteFile::of(path)));
    }

    /// The files of a folder that is there, but not what is in folders below.
    pub fn add_folder(&mut self, path: &Path) {
        self.places.extend(look(path, true).map(|stat| from_stat(&stat).place()));
    }

    /// What is open here when it is a regular file, such as standard output, under any name; also
    /// copies that a rotation makes of it.
    pub fn add_open(&mut self, file: &(impl AsFd + AsRawFd)) {
        let Ok(stat) = look_at(file.as_fd()) else { return };
        if kind(&stat) == FileType::RegularFile {
            self.places.push(from_stat(&stat).place());
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            if let Ok(path) = std::fs::read_link(link) {
                self.add_file(&path);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.places.is_empty()
    }

    /// Whether a file is one of these that has this name in the directory at this place.
    fn has(&self, directory: (u64, u64), name: &[u8], file: (u64, u64)) -> bool {
        let is_at = |path: &Path, place| {
            look(path, true).is_ok_and(|stat| from_stat(&stat).place() == place)
        };
        self.places.contains(&file)
            || self.files.iter().any(|(own, remote)| {
                if remote.is_elsewhere([directory.0, file.0]) {
                    return false;
                }
                let (parent, own_name) = (own.parent(), own.file_name());
                let is_named = own_name.is_some_and(|own| is_of(own.as_bytes(), name));
                (is_named && parent.is_some_and(|parent| is_at(parent, directory)))
                    || is_at(own, file)
            })
    }
}

/// Whether a name is this one, or what a rotation makes of it: `a.log.1`, `a.log-20260101`.
fn is_of(own: &[u8], name: &[u8]) -> bool {
    let appended = name.strip_prefix(own);
    appended.is_some_and(|more| {
        more.first().is_none_or(|byte| matches!(byte, b'.' | b'-' | b'_'))
            && more.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_'))
    })
}

/// What was passed over.
#[derive(Default)]
pub(crate) struct Passed {
    /// The newest last.
    files: VecDeque<Identity>,
    told: HashSet<PathBuf>,
}

impl Passed {
    /// Remembers a file, unless the next one at its place would be taken for it.
    fn remember(&mut self, file: &Identity) {
        if file.birth_ns == 0 && file.handle == 0 {
            return;
        }
        if self.files.len() >= PASSED_MAX {
            self.files.pop_front();
        }
        self.files.push_back(*file);
    }
}

impl Tailer {
    /// Whether this process writes the file that a name in a directory of this number leads to,
    /// perhaps as a link. The first time that is told.
    pub(super) fn is_own(
        &mut self,
        input: u32,
        (dir, name): (u32, &[u8]),
        is_link: bool,
        file: &Identity,
    ) -> bool {
        let Some(input) = self.inputs.get(input as usize) else { return false };
        let Some(Some(known)) = self.dirs.get(dir as usize) else { return false };
        if input.own.is_empty() {
            return false;
        }
        let (own, mut path) = (Arc::clone(&input.own), known.path.join(OsStr::from_bytes(name)));
        let target = if is_link { std::fs::canonicalize(&path).ok() } else { None };
        let (place, name) = match target.as_deref().and_then(home) {
            Some(home) => home,
            None => (known.place, name),
        };
        if own.places.contains(&place) {
            if !is_link {
                path = known.path.to_path_buf();
            }
        } else if !self.passed.files.iter().any(|passed| passed.same(file)) {
            if !own.has(place, name, file.place()) {
                return false;
            }
            self.passed.remember(file);
        }
        if self.passed.told.len() < PASSED_MAX && self.passed.told.insert(path.clone()) {
            self.stats.own += 1;
            self.notices.say(Notice::Own { path });
        }
        true
    }
}

/// The place of the directory where a path leads, and the name there.
fn home(path: &Path) -> Option<((u64, u64), &[u8])> {
    let stat = look(path.parent()?, true).ok()?;
    Some((from_stat(&stat).place(), path.file_name()?.as_bytes()))
}
