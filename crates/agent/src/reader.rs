//! The one thread that reads: files → lines → records → sampling → blocks for the sinks; and back:
//! what the sinks have taken → offsets → the checkpoint.
//!
//! No async. It waits in one place only ([`Tailer::wait`]), and when the ring is full in another
//! (for room), where it still looks after deleted files, commands and commits (R20). A block is
//! handed on when it is full, or [`LINGER`] after its first record.

mod accounts;
mod commit;
mod control;
mod farewell;
mod feed;
pub(crate) mod inputs;
mod late;
mod odd;
mod pace;
mod publish;
mod replan;
mod rescue;
mod sampling;
pub(crate) mod sources;
mod spill;
mod summary;

pub(crate) use commit::{Books, SinkHandle, WINDOW_BYTES, resume};
pub(crate) use control::{Control, FileLine, Order};
pub(crate) use feed::{Core, Parts, Piece};
pub(crate) use pace::PACE;
pub(crate) use sampling::Stage;
pub(crate) use spill::Aside;

use crate::journal::Journals;
use crate::say::Say;
use host::tail::{Tailer, Woken};
use pace::Pace;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use store::{Checkpoint, Loaded};

/// How long a block that is not full waits for more records.
pub(crate) const LINGER: Duration = Duration::from_millis(50);
/// The longest time without a look at commands and commits.
const LOOK: Duration = Duration::from_millis(50);
/// How often unfinished pieces are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often numbers are published while there is work.
const PUBLISH: Duration = Duration::from_secs(1);
/// The longest wait when there is nothing at all to do.
const IDLE: Duration = Duration::from_secs(30);
/// How long a stop waits for sinks that were abandoned: one that only waits ends at once, one that
/// writes to a disk soon, and one whose write hangs not at all.
const ABANDON_GRACE: Duration = Duration::from_millis(500);

/// How the reader ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything that was read is delivered.
    Delivered,
    /// A reload left no sink that has what an old one did not take: another reader goes on from
    /// what is known, as after a restart.
    Again {
        /// When it was known, in nanoseconds since 1970: what was made after this may be unseen.
        known_ns: u64,
    },
    /// Some of it is not; so many bytes are lost.
    Undelivered {
        /// What the next start does not find.
        lost_bytes: u64,
    },
}

/// The reader's thread.
pub(crate) struct Reader {
    pub(crate) tailer: Tailer,
    pub(crate) core: Core,
    pub(crate) control: Arc<Control>,
    pub(crate) journals: Journals,
    pub(crate) say: Say,
}

