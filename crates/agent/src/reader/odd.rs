//! Files with lines that are no text, or without the framing of their container. Such a line is a
//! record all the same, with a flag, and counted; of each path it is told once where the first one
//! is, whatever else the file holds.

use super::feed::Core;
use lines::{Counters, Flags};
use std::collections::HashSet;
use std::path::PathBuf;

/// How many paths are told.
pub(crate) const TOLD_MAX: usize = 1024;

/// Of which paths it was told.
#[derive(Default)]
pub(super) struct Odd {
    told: HashSet<PathBuf>,
    /// How many such records there were when a block was looked through for them.
    seen: u64,
}

impl Core {
    /// Tells of the files of such records in the block that is handed on.
    pub(super) fn tell_odd(&mut self) {
        let of = |counters: &Counters| counters.malformed + counters.repaired;
        let number = of(&self.counters) + of(&self.intake.counters());
        if std::mem::replace(&mut self.odd.seen, number) == number {
            return;
        }
        for record in self.block.records.records() {
            let is_malformed = record.flags.has(Flags::MALFORMED);
            if !is_malformed && !record.flags.has(Flags::REPAIRED) {
                continue;
            }
            // A journal has no bytes to look at.
            let source = self.sources.get(record.source).filter(|of| of.input != usize::MAX);
            let Some(path) = source.map(|source| &*source.path) else { continue };
            if self.odd.told.len() >= TOLD_MAX || self.odd.told.contains(path) {
                continue;
            }
            self.odd.told.insert(path.to_owned());
            let what = if is_malformed {
                "has a line that is no entry of a container's log: it is kept whole, as \
                 `log.malformed`; exclude what is no such log, or set `framing`"
            } else {
                "has a line that is no text in its encoding: what is not becomes U+FFFD, as \
                 `log.repaired`; exclude what is no text, or set `encoding`"
            };
            self.say.warn(&format!(
                "{} {what}. The first one begins at byte {}, all of them are counted",
                path.display(),
                record.start
            ));
        }
    }
}
