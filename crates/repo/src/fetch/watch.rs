//! Waiting for a server without waiting for ever: every wait ends when the caller cancels or when
//! nothing came for too long.

use super::ssh::Stream;
use crate::RepoError;
use crate::connections::Body;
use hyper::body::Bytes;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// What ends a wait.
#[derive(Clone)]
pub(super) struct Watch<'a> {
    pub(super) cancel: &'a AtomicBool,
    pub(super) stall_timeout: Duration,
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
            self.check_stall(start)?;
        }
    }

    /// Whether nothing has come for too long.
    pub(super) fn check_stall(&self, start: Instant) -> io::Result<()> {
        let after = self.stall_timeout;
        if start.elapsed() >= after {
            return Err(self.failure.keep(RepoError::Stalled { url: self.url.clone(), after }));
        }
        Ok(())
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
        let chunk = match &mut self.source {
            Source::Ssh(stream) => return stream.next(&self.watch),
            Source::Http(body) => {
                let chunk = self.watch.next(&body.chunks)?;
                body.taken();
                chunk
            }
        };
        Ok(chunk.transpose()?.unwrap_or_default())
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
