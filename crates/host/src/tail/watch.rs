//! Events of directories, and the wait for them.
//!
//! Two inotify instances with one watch per directory each: one tells of names (made, moved,
//! deleted), the other of writes. So a caller that has read everything can rest while files grow
//! and still hears at once of a file that may soon be gone. A third one watches the ways to bases.
//! When there are no instances to be had, every directory is refused and the tailer polls. A
//! [`Waker`] ends the wait from another thread.

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

/// What happens to the names in a directory.
const OF_NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR);

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

/// What happened to names, and to what is behind them.
pub(crate) struct Queues {
    pub(crate) names: OwnedFd,
    pub(crate) writes: OwnedFd,
    pub(crate) ways: OwnedFd,
}

/// The two watches of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watches {
    pub(crate) names: i32,
    pub(crate) writes: i32,
}

/// The watches.
pub(crate) struct Watch {
    queues: Option<Arc<Queues>>,
    waker: Waker,
    buffer: Vec<MaybeUninit<u8>>,
}

impl Watch {
    pub(crate) fn new(inotify: bool) -> rustix::io::Result<(Self, Option<Errno>)> {
        let waker = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let (queues, error) = match inotify.then(Queues::new) {
            Some(Ok(queues)) => (Some(Arc::new(queues)), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let buffer = vec![MaybeUninit::uninit(); EVENT_BYTES];
        Ok((Self { queues, waker: Waker(Arc::new(waker)), buffer }, error))
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Watches the writes in a directory; the number of the watch.
    pub(crate) fn add_writes(&self, directory: &Path) -> Result<i32, Errno> {
        let queues = self.queues.as_ref().ok_or(Errno::NOSYS)?;
        add_watch(&queues.writes, directory, WatchFlags::MODIFY | WatchFlags::ONLYDIR)
    }

    /// Forgets the watch of a directory's writes.
    pub(crate) fn remove_writes(&self, watches: Watches) {
        if let Some(queues) = &self.queues {
            let _ = remove_watch(&queues.writes, watches.writes);
        }
    }

    /// Watches a directory; the numbers of its watches.
    pub(crate) fn add(&self, directory: &Path) -> Result<Watches, Errno> {
        let queues = self.queues.as_ref().ok_or(Errno::NOSYS)?;
        let writes = self.add_writes(directory)?;
        let names = add_watch(&queues.names, directory, OF_NAMES | WatchFlags::ATTRIB);
        if names.is_err() {
            let _ = remove_watch(&queues.writes, writes);
        }
        Ok(Watches { names: names?, writes })
    }

    /// Forgets the watches of a directory.
    pub(crate) fn remove(&self, watches: Watches) {
        if let Some(queues) = &self.queues {
            // They may be gone with their directory.
            let _ = remove_watch(&queues.writes, watches.writes);
            let _ = remove_watch(&queues.names, watches.names);
        }
    }

    /// Watches a directory that a way goes through; the number of the watch.
    pub(crate) fn add_way(&self, directory: &Path) -> Result<i32, Errno> {
        let queues = self.queues.as_ref().ok_or(Errno::NOSYS)?;
        add_watch(&queues.ways, directory, OF_NAMES | WatchFlags::DONT_FOLLOW)
    }

    /// Forgets such a watch.
    pub(crate) fn remove_way(&self, number: i32) {
        if let Some(queues) = &self.queues {
            let _ = remove_watch(&queues.ways, number);
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
    pub(crate) fn lend(&mut self) -> Option<(Arc<Queues>, Vec<MaybeUninit<u8>>)> {
        Some((Arc::clone(self.queues.as_ref()?), std::mem::take(&mut self.buffer)))
    }

    /// Takes the buffer back.
    pub(crate) fn give_back(&mut self, buffer: Vec<MaybeUninit<u8>>) {
        self.buffer = buffer;
    }

    /// Waits for an event or the waker; nothing when only ways have something to tell.
    pub(crate) fn wait(&self, timeout: Duration) -> Option<Woken> {
        match self.queues.as_deref() {
            Some(queues) => self.poll(timeout, &[&queues.ways, &queues.names, &queues.writes]),
            None => self.poll(timeout, &[]),
        }
    }

    /// Waits for an event of names or the waker, in the same way.
    pub(crate) fn wait_for_names(&self, timeout: Duration) -> Option<Woken> {
        match self.queues.as_deref() {
            Some(queues) => self.poll(timeout, &[&queues.ways, &queues.names]),
            None => self.poll(timeout, &[]),
        }
    }

    /// Waits for the waker alone.
    pub(crate) fn wait_for_waker(&self, timeout: Duration) -> Woken {
        self.poll(timeout, &[]).unwrap_or(Woken::Timeout)
    }

    /// Waits for the waker, or for one of at most three queues, of which the first is of ways.
    fn poll(&self, timeout: Duration, queues: &[&OwnedFd]) -> Option<Woken> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let of = |fd| PollFd::new(fd, PollFlags::IN);
        let waker = &*self.waker.0;
        let mut all = [waker, waker, waker, waker].map(of);
        for (place, queue) in all.iter_mut().skip(1).zip(queues) {
            *place = of(*queue);
        }
        let fds = all.get_mut(..=queues.len()).unwrap_or_default();
        if poll(fds, Some(&timeout)).is_err() {
            return Some(Woken::Timeout);
        }
        let happened = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        if happened(0) {
            let mut count = [0_u8; 8];
            let _ = rustix::io::read(&self.waker.0, &mut count);
            return Some(Woken::Waker);
        }
        if happened(2) || happened(3) {
            return Some(Woken::Events);
        }
        (!happened(1)).then_some(Woken::Timeout)
    }
}

impl Queues {
    fn new() -> rustix::io::Result<Self> {
        let queue = || init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        Ok(Self { names: queue()?, writes: queue()?, ways: queue()? })
    }
}
