//! Lines of a trace that were left out are read again once it has an error (R26).
//!
//! A place may have lines of another stream between the parts of its record. They were delivered,
//! so of what is read there only the record that was left out is kept.

use super::feed::Core;
use super::sampling::Recalled;
use host::tail::Tailer;
use lines::{Intake, Plan, Streams};
use std::time::Instant;

impl Core {
    /// Reads lines of traces with an error again, into a block that begins with them (R26).
    pub(crate) fn rescue(&mut self, tailer: &mut Tailer, now: Instant) {
        self.flush(None);
        if !self.may_read() {
            return;
        }
        let mut recalled = std::mem::take(&mut self.stage.recalled).into_iter();
        while !self.block.records.is_full()
            && let Some(one) = recalled.next()
        {
            let known = self
                .sources
                .by_serial(one.place.file)
                .map(|source| (source.key, source.id.slot, source.plan.clone()));
            let mut bytes = vec![0; one.place.length as usize];
            let read = known
                .as_ref()
                .map_or(0, |(key, ..)| tailer.read_again(*key, one.place.offset, &mut bytes, now));
            let before = self.block.records.len();
            if let Some((_, slot, plan)) = known.filter(|_| read == bytes.len()) {
                self.read_recalled(&one, slot, &plan, &bytes);
            }
            if self.block.records.len() > before {
                continue;
            }
            if before > 0 && self.block.records.is_full() {
                // Lines between its parts took the room: another block has more.
                self.stage.recalled.push(one);
            } else {
                self.stage.unread += 1;
            }
        }
        // What finds no room is for the next block.
        self.stage.recalled.extend(recalled);
        self.rescued = self.block.records.len();
        self.numbers.rescued.add(self.rescued as u64);
    }

    /// Parses what stands at a place and keeps the record that is wanted alone.
    fn read_recalled(&mut self, one: &Recalled, slot: u32, plan: &Plan, bytes: &[u8]) {
        let (wall, before) = (super::wall_ns(), self.block.records.len());
        let (mut file, mut streams) = (lines::File::default(), Streams::default());
        let (mut intake, mut taken) = (Intake::new(), 0);
        loop {
            let chunk = lines::Chunk {
                source: slot,
                bytes: bytes.get(taken..).unwrap_or_default(),
                offset: one.place.offset + taken as u64,
                now: wall,
                last: true,
                after_hole: false,
                caught_up: None,
            };
            let out = &mut self.block.records;
            let fed = intake.feed(plan, &mut file, &mut streams, &chunk, out);
            taken += fed;
            let is_over = fed == 0 || taken >= bytes.len();
            if is_over {
                intake.close(plan, &mut streams, wall, out);
            }
            let mut at = 0;
            out.retain(|record| {
                at += 1;
                at <= before || one.is(record)
            });
            if is_over {
                break;
            }
        }
        self.touch(slot);
    }
}
