//! From acknowledgements of batches to the offset up to which a file may be committed.
//!
//! Records of a file are noted in their order with the batch that carries them; batches are
//! acknowledged in any order. A file is committed up to the end of the records that are all
//! acknowledged, and never past its *hold*: the start of the oldest piece that is not a record
//! yet (an open line, a chain of partial lines, an open multi-line group). What was sampled out or
//! is no record counts as acknowledged at once.
//!
//! Not records but ranges are kept: one for each batch that has records of the file. So the memory
//! is bounded by files × open batches, and noting a record costs a comparison. A sink has a ledger
//! of its own; the agent commits the lowest offset of all of them ([`lowest`]).
//!
//! Limits: [`FILES_MAX`], [`BATCHES_MAX`]. Errors: [`LedgerError`].

use model::{Explain, Hint, Retry};
use std::collections::VecDeque;

/// Most files at once.
pub const FILES_MAX: usize = 1 << 20;
/// Most batches between the oldest that is not acknowledged and the newest.
pub const BATCHES_MAX: usize = 1 << 14;

/// A file as the tailer numbers it. A slot is used again by another file; the generation tells
/// them apart, so that a late acknowledgement never moves the wrong file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// The place in tables.
    pub slot: u32,
    /// Which of the files that had this place.
    pub generation: u32,
}

/// A batch. Numbers grow; a record never goes into an older batch than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Batch(u64);

impl Batch {
    /// The number, for messages.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Why something could not be noted. The ledger is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The slot is over [`FILES_MAX`].
    #[error("file slot {slot} is over the limit of {FILES_MAX}")]
    Slot {
        /// The slot.
        slot: u32,
    },
    /// The slot belongs to another file now, or to none.
    #[error("file slot {} has another generation than {}", file.slot, file.generation)]
    Stale {
        /// Which file was meant.
        file: FileId,
    },
    /// The record lies before one that was noted earlier, or its end before its start.
    #[error("a record that ends at {end} follows one that ends at {noted}")]
    Order {
        /// Where the new one ends.
        end: u64,
        /// What was noted before.
        noted: u64,
    },
    /// The batch is unknown, acknowledged already, or older than that of the record before.
    #[error("batch {batch} is not open for this record")]
    Batch {
        /// Its number.
        batch: u64,
    },
    /// There are [`BATCHES_MAX`] batches that wait.
    #[error("{BATCHES_MAX} batches wait for their acknowledgement")]
    Full,
}

impl Explain for LedgerError {
    fn hint(&self) -> Option<Hint> {
        matches!(self, Self::Full).then(|| Hint::new("check whether the sink answers"))
    }

    fn retry(&self) -> Retry {
        if matches!(self, Self::Full) { Retry::Now } else { Retry::Never }
    }
}

/// Records of one file in one batch.
#[derive(Debug, Clone, Copy)]
struct Run {
    batch: u64,
    end: u64,
}

#[derive(Debug, Default)]
struct File {
    generation: u32,
    open: bool,
    /// Everything before it is acknowledged.
    acked: u64,
    /// End of the last record that was noted.
    noted: u64,
    hold: Option<u64>,
    /// What was last given out by [`Ledger::commits`].
    told: u64,
    runs: VecDeque<Run>,
}

impl File {
    fn commit(&self) -> u64 {
        // A file is never committed backwards, whatever a hold says.
        self.hold.map_or(self.acked, |hold| self.acked.min(hold)).max(self.told)
    }
}

