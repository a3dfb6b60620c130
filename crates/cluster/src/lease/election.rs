//! The decisions of leader election, without I/O: time comes in as an argument.

use crate::timestamp::micros_text;
use objects::Object;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime};

/// How long a lease is promised for.
const LEASE_SECONDS: u64 = 15;
/// How long after its last renewal a leader acts.
const RENEW_DEADLINE_SECONDS: u64 = 10;
/// How often a candidate looks and a leader renews.
const RETRY_SECONDS: u64 = 2;

/// The three times of an election: `retry_period < renew_deadline < duration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimes {
    pub(super) duration: Duration,
    pub(super) renew_deadline: Duration,
    pub(super) retry_period: Duration,
}

/// Times with which two leaders, or none, would be possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("lease times must grow from retry over renewal to whole seconds of duration")]
pub struct LeaseTimesError;

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(LEASE_SECONDS),
            renew_deadline: Duration::from_secs(RENEW_DEADLINE_SECONDS),
            retry_period: Duration::from_secs(RETRY_SECONDS),
        }
    }
}

impl LeaseTimes {
    /// Times of your own. The duration is in whole seconds, because the API stores it so.
    ///
    /// # Errors
    /// [`LeaseTimesError`] unless `retry_period * 1.2 < renew_deadline < duration`.
    pub fn new(
        duration_seconds: u32,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, LeaseTimesError> {
        let duration = Duration::from_secs(u64::from(duration_seconds));
        let ordered = retry_period.saturating_mul(6) < renew_deadline.saturating_mul(5)
            && renew_deadline < duration
            && !retry_period.is_zero();
        if !ordered {
            return Err(LeaseTimesError);
        }
        Ok(Self { duration, renew_deadline, retry_period })
    }
}

/// The clocks of this machine at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) monotonic: Instant,
    /// Goes on while the machine sleeps, and does not jump.
    pub(super) since_boot: Duration,
    /// Only to be written down.
    pub(super) wall: SystemTime,
}

/// The Lease as stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    pub(super) holder: String,
    pub(super) duration: Duration,
    pub(super) transitions: i64,
    pub(super) acquired: String,
    pub(super) version: String,
}

impl Record {
    pub(super) fn from_object(object: &Object) -> Self {
        let text = |key| object.str_at(&["spec", key]).unwrap_or_default().to_owned();
        let number = |key| object.at(&["spec", key]).and_then(Value::as_i64).unwrap_or_default();
        let seconds = u64::try_from(number("leaseDurationSeconds")).unwrap_or_default();
        Self {
            holder: text("holderIdentity"),
            duration: Duration::from_secs(seconds),
            transitions: number("leaseTransitions"),
            acquired: text("acquireTime"),
            version: object.resource_version().unwrap_or_default().to_owned(),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// Somebody else holds it.
    Stand,
    /// There is no Lease.
    Create(Value),
    /// Take or renew, if the stored version is still this one.
    Update { spec: Value, version: String },
}

/// One candidate's knowledge.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    times: LeaseTimes,
    /// The record and since when, on our monotonic clock, we have seen exactly it.
    seen: Option<(Record, Instant)>,
    /// Start of the last renewal that succeeded, while we lead.
    renewed: Option<Reading>,
}

impl Election {
    pub(super) fn new(identity: &str, times: LeaseTimes) -> Self {
        Self { identity: identity.to_owned(), times, seen: None, renewed: None }
    }

    /// The Lease was read.
    pub(super) fn observe(&mut self, now: Reading, record: Option<&Record>) {
        match (record, &self.seen) {
            (Some(record), Some((known, _))) if known.version == record.version => {}
            (Some(record), _) => {
                if record.holder != self.identity {
                    self.renewed = None;
                }
                self.seen = Some((record.clone(), now.monotonic));
            }
            (None, _) => {
                self.seen = None;
                self.renewed = None;
            }
        }
    }

    /// The Lease was told by a watch, which may be behind what we have read or written.
    pub(super) fn heard(&mut self, now: Reading, record: &Record) {
        let number = |record: &Record| record.version.parse::<u64>().ok();
        let known = self.seen.as_ref().map(|(known, _)| number(known));
        let newer = match known {
            None => true,
            Some(known) => known.zip(number(record)).is_some_and(|(known, new)| known < new),
        };
        if newer {
            self.observe(now, Some(record));
        }
    }

    /// What may be written now.
    pub(super) fn next(&self, now: Reading) -> Next {
        let Some((record, since)) = &self.seen else {
            return Next::Create(self.spec(now, 0, None));
        };
        let patience = self.patience(record);
        let ours = record.holder == self.identity;
        let free = record.holder.is_empty();
        let over = now.monotonic.saturating_duration_since(*since) > patience;
        if !(ours || free || over) {
            return Next::Stand;
        }
        // After a loss we are a new leader, even over our own record.
        let renewal = ours && self.leads(now);
        let spec = if renewal {
            self.spec(now, record.transitions, Some(&record.acquired))
        } else {
            self.spec(now, record.transitions.saturating_add(1), None)
        };
        Next::Update { spec, version: record.version.clone() }
    }

    /// A write that began at `started` succeeded and stored `record`.
    pub(super) fn written(&mut self, started: Reading, now: Reading, record: &Record) {
        self.seen = Some((record.clone(), now.monotonic));
        self.renewed = (record.holder == self.identity).then_some(started);
    }

    /// Whether acting is allowed.
    pub(super) fn leads(&self, now: Reading) -> bool {
        !self.remaining(now).is_zero()
    }

    /// How long acting is still allowed; the sleep of the machine counts, and what happens to the
    /// wall clock does not.
    pub(super) fn remaining(&self, now: Reading) -> Duration {
        let Some(start) = self.renewed else { return Duration::ZERO };
        let awake = now.monotonic.saturating_duration_since(start.monotonic);
        let all = now.since_boot.saturating_sub(start.since_boot);
        self.times.renew_deadline.saturating_sub(awake.max(all))
    }

    /// How long the lease of somebody else holds us up from now on, if it stays as it was seen
    /// last; none when nothing of the kind is known.
    pub(super) fn held_up(&self, now: Reading) -> Option<Duration> {
        let (record, since) = self.seen.as_ref()?;
        if record.holder.is_empty() || record.holder == self.identity {
            return None;
        }
        Some(self.patience(record).saturating_sub(now.monotonic.saturating_duration_since(*since)))
    }

    /// A holder's own promise counts, and never less than ours.
    fn patience(&self, record: &Record) -> Duration {
        record.duration.max(self.times.duration)
    }

    pub(super) fn fence(&self) -> i64 {
        self.seen.as_ref().map_or(0, |(record, _)| record.transitions)
    }

    /// Leadership ends; gives what to write when the Lease is still ours.
    pub(super) fn release(&mut self, now: Reading) -> Option<(Value, String)> {
        let led = self.renewed.take().is_some();
        let (record, _) = self.seen.as_ref()?;
        if !led || record.holder != self.identity {
            return None;
        }
        let spec = json!({
            "holderIdentity": "", "leaseDurationSeconds": 1,
            "renewTime": micros_text(now.wall), "leaseTransitions": record.transitions,
        });
        Some((spec, record.version.clone()))
    }

    fn spec(&self, now: Reading, transitions: i64, acquired: Option<&str>) -> Value {
        let time = micros_text(now.wall);
        json!({
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self.times.duration.as_secs(),
            "acquireTime": acquired.filter(|text| !text.is_empty()).unwrap_or(&time),
            "renewTime": time,
            "leaseTransitions": transitions,
        })
    }
}

#[cfg(test)]
mod tests;
