//! Events of directories, and the wait for them.
//!
//! One inotify instance, one watch per directory. When there is no instance to be had, every
//! directory is refused and the tailer polls. A [`Waker`] ends the wait from another thread.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init, remove_watch};
use rustix::io::Errno;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Room for events of one read, in bytes.
const EVENT_BYTES: usize = 64 << 10;

pub(crate) use rustix::fs::inotify::ReadFlags;

/// Ends the wait of a tailer from another thread.
#[derive(Clone)]
pub struct Waker(Arc<OwnedFd>);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

impl Waker {
    /// The wait that is under way, or the next one, ends at once.
    pub fn wake(&self) {
        // The only failure is a counter that is full, which wakes as well.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// There is something to read.
    Events,
    /// Somebody called [`Waker::wake`].
    Waker,
    /// The time is over.
    Timeout,
}

/// The watches.
pub(crate) struct Watch {
    inotify: Option<Arc<OwnedFd>>,
    waker: Waker,
    buffer: Vec<MaybeUninit<u8>>,
}

impl Watch {
    pub(crate) fn new(inotify: bool) -> rustix::io::Result<(Self, Option<Errno>)> {
        let waker = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let (inotify, error) =
            match inotify.then(|| init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)) {
                Some(Ok(fd)) => (Some(Arc::new(fd)), None),
                Some(Err(error)) => (None, Some(error)),
                None => (None, None),
            };
        let buffer = vec![MaybeUninit::uninit(); EVENT_BYTES];
        Ok((Self { inotify, waker: Waker(Arc::new(waker)), buffer }, error))
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Watches a directory; the number of its watch.
    pub(crate) fn add(&self, directory: &Path) -> Result<i32, Errno> {
        let flags = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        add_watch(self.inotify.as_ref().ok_or(Errno::NOSYS)?, directory, flags)
    }

    /// Forgets a watch.
    pub(crate) fn remove(&self, watch: i32) {
        if let Some(inotify) = &self.inotify {
            // It may be gone with its directory.
            let _ = remove_watch(inotify, watch);
        }
    }

    /// Hands over what happened, at most until `events_max` were seen; whether nothing is left.
    pub(crate) fn drain(
        inotify: &OwnedFd,
        buffer: &mut [MaybeUninit<u8>],
        events_max: usize,
        mut each: impl FnMut(i32, ReadFlags, u32, &[u8]),
    ) -> bool {
        let mut reader = Reader::new(inotify, buffer);
        let mut seen = 0;
        // An event that was read from the kernel must not be dropped.
        while seen < events_max || !reader.is_buffer_empty() {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(std::ffi::CStr::to_bytes).unwrap_or_default();
                    each(event.wd(), event.events(), event.cookie(), name);
                    seen += 1;
                }
                Err(Errno::INTR) => {}
                Err(_) => return true,
            }
        }
        false
    }

    /// Lends what [`Watch::drain`] needs, so that the tailer can change while it drains.
    pub(crate) fn lend(&mut self) -> Option<(Arc<OwnedFd>, Vec<MaybeUninit<u8>>)> {
        Some((Arc::clone(self.inotify.as_ref()?), std::mem::take(&mut self.buffer)))
    }

    /// Takes the buffer back.
    pub(crate) fn give_back(&mut self, buffer: Vec<MaybeUninit<u8>>) {
        self.buffer = buffer;
    }

    /// Waits for an event or the waker.
    pub(crate) fn wait(&self, timeout: Duration) -> Woken {
        self.poll(timeout, self.inotify.as_deref())
    }

    /// Waits for the waker alone.
    pub(crate) fn wait_for_waker(&self, timeout: Duration) -> Woken {
        self.poll(timeout, None)
    }

    fn poll(&self, timeout: Duration, inotify: Option<&OwnedFd>) -> Woken {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let waker = PollFd::new(&*self.waker.0, PollFlags::IN);
        let (mut alone, mut both);
        let fds: &mut [PollFd<'_>] = match inotify {
            None => {
                alone = [waker];
                &mut alone
            }
            Some(inotify) => {
                both = [waker, PollFd::new(inotify, PollFlags::IN)];
                &mut both
            }
        };
        if poll(fds, Some(&timeout)).is_err() {
            return Woken::Timeout;
        }
        let happened = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        if happened(0) {
            let mut count = [0_u8; 8];
            let _ = rustix::io::read(&self.waker.0, &mut count);
            return Woken::Waker;
        }
        if happened(1) { Woken::Events } else { Woken::Timeout }
    }
}