/// The acknowledgements of one sink.
#[derive(Debug, Default)]
pub struct Ledger {
    files: Vec<File>,
    /// Slots of files with something to tell or to wait for, each at most once.
    active: Vec<u32>,
    is_active: Vec<bool>,
    /// Whether each batch since `first` is acknowledged.
    batches: VecDeque<bool>,
    /// The oldest batch that is kept; everything before it is acknowledged.
    first: u64,
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a file that is read from `offset`. Whatever the slot held before is forgotten.
    ///
    /// # Errors
    /// When the slot is over the limit.
    pub fn open(&mut self, file: FileId, offset: u64) -> Result<(), LedgerError> {
        let slot = usize::try_from(file.slot).unwrap_or(usize::MAX);
        if slot >= FILES_MAX {
            return Err(LedgerError::Slot { slot: file.slot });
        }
        if slot >= self.files.len() {
            self.files.resize_with(slot + 1, File::default);
            self.is_active.resize(slot + 1, false);
        }
        if let Some(place) = self.files.get_mut(slot) {
            *place = File {
                generation: file.generation,
                open: true,
                acked: offset,
                noted: offset,
                told: offset,
                ..File::default()
            };
        }
        Ok(())
    }

    /// Ends a file: its slot is free, what comes late for it is stale.
    pub fn close(&mut self, file: FileId) {
        if let Ok(place) = self.file(file) {
            *place = File { generation: file.generation, ..File::default() };
        }
    }

    /// Begins a batch.
    ///
    /// # Errors
    /// When too many wait.
    pub fn begin(&mut self) -> Result<Batch, LedgerError> {
        if self.batches.len() >= BATCHES_MAX {
            return Err(LedgerError::Full);
        }
        let batch = self.first + self.batches.len() as u64;
        self.batches.push_back(false);
        Ok(Batch(batch))
    }

    /// Notes a record that goes into a batch: reading may resume at `end` once it and all before
    /// it are acknowledged.
    ///
    /// # Errors
    /// When the file, the order or the batch is wrong.
    #[inline]
    pub fn sent(&mut self, file: FileId, end: u64, batch: Batch) -> Result<(), LedgerError> {
        if !self.is_waiting(batch.0) {
            return Err(LedgerError::Batch { batch: batch.0 });
        }
        let place = self.file(file)?;
        if end < place.noted {
            return Err(LedgerError::Order { end, noted: place.noted });
        }
        match place.runs.back_mut() {
            Some(run) if run.batch == batch.0 => run.end = end,
            Some(run) if run.batch > batch.0 => {
                return Err(LedgerError::Batch { batch: batch.0 });
            }
            _ => {
                self.compact(file.slot);
                self.file(file)?.runs.push_back(Run { batch: batch.0, end });
            }
        }
        self.file(file)?.noted = end;
        self.activate(file.slot);
        Ok(())
    }

    /// Joins acknowledged runs at the end to the one before them, so that a batch that waits for
    /// long does not make a list of all that came after it.
    fn compact(&mut self, slot: u32) {
        let Some(place) = usize::try_from(slot).ok().and_then(|at| self.files.get_mut(at)) else {
            return;
        };
        while let Some(last) = place.runs.pop_back() {
            let at = last.batch.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
            let done = at.is_none_or(|at| self.batches.get(at).copied().unwrap_or(true));
            if !done {
                place.runs.push_back(last);
                return;
            }
            match place.runs.back_mut() {
                Some(before) => before.end = last.end,
                None => place.acked = last.end,
            }
        }
    }

    /// Notes what needs no acknowledgement up to `end`: a record that was sampled out, an empty
    /// line, a hole.
    ///
    /// # Errors
    /// When the file or the order is wrong.
    #[inline]
    pub fn skipped(&mut self, file: FileId, end: u64) -> Result<(), LedgerError> {
        let place = self.file(file)?;
        if end < place.noted {
            return Err(LedgerError::Order { end, noted: place.noted });
        }
        place.noted = end;
        // Behind a run it is acknowledged when that is, since everything before it must be too.
        match place.runs.back_mut() {
            Some(run) => run.end = end,
            None => place.acked = end,
        }
        self.activate(file.slot);
        Ok(())
    }

    /// Where the oldest piece begins that is not a record yet; nothing when there is none.
    ///
    /// # Errors
    /// When the file is stale.
    pub fn hold(&mut self, file: FileId, offset: Option<u64>) -> Result<(), LedgerError> {
        let place = self.file(file)?;
        if place.hold != offset {
            place.hold = offset;
            self.activate(file.slot);
        }
        Ok(())
    }

