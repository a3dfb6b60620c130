//! When a batch is due, what an answer means, how long to wait, which part of it to send next.
//!
//! All of it as decisions on plain values: the clock, the answers and the random numbers come from
//! the caller. Nothing here ever decides to throw a record away but one that a sink refuses when
//! it is sent alone.

pub mod bisect;

pub use bisect::{Bisect, Outcome, Verdict};

use std::time::Duration;

/// Longest pause that a receiver can ask for; more is cut to it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// How large and how old a batch becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPolicy {
    /// Most records.
    pub records_max: usize,
    /// Bytes at which it is sent.
    pub bytes_max: usize,
    /// Longest time that a record waits in it, in nanoseconds.
    pub age_max_ns: u64,
}

/// Why a batch is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It has as many records as it may.
    Records,
    /// It has as many bytes as it may.
    Bytes,
    /// Its oldest record has waited long enough.
    Age,
}

impl BatchPolicy {
    /// Whether a batch should be sent whose first record came at `since_ns`.
    #[must_use]
    pub const fn due(
        &self,
        records: usize,
        bytes: usize,
        since_ns: u64,
        now_ns: u64,
    ) -> Option<Due> {
        if records == 0 {
            return None;
        }
        if records >= self.records_max {
            return Some(Due::Records);
        }
        if bytes >= self.bytes_max {
            return Some(Due::Bytes);
        }
        if now_ns.saturating_sub(since_ns) >= self.age_max_ns { Some(Due::Age) } else { None }
    }

    /// How long until a batch that is not full is due.
    #[must_use]
    pub const fn wait_ns(&self, since_ns: u64, now_ns: u64) -> u64 {
        self.age_max_ns.saturating_sub(now_ns.saturating_sub(since_ns))
    }
}

/// What an answer means for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// It was taken. What a partial success says is counted and never sent again.
    Accepted,
    /// Try the same again; the receiver may have said after which pause.
    Retry {
        /// The pause that was asked for.
        after: Option<Duration>,
    },
    /// A record in it is not acceptable: look for it with [`Bisect`].
    Poisoned,
    /// It is too large: halve it.
    TooLarge,
    /// A failure with words about a size, which may be of something else: pause, then halve it. A
    /// record alone is sent again until it is taken.
    PerhapsTooLarge,
    /// Too much was sent of late, or this is too large, and the receiver does not say which: pause,
    /// and when that does not help send less at once. A record alone is sent again until it is
    /// taken.
    Exhausted,
    /// We may not send there. Nothing is wrong with the batch: keep it, try again slowly, and say
    /// it loudly.
    Denied,
    /// The address or the protocol is wrong. As [`Class::Denied`]: a mistake in the configuration
    /// must not cost records.
    Misdirected,
}

/// The class of an HTTP status. `retry_after` is the pause in the header of that name, `said` what
/// the receiver said.
#[must_use]
pub fn classify_http(status: u16, retry_after: Option<Duration>, said: &str) -> Class {
    let after = retry_after.map(|pause| pause.min(RETRY_AFTER_MAX));
    match status {
        200..=299 => Class::Accepted,
        400 | 422 => Class::Poisoned,
        401 | 403 | 407 => Class::Denied,
        413 => Class::TooLarge,
        // Loki says with 500 what gRPC says to it.
        429 | 500..=599 if after.is_none() && is_of_size(said) => Class::PerhapsTooLarge,
        // A limit of rate, which for a burst may be less than this.
        429 if after.is_none() => Class::Exhausted,
        408 | 425 | 429 | 500..=599 => Class::Retry { after },
        _ => Class::Misdirected,
    }
}

/// Parts of what the libraries of gRPC say of a message over the receiver's limit: those in Go, C,
/// Java, .NET, Rust and for Node.
const SIZE_WORDS: [&str; 5] =
    ["larger than max", "exceeds maximum size", "message size", "too large", "decompress"];

fn is_of_size(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    SIZE_WORDS.iter().any(|words| said.contains(words))
}

/// The class of a gRPC status code. `retry_after` is the pause in a `RetryInfo`, `message` what the
/// receiver said.
#[must_use]
pub fn classify_grpc(code: u32, retry_after: Option<Duration>, message: &str) -> Class {
    let after = retry_after.map(|pause| pause.min(RETRY_AFTER_MAX));
    match code {
        0 => Class::Accepted,
        // INVALID_ARGUMENT is the answer to a bad record.
        3 => Class::Poisoned,
        // PERMISSION_DENIED, UNAUTHENTICATED.
        7 | 16 => Class::Denied,
        // NOT_FOUND, UNIMPLEMENTED.
        5 | 12 => Class::Misdirected,
        // RESOURCE_EXHAUSTED, and from receivers in Rust OUT_OF_RANGE, is what a message over the
        // limit gets, which will not pass when it is sent again as it is. A limit of rate that asks
        // for no pause gets the former, too.
        8 | 11 if after.is_none() && is_of_size(message) => Class::TooLarge,
        8 | 11 if after.is_none() => Class::Exhausted,
        // OTLP calls some of these final (UNKNOWN, INTERNAL). We hold the only copy that is on its
        // way, so we try again.
        _ => Class::Retry { after },
    }
}

/// The pause in a `Retry-After` header that gives seconds; dates are for the caller, who has a
/// clock.
#[must_use]
pub fn retry_after_seconds(header: &str) -> Option<Duration> {
    let digits = header.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number that is too long is a very long pause.
    let seconds = digits.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_MAX.as_secs())))
}

/// How pauses between tries grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

/// The pauses of one sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    policy: BackoffPolicy,
    tries: u32,
}

impl Backoff {
    /// Nothing has failed yet.
    #[must_use]
    pub const fn new(policy: BackoffPolicy) -> Self {
        Self { policy, tries: 0 }
    }

    /// The pause after a failure. It doubles up to the longest; between half and all of it is
    /// taken, as `random` says, so that many agents do not come back at once. A pause that the
    /// receiver asked for is never cut short, and gets up to a quarter on top for the same reason.
    pub fn after_failure(&mut self, asked: Option<Duration>, random: u64) -> Duration {
        let doublings = self.tries.min(32);
        self.tries = self.tries.saturating_add(1);
        let grown = self.policy.first.saturating_mul(1 << doublings.min(31)).min(self.policy.max);
        let half = grown / 2;
        let own = half + share(grown.saturating_sub(half), random);
        match asked {
            Some(asked) => own.max(asked + share(asked / 4, random)),
            None => own,
        }
    }

    /// Something worked: the next pause is the first again.
    pub const fn succeeded(&mut self) {
        self.tries = 0;
    }

    /// How many failures there were since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.tries
    }
}

/// A random part of a duration.
fn share(of: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(random)) >> u64::BITS;
    Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
}

#[cfg(test)]
mod tests;
