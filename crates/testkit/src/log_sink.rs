//! A server that takes log records and counts them: the sink of tests and of `cargo xtask bench
//! logs`.
//!
//! A record may carry `seq=N;t=MICROSECONDS;` somewhere in its text: its number, and when it was
//! written. The sink looks for that in whatever is posted to it, so it counts the same for every
//! protocol and every agent: OTLP, Loki, JSON lines. When it is told to keep them, it reads the
//! records themselves ([`Received`]). Bodies may be gzip or zstd.
//!
//! Input: `POST` to any path, over HTTP/1.1, or over HTTP/2 as gRPC; plain, with TLS, or with TLS
//! and certificates of clients. Output: [`Stats`], also as JSON at `GET /stats`. `POST /down` makes
//! it answer 503 until `POST /up`; `POST /reset` forgets what was counted. How requests are
//! answered can be decided by the test ([`Reply`]). Limits: a body of [`BODY_BYTES_MAX`] unpacked,
//! numbers up to [`SEQUENCE_MAX`].

mod answer;
mod records;

pub use records::Received;

use crate::certificates::Authority;
use crate::serve::{Handler, LOOPBACK, Serve, Speech};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Largest body, unpacked.
pub const BODY_BYTES_MAX: u64 = 64 << 20;
/// Largest number of a record.
pub const SEQUENCE_MAX: usize = 1 << 28;
/// What stands before a record's number, and before its time.
const MARKS: [&[u8]; 2] = [b"seq=", b";t="];
/// Latencies are counted in steps of a twentieth, from 1 µs up.
const LATENCY_STEPS: usize = 512;

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Records, each as often as it came.
    pub records: u64,
    /// Different numbers.
    pub distinct: u64,
    /// The highest number, and 1; 0 before the first record.
    pub end: u64,
    /// Requests that were accepted.
    pub requests: u64,
    /// Requests that were answered with 503.
    pub refused: u64,
    /// Bytes of accepted bodies as they came.
    pub wire_bytes: u64,
    /// Bytes of accepted bodies unpacked.
    pub bytes: u64,
    /// Half of the records came within so many microseconds.
    pub p50_micros: u64,
    /// Of a hundred records 99 came within so many microseconds.
    pub p99_micros: u64,
}

#[derive(Debug)]
struct Counts {
    stats: Stats,
    /// One bit for each number.
    seen: Vec<u64>,
    latencies: Vec<u64>,
    down: bool,
    /// How often each body came.
    bodies: BTreeMap<String, usize>,
    records: Vec<Received>,
    /// Requests with records, whatever the answer was.
    asked: usize,
}

impl Default for Counts {
    fn default() -> Self {
        let latencies = vec![0; LATENCY_STEPS];
        Self {
            stats: Stats::default(),
            seen: Vec::new(),
            latencies,
            down: false,
            bodies: BTreeMap::new(),
            records: Vec::new(),
            asked: 0,
        }
    }
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The records are taken.
    Take,
    /// A status of HTTP; nothing is taken.
    Status(u16),
    /// A status of HTTP with words; nothing is taken.
    Said(u16, &'static str),
    /// A status of gRPC; nothing is taken unless it is 0.
    Grpc(u32),
    /// The records are taken, and over gRPC this is the answer, with its prefix.
    Framed(&'static [u8]),
    /// These bytes, and then the connection is closed; nothing is taken.
    Raw(&'static [u8]),
    /// The records are taken, and the connection is closed without an answer.
    TakeInSilence,
}

/// Decides how a request is answered, by its number from 0 and the bodies of its records.
pub type Answers = Arc<dyn Fn(usize, &[String]) -> Reply + Send + Sync>;

/// What of the records is kept beside the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Keep {
    /// Nothing: their numbers count.
    #[default]
    Numbers,
    /// How often each body came.
    Bodies,
    /// All of each record, too.
    Records,
}

/// How clients reach a sink.
#[derive(Clone, Copy, Default)]
pub enum Way<'a> {
    /// Without TLS.
    #[default]
    Plain,
    /// With a certificate of this authority for `localhost` and `127.0.0.1`.
    Tls(&'a Authority),
    /// The same, and clients need a certificate of the second one.
    MutualTls(&'a Authority, &'a Authority),
}

/// What a sink is like.
#[derive(Clone, Default)]
pub struct LogSinkOptions<'a> {
    /// HTTP/2 and the answers of gRPC.
    pub grpc: bool,
    /// How it is reached.
    pub way: Way<'a>,
    /// What is kept.
    pub keep: Keep,
    /// How requests are answered; each is taken when there is none.
    pub answers: Option<Answers>,
}

/// A running sink.
#[derive(Debug)]
pub struct LogSink {
    shared: Arc<Shared>,
    serve: Serve,
}

#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<Counts>,
    changed: Condvar,
}

