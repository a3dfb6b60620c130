//! Folders of this host that are watched, so that a change in them is seen at once: the file of a
//! host's GitSyncs, and the references of a local repository.
//!
//! Only that something changed is told; what it was is read by those who asked. A folder that
//! cannot be watched is polled like everything else. Limits: [`FOLDERS_MAX`], [`DEPTH_MAX`].

use crate::engine::Mailbox;
use gitops::spec::Valid;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Folders below `refs` that are watched.
const FOLDERS_MAX: usize = 1000;
/// Folders inside each other below `refs`.
const DEPTH_MAX: usize = 16;
/// Bytes of events that are taken at once.
const BUFFER_BYTES: usize = 4096;

/// Whether a change of an entry is worth a look: the entry is in the first folder, its name.
pub(crate) type Wanted = fn(bool, &[u8]) -> bool;

/// Every entry is.
pub(crate) const ANY: Wanted = |_, _| true;

/// A reference is. Git writes a new value beside the old one and renames it: a look at the first
/// of that would find nothing new, and the next look is not at once.
const REFERENCE: Wanted = |is_top, name| {
    let is_named = matches!(name, b"HEAD" | b"packed-refs" | b"refs");
    !name.ends_with(b".lock") && (!is_top || is_named)
};

/// Folders whose entries are watched, for one change. A thread waits for it, which sleeps in the
/// kernel; it ends with the change, or with this.
pub(crate) struct Folders {
    fd: Arc<OwnedFd>,
    /// Taking this watch away is an event, too, and so wakes the thread.
    first: i32,
    seen: Arc<tokio::sync::Notify>,
}

impl Folders {
    /// Watches folders from now on, for entries that are wanted: it is told whether they are in the
    /// first folder, and their names.
    pub(crate) fn watch(folders: &[PathBuf], wanted: Wanted) -> io::Result<Self> {
        let fd = Arc::new(inotify::init(CreateFlags::CLOEXEC)?);
        let events = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        let mut first = None;
        for folder in folders {
            let watch = inotify::add_watch(&fd, folder, events)?;
            first.get_or_insert(watch);
        }
        let first = first.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let seen = Arc::new(tokio::sync::Notify::new());
        let (own, told) = (fd.clone(), seen.clone());
        let thread = std::thread::Builder::new().name("folders".to_owned());
        thread.spawn(move || {
            let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
            let mut reader = Reader::new(&*own, &mut buffer);
            loop {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().map(std::ffi::CStr::to_bytes);
                        let lost = ReadFlags::IGNORED | ReadFlags::QUEUE_OVERFLOW;
                        let is_wanted = name.is_none_or(|name| wanted(event.wd() == first, name));
                        if is_wanted || event.events().intersects(lost) {
                            break;
                        }
                    }
                    Err(Errno::INTR) => {}
                    Err(_) => break,
                }
            }
            told.notify_one();
        })?;
        Ok(Self { fd, first, seen })
    }

    /// Waits until something has changed since the watch began.
    pub(crate) async fn changed(self) {
        self.seen.notified().await;
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        // When that watch is gone already the thread has seen it go.
        let _ = inotify::remove_watch(&*self.fd, self.first);
    }
}

/// The references of a GitSync's repository, when it is a folder of this host.
#[derive(Default)]
pub(crate) struct Local {
    url: Option<String>,
    /// Ends the task.
    task: Option<DropGuard>,
}

impl Local {
    /// Watches the repository of a spec, if it can be watched.
    pub(crate) fn aim(&mut self, valid: &Valid, mailbox: &Arc<Mailbox>) {
        let url = &valid.spec().source.url;
        if self.url.as_ref() == Some(url) {
            return;
        }
        self.url = Some(url.clone());
        self.task = url.strip_prefix("file://").map(|path| {
            let stop = CancellationToken::new();
            let (end, path, mailbox) = (stop.clone(), PathBuf::from(path), mailbox.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = tell(&path, &mailbox) => {}
                }
            });
            stop.drop_guard()
        });
    }
}

/// Posts a letter for every change of the references, until they cannot be watched.
async fn tell(repository: &Path, mailbox: &Mailbox) {
    // Folders come and go with branches, so they are looked for anew each time.
    let watch = || Folders::watch(&of_references(repository), REFERENCE);
    let mut watched = watch();
    loop {
        match watched {
            Ok(folders) => folders.changed().await,
            Err(error) => {
                let path = repository.display();
                tracing::info!(%path, %error, "a repository cannot be watched and is polled");
                return;
            }
        }
        // Before anybody looks, so that no change falls between the look and the watch.
        watched = watch();
        mailbox.post(|mail| mail.push(SystemTime::now(), None));
    }
}

/// The folders in which a repository keeps its references.
fn of_references(repository: &Path) -> Vec<PathBuf> {
    let inside = repository.join(".git");
    let git = if inside.is_dir() { inside } else { repository.to_owned() };
    let mut found = vec![git.clone()];
    let mut left = vec![(git.join("refs"), 0)];
    while let Some((folder, depth)) = left.pop() {
        if !folder.is_dir() || found.len() >= FOLDERS_MAX {
            continue;
        }
        if depth < DEPTH_MAX {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            left.extend(below.map(|entry| (entry.path(), depth + 1)));
        }
        found.push(folder);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_in_a_folder_is_told_and_so_is_one_before_it_was_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let watch = || Folders::watch(&[folder.path().to_owned()], ANY).unwrap();
        let watched = watch();
        std::fs::write(folder.path().join("a"), "1").unwrap();
        watched.changed().await;
        let watched = watch();
        std::fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        watched.changed().await;
        let watched = watch();
        let thread = Arc::downgrade(&watched.seen);
        drop(watched);
        while thread.strong_count() > 0 {
            std::thread::yield_now();
        }
        assert!(Folders::watch(&[folder.path().join("absent")], ANY).is_err());
    }

    #[tokio::test]
    async fn a_reference_is_told_when_it_has_its_new_value_and_not_while_git_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let heads = folder.path().join("refs/heads");
        std::fs::create_dir_all(&heads).unwrap();
        let watched = Folders::watch(&of_references(folder.path()), REFERENCE).unwrap();
        std::fs::write(heads.join("main.lock"), "2").unwrap();
        for (is_top, name, told) in [
            (true, "HEAD", true),
            (true, "packed-refs", true),
            (true, "refs", true),
            (true, "index", false),
            (true, "HEAD.lock", false),
            (false, "main", true),
            (false, "main.lock", false),
        ] {
            assert_eq!(REFERENCE(is_top, name.as_bytes()), told, "{name}");
        }
        std::fs::rename(heads.join("main.lock"), heads.join("main")).unwrap();
        watched.changed().await;
    }

    #[test]
    fn the_folders_of_references_are_found_up_to_the_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let heads = folder.path().join(".git/refs/heads/team");
        std::fs::create_dir_all(&heads).unwrap();
        let found = of_references(folder.path());
        assert!(found.contains(&heads) && found.contains(&folder.path().join(".git")));
        assert_eq!(found.len(), 4);
        for n in 0..FOLDERS_MAX {
            std::fs::create_dir(heads.join(n.to_string())).unwrap();
        }
        assert_eq!(of_references(folder.path()).len(), FOLDERS_MAX);
    }
}
