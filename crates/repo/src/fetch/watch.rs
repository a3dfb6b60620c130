//! Waiting for a server without waiting for ever: every wait ends when the caller cancels, when
//! nothing came for too long, or when a server that sends a byte now and then has used up the
//! patience for one conversation.

use super::ssh::Stream;
use crate::RepoError;
use crate::connections::Body;
use crate::limits::Limits;
use hyper::body::Bytes;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a wait looks at the caller's wish to stop.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// Bytes after the last one that means something, before a connection is given up.
const TRAILING_BYTES_MAX: usize = 4096;

/// How long the end of an answer may take after the last byte that means something.
const TRAILING_WAIT: Duration = Duration::from_millis(250);

/// The first failure of a conversation, kept here because the protocol code in between flattens
/// what it is told.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<RepoError>>>);

impl Failure {
    /// Keeps the first failure, and gives an error for the code in between.
    pub(super) fn keep(&self, error: RepoError) -> io::Error {
        let text = error.to_string();
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        io::Error::other(text)
    }

    pub(super) fn take(&self) -> Option<RepoError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How long one conversation has waited for its server, and for how much. What we do with the
/// bytes costs the server nothing, however slow this machine is.
#[derive(Clone)]
pub(super) struct Pace {
    patience: Duration,
    bytes_per_second: u64,
    waited_micros: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            patience: limits.patience,
            bytes_per_second: limits.bytes_per_second.max(1),
            waited_micros: Arc::default(),
            bytes: Arc::default(),
        }
    }

    /// For a wait for something else than a server.
    pub(super) fn endless() -> Self {
        Self::new(&Limits { patience: Duration::MAX, ..Limits::default() })
    }

    /// Counts what came, and the wait for it.
    fn came(&self, waited: Duration, bytes: usize) {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.waited_micros.fetch_add(micros, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The bytes so far and the time that they took, if that is too long. `waiting` is a wait
    /// that is not over.
    fn too_slow(&self, waiting: Duration) -> Option<(u64, Duration)> {
        let waited = Duration::from_micros(self.waited_micros.load(Ordering::Relaxed));
        let waited = waited.saturating_add(waiting);
        let bytes = self.bytes.load(Ordering::Relaxed);
        let earned = Duration::from_secs(bytes / self.bytes_per_second);
        let allowed = self.patience.saturating_add(earned);
        (waited > allowed).then_some((bytes, waited))
    }
}

/// What ends a wait.
#[derive(Clone)]
pub(super) struct Watch<'a> {
    pub(super) cancel: &'a AtomicBool,
    pub(super) stall_timeout: Duration,
    pub(super) pace: Pace,
    /// The URL without credentials.
    pub(super) url: String,
    pub(super) failure: Failure,
}

impl Watch<'_> {
    /// The next value; `None` when the other side is done.
    pub(super) fn next<T>(&self, values: &Receiver<T>) -> io::Result<Option<T>> {
        let start = Instant::now();
        loop {
            match values.recv_timeout(LOOK_INTERVAL) {
                Ok(value) => return Ok(Some(value)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.check_cancel()?;
            self.check_time(start)?;
        }
    }

    /// Whether nothing has come for too long, or too little.
    pub(super) fn check_time(&self, start: Instant) -> io::Result<()> {
        let (after, waiting) = (self.stall_timeout, start.elapsed());
        if waiting >= after {
            return Err(self.failure.keep(RepoError::Stalled { url: self.url.clone(), after }));
        }
        self.check_pace(waiting)
    }

    fn check_pace(&self, waiting: Duration) -> io::Result<()> {
        match self.pace.too_slow(waiting) {
            Some((bytes, after)) => {
                let url = self.url.clone();
                Err(self.failure.keep(RepoError::TooSlow { url, bytes, after }))
            }
            None => Ok(()),
        }
    }

    pub(super) fn check_cancel(&self) -> io::Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(self.failure.keep(RepoError::Cancelled { url: self.url.clone() }));
        }
        Ok(())
    }
}