impl LogSink {
    /// Listens on a free port of loopback and counts numbers.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn start() -> io::Result<Self> {
        Self::start_with(TcpListener::bind((LOOPBACK, 0))?, &LogSinkOptions::default())
    }

    /// Listens on a port that is open already.
    ///
    /// # Errors
    /// When it cannot be listened on, or there can be no certificate.
    pub fn start_with(listener: TcpListener, options: &LogSinkOptions<'_>) -> io::Result<Self> {
        Self::sharing(Arc::default(), listener, options)
    }

    /// Another way to the same counts: what comes there is counted here, too.
    ///
    /// # Errors
    /// When it cannot be listened on, or there can be no certificate.
    pub fn also(&self, listener: TcpListener, options: &LogSinkOptions<'_>) -> io::Result<Self> {
        Self::sharing(self.shared.clone(), listener, options)
    }

    fn sharing(
        shared: Arc<Shared>,
        listener: TcpListener,
        options: &LogSinkOptions<'_>,
    ) -> io::Result<Self> {
        let (state, answers) = (shared.clone(), options.answers.clone());
        let (keep, grpc) = (options.keep, options.grpc);
        let handler: Handler = Arc::new(move |request| {
            let desk = answer::Desk { shared: state.clone(), answers: answers.clone(), keep, grpc };
            Box::pin(async move { desk.answer(request).await })
        });
        let protocols: [&[u8]; 1] = [if grpc { b"h2" } else { b"http/1.1" }];
        let tls = match options.way {
            Way::Plain => None,
            Way::Tls(own) => Some(crate::tls::acceptor(own, None, &protocols)?),
            Way::MutualTls(own, clients) => {
                Some(crate::tls::acceptor(own, Some(clients), &protocols)?)
            }
        };
        let serve = Serve::start_with(listener, handler, Speech { tls, http2: grpc })?;
        Ok(Self { shared, serve })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.serve.address
    }

    /// Where it listens, without a path, when it has no TLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.serve.address)
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.shared.counts).summary()
    }

    /// How often each body came.
    #[must_use]
    pub fn bodies(&self) -> BTreeMap<String, usize> {
        lock(&self.shared.counts).bodies.clone()
    }

    /// Every record, in the order of their arrival.
    #[must_use]
    pub fn records(&self) -> Vec<Received> {
        lock(&self.shared.counts).records.clone()
    }

    /// Requests with records so far, whatever the answer was.
    #[must_use]
    pub fn requests(&self) -> usize {
        lock(&self.shared.counts).asked
    }

    /// Waits until so many different bodies came; false when they did not within `at_most`.
    #[must_use]
    pub fn until_bodies(&self, number: usize, at_most: Duration) -> bool {
        self.until(at_most, |counts| counts.bodies.len() >= number)
    }

    /// Waits until so many requests came; false when they did not within `at_most`.
    #[must_use]
    pub fn until_requests(&self, number: usize, at_most: Duration) -> bool {
        self.until(at_most, |counts| counts.asked >= number)
    }

    fn until(&self, at_most: Duration, well: impl Fn(&Counts) -> bool) -> bool {
        let counts = lock(&self.shared.counts);
        let waited = self.shared.changed.wait_timeout_while(counts, at_most, |now| !well(now));
        well(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

impl Counts {
    /// Counts the records in a text that came at `now`.
    fn count(&mut self, text: &[u8], now: u64) {
        self.stats.bytes += text.len() as u64;
        let finder = memchr::memmem::Finder::new(MARKS[0]);
        for found in finder.find_iter(text) {
            let rest = text.get(found + MARKS[0].len()..).unwrap_or_default();
            let (number, rest) = digits(rest);
            let Some(index) = number.and_then(|number| usize::try_from(number).ok()) else {
                continue;
            };
            if index < SEQUENCE_MAX {
                self.note(index);
                let time = rest.strip_prefix(MARKS[1]).and_then(|rest| digits(rest).0);
                self.wait(now.saturating_sub(time.unwrap_or(now)));
            }
        }
    }

    /// Keeps what a request brought.
    fn keep(&mut self, records: Vec<Received>, keep: Keep) {
        if keep >= Keep::Bodies {
            for record in &records {
                *self.bodies.entry(record.body.clone()).or_default() += 1;
            }
        }
        if keep >= Keep::Records {
            self.records.extend(records);
        }
    }

    fn note(&mut self, index: usize) {
        let (word, bit) = (index / 64, 1_u64 << (index % 64));
        if self.seen.len() <= word {
            self.seen.resize((word + 1).next_power_of_two(), 0);
        }
        self.stats.records += 1;
        if let Some(word) = self.seen.get_mut(word).filter(|word| **word & bit == 0) {
            *word |= bit;
            self.stats.distinct += 1;
        }
        self.stats.end = self.stats.end.max(index as u64 + 1);
    }

    fn wait(&mut self, micros: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a latency to a twentieth")]
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 900")]
        let step = ((micros.max(1) as f64).ln() * 20.0) as usize;
        if let Some(count) = self.latencies.get_mut(step.min(LATENCY_STEPS - 1)) {
            *count += 1;
        }
    }

    fn summary(&self) -> Stats {
        let at = |share: u64| {
            let wanted = self.stats.records * share / 100;
            let mut sum = 0;
            let step = self.latencies.iter().position(|count| {
                sum += count;
                sum >= wanted
            });
            #[expect(clippy::cast_precision_loss, reason = "a step below 512")]
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
            step.map_or(0, |step| ((step as f64 + 1.0) / 20.0).exp() as u64)
        };
        let mut stats = self.stats.clone();
        if stats.records > 0 {
            (stats.p50_micros, stats.p99_micros) = (at(50), at(99));
        }
        stats
    }
}

/// The number that a text begins with, and what follows it.
fn digits(text: &[u8]) -> (Option<u64>, &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    (number, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_once_each_and_again_when_they_come_again() {
        let mut counts = Counts::default();
        counts.count(b"..seq=0;t=90;..seq=7;t=100;..seq=7;t=100;..seq=x", 1_000);
        let stats = counts.summary();
        assert_eq!((stats.records, stats.distinct, stats.end), (3, 2, 8));
        assert!(stats.p50_micros >= 800 && stats.p99_micros <= 1_000, "{stats:?}");
    }
}
