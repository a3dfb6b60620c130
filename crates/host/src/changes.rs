//! Tells when one file may have changed: written to, replaced, or, when its path goes over links,
//! when one of them was pointed elsewhere (which is how Kubernetes replaces a ConfigMap).
//!
//! Input: a path. Output: [`Changes::wait`] ends when it can have been the file. The directory of
//! the path and those of everything that its links lead to are watched, [`LINKS_MAX`] at most. A
//! file that was only created is not told before it is closed after writing, so that nobody reads
//! it half.
//! Errors: those of the kernel; without a watch the caller looks from time to time.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most links that are followed from the path on, as the kernel does it.
pub const LINKS_MAX: usize = 40;
/// Bytes for events that are read at once.
const BUFFER_BYTES: usize = 4_096;

/// A watch over one file.
#[derive(Debug)]
pub struct Changes {
    inotify: OwnedFd,
    path: PathBuf,
    directories: HashMap<i32, PathBuf>,
}

impl Changes {
    /// Watches a file, which need not be there yet; its directory must.
    ///
    /// # Errors
    /// When the kernel gives no watch.
    pub fn of(path: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let path = std::path::absolute(path)?;
        let mut changes = Self { inotify, path, directories: HashMap::new() };
        changes.watch()?;
        Ok(changes)
    }

    /// Watches the directories that the path leads over now.
    fn watch(&mut self) -> io::Result<()> {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        self.directories.clear();
        let mut first = Ok(());
        for (index, directory) in directories(&self.path).into_iter().enumerate() {
            match inotify::add_watch(&self.inotify, &directory, flags) {
                Ok(number) => drop(self.directories.insert(number, directory)),
                // What a link leads to may not be there yet; the link itself is watched.
                Err(error) if index == 0 => first = Err(error.into()),
                Err(_) => {}
            }
        }
        first
    }

    /// Waits until the file may have changed.
    ///
    /// # Errors
    /// When the events cannot be read, or the file's directory is gone.
    pub fn wait(&mut self) -> io::Result<()> {
        loop {
            match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if self.look()? {
                return Ok(());
            }
        }
    }

    /// Takes what happened; says whether it can have been the file.
    ///
    /// # Errors
    /// When the events cannot be read, or the file's directory is gone.
    pub fn look(&mut self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); BUFFER_BYTES];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut may_be = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    let mask = event.events();
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    let created = mask.contains(ReadFlags::CREATE);
                    // A file that was only created will be written to and closed; a link is whole.
                    may_be |= !created
                        || self.directories.get(&event.wd()).zip(name).is_none_or(|(dir, name)| {
                            std::fs::symlink_metadata(dir.join(name))
                                .is_ok_and(|meta| meta.is_symlink())
                        });
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        if may_be {
            self.watch()?;
        }
        Ok(may_be)
    }
}

/// The directories of a path, of all links in it, and of what these lead to.
fn directories(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let (mut whole, mut links) = (path.to_owned(), 0);
    while links < LINKS_MAX {
        if let Some(directory) = whole.parent()
            && !found.iter().any(|known| known == directory)
        {
            found.push(directory.to_owned());
        }
        let Some((link, target, rest)) = first_link(&whole) else { return found };
        links += 1;
        if let Some(directory) = link.parent()
            && !found.iter().any(|known| known == directory)
        {
            found.push(directory.to_owned());
        }
        // A relative target begins where the link is; an absolute one replaces all before.
        let base = link.parent().unwrap_or(Path::new("/"));
        whole = base.join(target).join(rest);
        if whole.as_os_str().is_empty() {
            return found;
        }
        // `join` with nothing leaves a slash at the end.
        whole = whole.components().collect();
    }
    found
}

/// The first link in a path, what it says, and what comes behind it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let mut so_far = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        so_far.push(component);
        if let Ok(target) = std::fs::read_link(&so_far) {
            return Some((so_far, target, components.as_path().to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn r30_a_file_that_is_written_or_replaced_is_told_and_one_that_is_begun_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.yaml");
        let mut changes = Changes::of(&path).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        assert!(!changes.look().unwrap());
        drop(file);
        changes.wait().unwrap();
        std::fs::write(dir.path().join("new"), "a").unwrap();
        changes.wait().unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        changes.wait().unwrap();
        std::fs::remove_file(&path).unwrap();
        changes.wait().unwrap();
        assert!(!changes.look().unwrap());
    }

    #[test]
    fn r30_a_config_map_that_is_replaced_is_told_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for number in 0..4 {
            std::fs::create_dir(at(&format!("..{number}"))).unwrap();
            std::fs::write(at(&format!("..{number}/agent.yaml")), number.to_string()).unwrap();
        }
        symlink("..0", at("..data")).unwrap();
        symlink("..data/agent.yaml", at("agent.yaml")).unwrap();
        let mut changes = Changes::of(&at("agent.yaml")).unwrap();
        for number in 1..4 {
            // As the kubelet does it.
            symlink(format!("..{number}"), at("..data_tmp")).unwrap();
            std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
            changes.wait().unwrap();
            std::fs::remove_dir_all(at(&format!("..{}", number - 1))).unwrap();
            assert_eq!(std::fs::read_to_string(at("agent.yaml")).unwrap(), number.to_string());
        }
        while changes.look().unwrap() {}
        // What the links lead to is watched, too.
        std::fs::write(at("..3/agent.yaml"), "x").unwrap();
        changes.wait().unwrap();
    }

    #[test]
    fn links_that_lead_in_a_circle_and_into_nothing_end() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        symlink("/nowhere/at/all", dir.path().join("c")).unwrap();
        for name in ["a", "b", "c"] {
            assert!(Changes::of(&dir.path().join(name)).is_ok());
        }
        assert!(Changes::of(Path::new("/nowhere/at/all")).is_err());
    }
}