/// Bytes that come from a server.
pub(super) struct Incoming<'a> {
    watch: Watch<'a>,
    source: Source,
    current: Bytes,
    at: usize,
}

/// Where the bytes come from.
pub(super) enum Source {
    /// The channel of a command.
    Ssh(Box<Stream>),
    /// The body of an answer.
    Http(Body),
}

impl<'a> Incoming<'a> {
    pub(super) fn new(watch: Watch<'a>, source: Source) -> Self {
        Self { watch, source, current: Bytes::new(), at: 0 }
    }

    /// Takes what is left of an answer that has said all it means, so that its connection can be
    /// used again. Too much of it, or too late, costs the connection.
    pub(super) fn finish(&mut self) {
        let Source::Http(body) = &self.source else { return };
        self.current.clear();
        let mut left = TRAILING_BYTES_MAX;
        while let Ok(Ok(chunk)) = body.chunks.recv_timeout(TRAILING_WAIT) {
            if chunk.len() > left {
                return;
            }
            left -= chunk.len();
            body.taken();
        }
    }

    /// Does something with the channel of a command, where it is one.
    pub(super) fn with_ssh<R>(
        &mut self,
        act: impl FnOnce(&mut Stream, &Watch<'_>) -> R,
    ) -> Option<R> {
        match &mut self.source {
            Source::Ssh(stream) => Some(act(stream, &self.watch)),
            Source::Http(_) => None,
        }
    }

    /// The channel of a command, where it is one.
    pub(super) fn into_ssh(self) -> Option<Box<Stream>> {
        match self.source {
            Source::Ssh(stream) => Some(stream),
            Source::Http(_) => None,
        }
    }

    fn next(&mut self) -> io::Result<Bytes> {
        let start = Instant::now();
        let chunk = match &mut self.source {
            Source::Ssh(stream) => stream.next(&self.watch)?,
            Source::Http(body) => {
                let chunk = self.watch.next(&body.chunks)?;
                body.taken();
                chunk.transpose()?.unwrap_or_default()
            }
        };
        self.watch.pace.came(start.elapsed(), chunk.len());
        self.watch.check_pace(Duration::ZERO)?;
        Ok(chunk)
    }
}

impl io::BufRead for Incoming<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.current.len() {
            self.at = 0;
            self.current = self.next()?;
        }
        Ok(self.current.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl io::Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = io::BufRead::fill_buf(self)?;
        let count = available.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), available.get(..count)) {
            to.copy_from_slice(from);
        }
        io::BufRead::consume(self, count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_its_patience_and_a_second_for_each_so_many_bytes() {
        let second = Duration::from_secs(1);
        let limits = Limits { patience: 10 * second, bytes_per_second: 1000, ..Limits::default() };
        let pace = Pace::new(&limits);
        assert_eq!(pace.too_slow(10 * second), None);
        assert_eq!(pace.too_slow(11 * second), Some((0, 11 * second)));
        pace.came(10 * second, 999);
        assert!(pace.too_slow(Duration::ZERO).is_none() && pace.too_slow(second).is_some());
        pace.came(Duration::ZERO, 1);
        assert_eq!(pace.too_slow(second), None);
        // Another conversation begins anew; a copy of the watch does not.
        assert_eq!(Pace::new(&limits).too_slow(10 * second), None);
        pace.clone().came(second + Duration::from_micros(1), 0);
        assert!(pace.too_slow(Duration::ZERO).is_some());
        let endless = Pace::endless();
        endless.came(Duration::from_secs(1 << 40), usize::MAX);
        assert_eq!(endless.too_slow(Duration::from_secs(1 << 40)), None);
        // A limit of no bytes at all leaves the patience alone.
        let none = Pace::new(&Limits { bytes_per_second: 0, ..limits });
        none.came(11 * second, 0);
        assert!(none.too_slow(Duration::ZERO).is_some());
    }
}
