//! A server that counts log records by the numbers that are written in them.
//!
//! A record carries `seq=N;t=MICROSECONDS;` somewhere in its text: its number, and when it was
//! written. The sink looks for that in whatever is posted to it, so it counts the same for every
//! protocol and every agent: OTLP, Loki, JSON lines. Bodies may be gzip or zstd.
//!
//! Input: `POST` to any path. Output: [`Stats`], also as JSON at `GET /stats`. `POST /down` makes
//! it answer 503 until `POST /up`; `POST /reset` forgets what was counted. Limits: a body of
//! [`BODY_BYTES_MAX`] unpacked, numbers up to [`SEQUENCE_MAX`].

use crate::serve::{Answer, Cut, Handler, LOOPBACK, Serve, full_body, plain};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

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
}

impl Default for Counts {
    fn default() -> Self {
        let latencies = vec![0; LATENCY_STEPS];
        Self { stats: Stats::default(), seen: Vec::new(), latencies, down: false }
    }
}

/// A running sink.
#[derive(Debug)]
pub struct LogSink {
    counts: Arc<Mutex<Counts>>,
    serve: Serve,
}

impl LogSink {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn start() -> io::Result<Self> {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let for_requests = counts.clone();
        let handler: Handler = Arc::new(move |request| {
            let counts = for_requests.clone();
            Box::pin(async move { answer(&counts, request).await })
        });
        Ok(Self { counts, serve: Serve::start_on(LOOPBACK, handler, None)? })
    }

    /// Where it listens, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.serve.address)
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.counts).summary()
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(counts: &Mutex<Counts>, request: Request<Incoming>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match (method.as_str(), path.as_str()) {
        ("GET", "/stats") => {
            let stats = serde_json::to_vec(&lock(counts).summary()).unwrap_or_default();
            return Ok(Response::new(full_body(stats)));
        }
        ("POST", "/reset") => {
            *lock(counts) = Counts::default();
            return Ok(plain(200, ""));
        }
        ("POST", "/down" | "/up") => {
            lock(counts).down = path == "/down";
            return Ok(plain(200, ""));
        }
        _ => {}
    }
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let (encoding, kind) = (header("content-encoding"), header("content-type"));
    let body = request.into_body().collect().await.map_err(|_| Cut)?.to_bytes();
    let mut counts = lock(counts);
    if counts.down {
        counts.stats.refused += 1;
        return Ok(plain(503, "down"));
    }
    let Some(text) = unpacked(&body, encoding.as_deref()) else {
        return Ok(plain(400, "the body cannot be unpacked"));
    };
    counts.stats.requests += 1;
    counts.stats.wire_bytes += body.len() as u64;
    counts.count(&text, micros_now());
    // The empty message is a whole OTLP answer; `{}` is one in JSON.
    let json = kind.is_some_and(|kind| kind.contains("json"));
    let mut response = plain(200, if json { "{}" } else { "" });
    let kind = if json { "application/json" } else { "application/x-protobuf" };
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
    Ok(response)
}

fn micros_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The body as it was before it was packed.
fn unpacked<'a>(body: &'a [u8], encoding: Option<&str>) -> Option<std::borrow::Cow<'a, [u8]>> {
    let read = |reader: &mut dyn Read| {
        let mut bytes = Vec::new();
        reader.take(BODY_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes.into())
    };
    match encoding {
        None | Some("" | "identity") => Some(body.into()),
        Some("gzip") => read(&mut flate2::read::MultiGzDecoder::new(body)),
        Some("zstd") => read(&mut zstd::stream::read::Decoder::new(body).ok()?),
        Some(_) => None,
    }
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

    #[test]
    fn packed_bodies_are_unpacked_and_unknown_ones_refused() {
        let packed = zstd::encode_all(b"seq=1;".as_slice(), 1).unwrap();
        assert_eq!(unpacked(&packed, Some("zstd")).unwrap().as_ref(), b"seq=1;");
        assert_eq!(unpacked(b"a", None).unwrap().as_ref(), b"a");
        assert_eq!(unpacked(b"a", Some("br")), None);
        assert_eq!(unpacked(b"a", Some("gzip")), None);
    }
}