/// Nanoseconds since 1970.
pub(crate) fn wall_ns() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl Reader {
    /// Reads until it is told to stop, then delivers what it has within the time for that.
    pub(crate) fn run(&mut self) -> Ended {
        let mut pace = Pace::default();
        let mut next_tick = Instant::now();
        let mut next_publish = Instant::now();
        loop {
            let now = Instant::now();
            self.look(now);
            if self.control.stopped() {
                return self.end();
            }
            if now >= next_publish || self.control.is_asked() {
                self.publish();
                next_publish = now + PUBLISH;
            }
            if self.core.begins_again(now) {
                return self.begin_again();
            }
            if self.core.is_stuck() || self.core.has_no_heir() {
                self.wait_for_room(now);
                continue;
            }
            if self.core.awaits_list(now) {
                self.core.flush_when_due(now);
                self.tailer.pause(LOOK);
                continue;
            }
            if now >= next_tick {
                self.core.summarize(wall_ns());
                self.core.tick(wall_ns());
                next_tick = now + TICK;
                continue;
            }
            if self.core.resume_rest() || self.core.resume_waiting(now, false) {
                pace.worked(0);
                continue;
            }
            let left = pace.left(now);
            if left.is_none() {
                if let Some(bytes) = self.read(now) {
                    pace.worked(bytes);
                    continue;
                }
                self.core.caught_up(wall_ns());
            }
            self.core.flush_when_due(now);
            if self.core.is_stuck() {
                continue;
            }
            self.wait(now, next_tick, left, &mut pace);
        }
    }

    /// Everything that may be read now was: waits for more, or rests first when there was much.
    fn wait(&mut self, now: Instant, next_tick: Instant, left: Option<Duration>, pace: &mut Pace) {
        let left = left.or_else(|| {
            let pause = pace.begin(now, self.tailer.is_settled(now))?;
            if pause >= LINGER {
                // Nothing will join what was read.
                self.core.flush(Some(now + pause));
            }
            Some(pause)
        });
        self.core.rest();
        let pause = self.pause(now, next_tick);
        match left {
            None => drop(self.tailer.wait(now, pause)),
            Some(left) => {
                if self.tailer.rest(now, pause.min(left)) != Woken::Timeout {
                    pace.end();
                }
            }
        }
    }

    /// Reads a piece of some file, of what was kept aside, or of a journal; how many bytes of a
    /// file, none when there is nothing.
    fn read(&mut self, now: Instant) -> Option<u64> {
        if self.core.has_recalled() {
            self.core.rescue(&mut self.tailer, now);
            return Some(0);
        }
        if self.core.feed_spilled() || self.core.resume_vanished() {
            return Some(0);
        }
        if self.journals.feed(&mut self.core) {
            return Some(0);
        }
        let Some(chunk) = self.tailer.turn(now) else {
            return self.journals.packed.feed(&mut self.core, now).then_some(0);
        };
        self.core.accept(&chunk, wall_ns());
        Some(chunk.bytes.len() as u64)
    }

    /// Commands, commits, checkpoint, notices.
    fn look(&mut self, now: Instant) {
        while let Some(order) = self.control.take_order() {
            self.obey(order, now);
        }
        self.core.collect(&mut self.tailer, &mut self.journals);
        self.core.keep_gone(&mut self.tailer, now, spill::PATIENCE);
        self.core.checkpoint_when_due(&mut self.tailer, &mut self.journals, now);
        while let Some(notice) = self.tailer.take_notice() {
            self.say.warn(&notice.to_string());
        }
    }

    fn obey(&mut self, order: Order, now: Instant) {
        match order {
            Order::Inputs { intents, common, journals, stage } => {
                self.core.flush(None);
                let tail = intents.iter().map(|intent| intent.tail.clone()).collect();
                self.tailer.reconfigure(tail, now);
                self.core.replan(intents, stage, &self.tailer);
                self.core.set_common(common);
                self.journals.replan(journals, &mut self.core);
            }
            Order::Sinks { make } => {
                self.core.flush(None);
                self.core.change_sinks(make);
            }
        }
    }

    /// The ring is full, or what is in it may have to be read again: reading waits, and only what
    /// vanishes is read, to be kept aside.
    fn wait_for_room(&mut self, now: Instant) {
        if self.core.has_no_heir() {
            self.tailer.pause(LOOK);
        } else if self.core.unstick(LOOK) {
            return;
        }
        self.core.keep_vanishing(&mut self.tailer, now);
    }

    fn pause(&self, now: Instant, next_tick: Instant) -> Duration {
        let mut until = IDLE;
        if let Some(due) = self.core.flush_due() {
            until = until.min(due.saturating_duration_since(now));
        }
        if self.core.has_open() {
            until = until.min(next_tick.saturating_duration_since(now));
        }
        if let Some(due) = self.core.checkpoint_due(now) {
            until = until.min(due.saturating_duration_since(now).max(LOOK));
        }
        if self.core.is_waiting_for_sinks() {
            until = until.min(LOOK * 4);
        }
        if let Some(pause) = self.journals.packed.pause(now) {
            until = until.min(pause);
        }
        if !self.core.waiting.is_empty() {
            until = until.min(LOOK);
        }
        if self.core.aside.is_holding() {
            until = until.min(spill::PATIENCE);
        }
        if let Some(due) = self.core.summary_due() {
            let left = Duration::from_nanos(due.saturating_sub(wall_ns()));
            until = until.min(left.max(TICK));
        }
        until
    }

    fn publish(&mut self) {
        self.core.publish(&self.tailer, &self.control);
    }

    /// What was read is handed on and waited for; then the last checkpoint.
    fn end(&mut self) -> Ended {
        let deadline = Instant::now() + self.control.shutdown_timeout();
        self.core.call_sinks();
        // Bytes of a pod that nobody knows may be of a file that is gone.
        while !self.core.is_stuck() && self.core.resume_waiting(Instant::now(), true) {}
        self.read_vanishing(deadline);
        self.core.last_summary(wall_ns());
        self.core.flush(None);
        while self.core.is_stuck() && Instant::now() < deadline && !self.control.hurried() {
            self.core.unstick(LOOK);
            self.core.collect(&mut self.tailer, &mut self.journals);
        }
        let handed_on = !self.core.is_stuck();
        self.core.close_ring();
        while !self.core.sinks_ended() && Instant::now() < deadline && !self.control.hurried() {
            self.core.collect(&mut self.tailer, &mut self.journals);
            self.tailer.pause(PACE);
        }
        let have_ended = self.core.sinks_ended();
        let lost_bytes = self.leave();
        // With a second signal nobody waited for a sink that had nothing more to do.
        let delivered = have_ended || self.core.sinks_have_all();
        if handed_on && delivered && lost_bytes == 0 {
            Ended::Delivered
        } else {
            Ended::Undelivered { lost_bytes }
        }
    }

    /// Ends every sink, and writes down what they have taken; how many bytes are lost.
    fn leave(&mut self) -> u64 {
        self.core.abandon_sinks();
        let grace = Instant::now() + ABANDON_GRACE;
        while !self.core.sinks_ended() && Instant::now() < grace {
            self.tailer.pause(PACE);
        }
        self.core.collect(&mut self.tailer, &mut self.journals);
        self.tailer.look_at_polled(Instant::now());
        self.keep_the_rest();
        self.core.checkpoint(&mut self.tailer, &mut self.journals);
        let lost_bytes = self.tell_lost();
        self.publish();
        lost_bytes
    }

    /// What a sink that is gone did not take is for those that are there now.
    fn begin_again(&mut self) -> Ended {
        let now = Instant::now();
        for sink in self.core.books.sinks.iter().filter(|sink| !sink.is_done()) {
            let why = match sink.retired {
                Some(_) => "was removed",
                None if sink.hangs(now) => "hangs in a write",
                None => continue,
            };
            let (name, left) = (&sink.sink.name, sink.numbers.in_flight.get());
            self.say.warn(&format!(
                "sink `{name}` {why} and did not take {left} records in time: they are read again \
                 for the sinks that are there now"
            ));
        }
        let known_ns = wall_ns();
        self.leave();
        Ended::Again { known_ns }
    }

    /// What is written down of its files, as if it were loaded.
    pub(crate) fn into_known(mut self) -> (Checkpoint, Loaded) {
        self.core.into_known(&mut self.tailer, &self.journals)
    }
}
