//! What the deliveries of one sink share: sending a batch until every record of it is taken, what
//! becomes of records that are refused, and the numbers of all that.

use super::transport::{self, Answer, Buffers, Compressor, Transport, Untimely};
use super::{Letterbox, Sealed, Swap};
use crate::config::{self, Format, Sink, SinkKind};
use crate::encode::Encoder;
use crate::numbers::{Failing, SinkNumbers};
use crate::say::Say;
use futures_util::StreamExt;
use pipeline::batch::{Backoff, BackoffPolicy, Bisect, Class, Outcome};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use store::{DeadLetter, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Records put aside in a row, with none taken between them, from which on the server may be wrong
/// and not the records; and how many more of them there are between two pauses then.
pub(crate) const PUT_ASIDE_RUN_MAX: u64 = 100;

/// Parts of a batch that are under way at once. Only a batch for Loki has more than one.
const PARTS_AT_ONCE: usize = 8;

/// Tries of the same records that a limit refuses, from which on it may be less than they are. Many
/// requests that are too small at once would make a limit of rate worse.
const LIMITED_MAX: u32 = 5;

/// Where records go now, and how.
pub(super) struct Current {
    pub(super) sink: Sink,
    transport: Transport,
    compressor: Compressor,
    backoff: BackoffPolicy,
    /// Fewest records that a limit refused [`LIMITED_MAX`] times. As many are halved when it
    /// refuses them once, until as many are taken.
    limited: Cell<usize>,
    /// Whether it was told that answers cannot be read.
    is_unread: Cell<bool>,
}

impl Current {
    pub(super) fn new(sink: Sink) -> Result<Self, String> {
        Ok(Self {
            transport: Transport::new(&sink.kind)?,
            compressor: Compressor::new(&sink.kind),
            backoff: BackoffPolicy {
                first: config::BACKOFF_FIRST,
                max: transport::backoff_max(&sink.kind),
            },
            limited: Cell::new(usize::MAX),
            is_unread: Cell::new(false),
            sink,
        })
    }
}

/// What the tries of one request of a batch share.
struct Tries {
    /// How it is called among what fails.
    this: Failing,
    /// Where the last one went.
    to: Rc<Current>,
    backoff: Backoff,
    /// Whether the last one began when the sink was about to end already.
    is_last_call: bool,
    /// What is sent in streams of its own, because Loki's have far later entries.
    apart: Option<Range<usize>>,
    /// How often a limit refused the same part, and nothing else happened.
    limited: u32,
    /// How many requests were taken when the first one of a row failed.
    taken: Option<u64>,
}

impl Tries {
    fn new(to: Rc<Current>, this: Failing) -> Self {
        let backoff = Backoff::new(to.backoff);
        Self { this, to, backoff, is_last_call: false, apart: None, limited: 0, taken: None }
    }

    /// Something worked: pauses begin anew.
    fn succeeded(&mut self) {
        self.backoff.succeeded();
        self.taken = None;
    }

    /// A limit refused so many records: whether half of them are sent next, with tries and pauses
    /// that begin anew.
    fn halves(&mut self, records: usize) -> bool {
        self.limited += 1;
        if self.limited >= LIMITED_MAX {
            self.to.limited.set(records);
        }
        let halves = records >= self.to.limited.get();
        if halves {
            self.limited = 0;
            self.succeeded();
        }
        halves
    }
}

/// What deliveries share.
pub(super) struct Desk {
    name: String,
    current: RefCell<Rc<Current>>,
    numbers: Arc<SinkNumbers>,
    letterbox: Arc<Letterbox>,
    swap: Arc<Swap>,
    last_call: CancellationToken,
    closed_output: CancellationToken,
    say: Say,
    /// Records put aside since the last one that was taken.
    run_of_refusals: Cell<u64>,
    /// How many of them there are when the next pause is.
    pause_at: Cell<u64>,
    /// Whether the dead letters may know of them, or of some of before the start.
    is_in_letters: Cell<bool>,
    random: Cell<u64>,
    /// How many requests were taken.
    taken: Cell<u64>,
    /// Woken with each of them.
    takes: Notify,
    spare: RefCell<Vec<Encoder>>,
    buffers: Buffers,
}

impl Desk {
    /// With nothing under way.
    pub(super) fn new(
        current: Current,
        numbers: Arc<SinkNumbers>,
        letterbox: Arc<Letterbox>,
        swap: Arc<Swap>,
        last_call: CancellationToken,
        closed_output: CancellationToken,
        say: Say,
    ) -> Self {
        Self {
            name: current.sink.name.clone(),
            current: RefCell::new(Rc::new(current)),
            numbers,
            letterbox,
            swap,
            last_call,
            closed_output,
            say,
            run_of_refusals: Cell::new(0),
            pause_at: Cell::new(PUT_ASIDE_RUN_MAX),
            is_in_letters: Cell::new(true),
            random: Cell::new(seed()),
            taken: Cell::new(0),
            takes: Notify::new(),
            spare: RefCell::default(),
            buffers: Buffers::default(),
        }
    }

    /// Where records go, as far as anybody has looked.
    pub(super) fn current(&self) -> Rc<Current> {
        self.current.borrow().clone()
    }

    /// Where records go now; a reload may have said otherwise.
    pub(super) fn now(&self) -> Rc<Current> {
        if let Some(next) = self.swap.take().and_then(|sink| Current::new(sink).ok()) {
            // Batches alone may be others, because sinks share the memory.
            let is_elsewhere = next.sink.kind != self.current.borrow().sink.kind;
            *self.current.borrow_mut() = Rc::new(next);
            if is_elsewhere {
                self.believe();
            }
            self.spare.borrow_mut().clear();
        }
        self.current()
    }

    pub(super) fn in_flight(&self) -> usize {
        transport::in_flight_max(&self.current.borrow().sink.kind)
    }

    pub(super) fn encoder(&self) -> Encoder {
        if let Some(spare) = self.spare.borrow_mut().pop() {
            return spare;
        }
        let sink = &self.current.borrow().sink;
        match &sink.kind {
            SinkKind::OtlpHttp(_) | SinkKind::OtlpGrpc(_) => Encoder::otlp(sink.batch),
            SinkKind::Loki(_, labels) => Encoder::loki(sink.batch, labels.clone()),
            SinkKind::File(file) => Encoder::lines(sink.batch, file.format),
            SinkKind::Stdout(members) => Encoder::lines(sink.batch, Format::Json(*members)),
        }
    }

    /// An encoder is used again, unless a reload has said otherwise since it was made.
    pub(super) fn give_back(&self, sealed: Sealed) {
        if !Rc::ptr_eq(&sealed.current, &*self.current.borrow()) {
            return;
        }
        // A body that was answered before it was sent may still be somewhere.
        let Some(mut encoder) = Arc::into_inner(sealed.encoder) else { return };
        encoder.clear();
        if self.spare.borrow().len() < self.in_flight() {
            self.spare.borrow_mut().push(encoder);
        }
    }

    pub(super) fn too_large(&self, slot: u32, bytes: u64) {
        self.numbers.oversize.add(1);
        self.numbers.in_flight.sub(1);
        self.numbers.balances().file(slot).too_large(1);
        let sink = &self.name;
        self.say.warn(&format!(
            "sink `{sink}`: a record of {bytes} bytes fits into no request and is left out; raise \
             `batch.bytes`"
        ));
    }

    /// A number for spreading pauses.
    fn random(&self) -> u64 {
        let next = pipeline::hash::mix(self.random.get(), 1);
        self.random.set(next);
        next
    }

    /// Sends a batch until every record of it is taken or put aside.
    pub(super) async fn deliver(&self, sealed: Sealed) -> Sealed {
        let parts = futures_util::stream::iter(sealed.encoder.parts());
        parts.for_each_concurrent(PARTS_AT_ONCE, |part| self.deliver_part(&sealed, part)).await;
        sealed
    }

    /// The same for a part of it that is a request of its own.
    async fn deliver_part(&self, sealed: &Sealed, part: Range<usize>) {
        let this = Failing::Batch(sealed.batch, part.start);
        let mut bisect = Bisect::new(part);
        let mut tries = Tries::new(self.now(), this);
        while let Some(part) = bisect.next() {
            if self.is_elsewhere(&tries) {
                tries = Tries::new(self.now(), this);
            }
            tries.is_last_call = self.last_call.is_cancelled();
            self.numbers.asked();
            let is_apart = tries.apart.as_ref() == Some(&part);
            let answer = self.send(&tries.to, &sealed.encoder, (part.clone(), is_apart)).await;
            self.numbers.answered();
            self.numbers.wire_bytes.add(answer.wire_bytes);
            let (is_alone, words) = (part.len() == 1, &answer.words);
            if answer.class != Class::Exhausted {
                tries.limited = 0;
            }
            let outcome = match answer.class {
                Class::Accepted => {
                    if part.len() >= tries.to.limited.get() {
                        tries.to.limited.set(usize::MAX);
                    }
                    self.accepted(sealed, part, &answer, this);
                    tries.succeeded();
                    Outcome::Accepted
                }
                // A reload came meanwhile: what the old server said is nothing to the new one.
                _ if self.is_elsewhere(&tries) => Outcome::Again,
                // It took the others of the part: only what it did not take may be sent elsewhere.
                Class::Poisoned if !is_apart && is_behind(answer.untimely, part.len()) => {
                    tries.apart = Some(part);
                    Outcome::Again
                }
                Class::Poisoned | Class::TooLarge if is_alone => {
                    if answer.untimely.is_some() {
                        // It is a Loki, and knows a record from another.
                        tries.succeeded();
                    }
                    self.refused(sealed, part.start, words, &mut tries).await
                }
                Class::Poisoned | Class::TooLarge => Outcome::Poisoned,
                Class::PerhapsTooLarge | Class::Exhausted => {
                    // A limit that let one request pass is no better for the others.
                    let asked = (answer.class == Class::Exhausted).then_some(Duration::ZERO);
                    let again = self.pause(this, &mut tries, asked, words).await;
                    let is_size = answer.class == Class::PerhapsTooLarge;
                    let halves = !is_alone && (is_size || tries.halves(part.len()));
                    if halves { Outcome::TooLarge } else { again }
                }
                Class::Retry { after } => self.pause(this, &mut tries, after, words).await,
                _ => {
                    let longest = Some(tries.to.backoff.max);
                    self.pause(this, &mut tries, longest, words).await
                }
            };
            bisect.report(outcome);
        }
    }

    /// A record is refused when it is sent alone: it is put aside.
    ///
    /// A server that refuses one record after the other and takes none may not be what we think it
    /// is, by a mistake in a config; or all of these records are bad. Nobody can tell, so neither
    /// may cost anything for good: after each [`PUT_ASIDE_RUN_MAX`] of them there is a pause as
    /// after a failure, and of such a run no letter is let go for a new one of any sink. So very
    /// many bad records hold up what is behind them, but not for ever; and what a wrong server
    /// refused is all in the dead letters, or waits.
    async fn refused(&self, sealed: &Sealed, at: usize, words: &str, tries: &mut Tries) -> Outcome {
        let run = self.run_of_refusals.get();
        if run >= self.pause_at.get() {
            let words =
                format!("records in a row are refused, now with: {words}: {run} of them so far");
            let outcome = self.pause(Failing::Refusals, tries, None, &words).await;
            self.pause_at.set(self.run_of_refusals.get() + PUT_ASIDE_RUN_MAX);
            return outcome;
        }
        let is_run = run >= PUT_ASIDE_RUN_MAX;
        match self.put_aside(sealed, at, words) {
            Ok(()) => {
                // It answers, and one record is no reason to think that it is the wrong server.
                if self.numbers.succeeded(tries.this, !is_run) {
                    self.say.info(&format!("sink `{}` answers again", self.name));
                }
                Outcome::Poisoned
            }
            Err(words) => {
                let what = if is_run { Failing::Refusals } else { tries.this };
                self.pause(what, tries, None, &words).await
            }
        }
    }

    /// Whether records go elsewhere by now.
    fn is_elsewhere(&self, tries: &Tries) -> bool {
        !Rc::ptr_eq(&tries.to, &self.now())
    }

    async fn send(
        &self,
        to: &Current,
        encoder: &Arc<Encoder>,
        (part, is_apart): (Range<usize>, bool),
    ) -> Answer {
        let written = match &**encoder {
            Encoder::Lines(one) => to.transport.write([one.lines(part.clone())].into_iter()),
            Encoder::Text(one) => to.transport.write(one.pieces(part.clone())),
            Encoder::Otlp(_) | Encoder::Loki(_) => None,
        };
        if let Some(answer) = written {
            return answer;
        }
        match to.compressor.pack(encoder, (part, is_apart), &self.buffers) {
            Ok(packed) => {
                self.numbers.bytes.add(packed.bytes);
                to.transport.send(packed).await
            }
            Err(words) => Answer::retry(words),
        }
    }

    /// A run of refusals is over.
    fn believe(&self) {
        self.run_of_refusals.set(0);
        self.pause_at.set(PUT_ASIDE_RUN_MAX);
        if self.is_in_letters.replace(false) {
            self.letterbox.letters().taken(&self.name);
        }
    }

    fn accepted(&self, sealed: &Sealed, part: Range<usize>, answer: &Answer, this: Failing) {
        self.believe();
        self.taken.set(self.taken.get() + 1);
        self.takes.notify_waiters();
        let (sink, records) = (&self.name, part.len() as u64);
        let rejected = answer.rejected.min(records);
        self.numbers.sent.add(records - rejected);
        self.numbers.quarantined.add(rejected);
        self.numbers.in_flight.sub(records);
        // A server does not say which records it left out: the first ones count as those.
        let mut left_out = rejected;
        let mut balances = self.numbers.balances();
        for (slot, count) in owners(&sealed.owners, part) {
            let aside = left_out.min(count);
            left_out -= aside;
            let balance = balances.file(slot);
            balance.put_aside(aside);
            balance.acknowledged(count - aside);
        }
        drop(balances);
        if rejected > 0 {
            self.say.warn(&format!(
                "sink `{sink}` took a batch and left out {rejected} records of it: {}",
                answer.words
            ));
        }
        if answer.is_unread && !self.current().is_unread.replace(true) {
            self.say.warn(&format!(
                "sink `{sink}` took a batch, and what it says of it cannot be read; records that \
                 it left out count as sent (answers are read without compression, with gzip, or as \
                 short ones of zstd, and many servers use that of the request)"
            ));
        }
        if self.numbers.succeeded(this, true) {
            self.say.info(&format!("sink `{sink}` takes records again"));
        }
    }

    /// Waits before the next try. Once the sink is about to end there is one at once, whatever a
    /// server asked for, and further ones after pauses that begin anew.
    ///
    /// So there is when the sink takes another request and took none since the first failure of
    /// this one: an outage is over then. When it did take some it is this one alone that fails, and
    /// tries in the pace of the others would be too many.
    async fn pause(
        &self,
        what: Failing,
        tries: &mut Tries,
        asked: Option<Duration>,
        words: &str,
    ) -> Outcome {
        let sink = &self.name;
        if matches!(self.current.borrow().sink.kind, SinkKind::Stdout(_))
            && words.contains("roken pipe")
        {
            self.closed_output.cancel();
        }
        if self.numbers.failed(what, words) {
            self.say.warn(&format!(
                "sink `{sink}` does not take a batch: {words}; it is tried again, and reading waits"
            ));
        }
        let pause = tries.backoff.after_failure(asked, self.random());
        // Another server may be well: one that comes from now on, or came since the last look.
        let mut changed = std::pin::pin!(self.swap.changed.notified());
        changed.as_mut().enable();
        if self.is_elsewhere(tries) {
            return Outcome::Again;
        }
        let takes = self.takes.notified();
        let is_outage = *tries.taken.get_or_insert(self.taken.get()) == self.taken.get();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changed => {}
            () = takes, if is_outage && asked.is_none() => tries.backoff.succeeded(),
            () = self.last_call.cancelled(), if !tries.is_last_call => tries.backoff.succeeded(),
        }
        Outcome::Again
    }

    /// Writes a dead letter and counts the record as done; says why it cannot when it can later.
    fn put_aside(&self, sealed: &Sealed, at: usize, reason: &str) -> Result<(), String> {
        let mut record = Vec::new();
        sealed.encoder.letter(at, &mut record);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let letter = DeadLetter {
            time_ns: now.as_nanos() as u64,
            sink: &self.name,
            reason,
            record: record.trim_ascii_end(),
        };
        let (sink, run) = (&self.name, self.run_of_refusals.get());
        let mut letters = self.letterbox.letters();
        let expired = letters.expired;
        let written = letters.write(&self.letterbox.state, &letter);
        let expired = letters.expired - expired;
        drop(letters);
        self.numbers.expired.add(expired);
        if expired > 0 {
            self.say.warn(&format!(
                "{expired} older dead letters were rotated away for those of sink `{sink}`: raise \
                 `dead_letter_bytes`, or move dead-letter.jsonl.1 away in time"
            ));
        }
        match written {
            Ok(()) => {
                self.is_in_letters.set(true);
                self.numbers.letters.add(1);
                // One of a run stands for many: what it comes to must not be among those not said.
                if run.is_multiple_of(PUT_ASIDE_RUN_MAX) {
                    self.say.warn(&format!(
                        "sink `{sink}` refuses a record for good, it is in the dead letters: \
                         {reason}"
                    ));
                }
            }
            // It never fits, and who may write a log must not be able to stop it.
            Err(error @ StoreError::Full { .. }) => self
                .say
                .warn(&format!("sink `{sink}` refuses a record for good, and it is lost: {error}")),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                return Err(format!("a record that is refused waits: {error}{cause}"));
            }
        }
        self.run_of_refusals.set(run + 1);
        self.numbers.quarantined.add(1);
        self.numbers.in_flight.sub(1);
        if let Some((slot, _)) = owners(&sealed.owners, at..at + 1).next() {
            self.numbers.balances().file(slot).put_aside(1);
        }
        Ok(())
    }
}

/// Whether Loki took nothing of a part with so many records because all of it is too far behind.
fn is_behind(untimely: Option<Untimely>, records: usize) -> bool {
    let Some(Untimely::Behind(count)) = untimely else { return false };
    count == records as u64 || records == 1
}

/// Whose the records in a part of a batch are.
fn owners(runs: &[(u32, u64)], part: Range<usize>) -> impl Iterator<Item = (u32, u64)> {
    let (from, to) = (part.start as u64, part.end as u64);
    let mut start = 0;
    runs.iter().filter_map(move |(slot, count)| {
        let (begin, end) = (start.max(from), (start + count).min(to));
        start += count;
        (begin < end).then(|| (*slot, end - begin))
    })
}

/// Differs from process to process; only spreads retries over time.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    pipeline::hash::mix(now.as_nanos() as u64, u64::from(std::process::id()))
}