    /// A batch is acknowledged: every record of it was taken, or put aside for good.
    ///
    /// # Errors
    /// When it is unknown or was acknowledged before.
    pub fn acknowledge(&mut self, batch: Batch) -> Result<(), LedgerError> {
        let at = batch.0.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| self.batches.get_mut(at)) {
            Some(done) if !*done => *done = true,
            _ => return Err(LedgerError::Batch { batch: batch.0 }),
        }
        while self.batches.front() == Some(&true) {
            self.batches.pop_front();
            self.first += 1;
        }
        Ok(())
    }

    /// How many batches wait, acknowledged ones behind the oldest that waits included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.batches.len()
    }

    /// Up to where the file may be committed.
    ///
    /// # Errors
    /// When the file is stale.
    pub fn commit(&mut self, file: FileId) -> Result<u64, LedgerError> {
        self.advance(file.slot);
        self.file(file).map(|place| place.commit())
    }

    /// Whether everything that was noted of the file is acknowledged.
    ///
    /// # Errors
    /// When the file is stale.
    pub fn is_settled(&mut self, file: FileId) -> Result<bool, LedgerError> {
        self.advance(file.slot);
        self.file(file).map(|place| place.runs.is_empty())
    }

    /// Gives every file whose offset has moved since the last call, with the offset. Costs time
    /// only for files with something on its way.
    pub fn commits(&mut self, mut each: impl FnMut(FileId, u64)) {
        let mut active = std::mem::take(&mut self.active);
        active.retain(|slot| {
            self.advance(*slot);
            let Some(place) = usize::try_from(*slot).ok().and_then(|at| self.files.get_mut(at))
            else {
                return false;
            };
            let commit = place.commit();
            if place.open && commit > place.told {
                place.told = commit;
                each(FileId { slot: *slot, generation: place.generation }, commit);
            }
            // A file that waits for its hold to move is woken by the call that moves it.
            let stays = place.open && !place.runs.is_empty();
            if !stays {
                // There may be many files, most of them at rest.
                place.runs = VecDeque::new();
            }
            if let (false, Some(flag)) = (stays, self.flag(*slot)) {
                *flag = false;
            }
            stays
        });
        self.active = active;
    }

    fn is_waiting(&self, batch: u64) -> bool {
        let at = batch.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.batches.get(at)) == Some(&false)
    }

    /// Takes the acknowledged runs off the front.
    fn advance(&mut self, slot: u32) {
        let Some(place) = usize::try_from(slot).ok().and_then(|at| self.files.get_mut(at)) else {
            return;
        };
        while let Some(run) = place.runs.front() {
            let at = run.batch.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
            let done = at.is_none_or(|at| self.batches.get(at).copied().unwrap_or(true));
            if !done {
                return;
            }
            place.acked = run.end;
            place.runs.pop_front();
        }
    }

    #[inline]
    fn file(&mut self, file: FileId) -> Result<&mut File, LedgerError> {
        let at = usize::try_from(file.slot).unwrap_or(usize::MAX);
        match self.files.get_mut(at) {
            Some(place) if place.open && place.generation == file.generation => Ok(place),
            _ => Err(LedgerError::Stale { file }),
        }
    }

    fn flag(&mut self, slot: u32) -> Option<&mut bool> {
        usize::try_from(slot).ok().and_then(|at| self.is_active.get_mut(at))
    }

    #[inline]
    fn activate(&mut self, slot: u32) {
        if let Some(flag) = self.flag(slot)
            && !*flag
        {
            *flag = true;
            self.active.push(slot);
        }
    }
}

/// The offset that several sinks agree on: the lowest. Nothing when there is no sink.
#[must_use]
pub fn lowest(commits: impl IntoIterator<Item = u64>) -> Option<u64> {
    commits.into_iter().min()
}

#[cfg(test)]
mod tests;
