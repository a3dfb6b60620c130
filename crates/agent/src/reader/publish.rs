//! What the reader tells those who ask: numbers, and the files with most to do.

use super::commit::SinkHandle;
use super::control::{Control, FileLine};
use super::feed::Core;
use host::tail::{FileKey, Tailer};
use lines::Counters;

/// Files that `status` lists; those with the most unread bytes come first.
pub(crate) const FILES_SHOWN_MAX: usize = 200;

impl Core {
    /// Numbers and files for those who ask.
    pub(crate) fn publish(&mut self, tailer: &Tailer, control: &Control) {
        let new = self.intake.take_counters();
        add(&mut self.counters, &new);
        let mut stats = tailer.stats();
        self.aside.add_damage(&mut stats);
        self.numbers.publish(self.counters, stats);
        self.count_short();
        if let Some(producer) = &self.producer {
            let stage = self.stage.memory() as u64;
            self.numbers.block_bytes.set(producer.bytes() + stage);
        }
        if !control.is_asked() {
            return;
        }
        let mut files: Vec<(FileLine, FileKey)> = tailer
            .files()
            .map(|file| {
                let input = self.intents.get(file.input as usize).map_or("", |one| &one.name);
                let line = FileLine {
                    path: file.path.to_string_lossy().into_owned(),
                    input: input.into(),
                    offset: file.offset,
                    committed: file.committed,
                    size: file.size,
                    deleted: file.deleted,
                    possible_loss_bytes: file.possible_loss_bytes,
                    balances: Vec::new(),
                };
                (line, file.key)
            })
            .collect();
        let undelivered = |file: &FileLine| file.size.saturating_sub(file.committed);
        files.sort_by_key(|(file, _)| std::cmp::Reverse(undelivered(file)));
        let left_out = files.len().saturating_sub(FILES_SHOWN_MAX);
        files.truncate(FILES_SHOWN_MAX);
        for (file, key) in &mut files {
            let Some(slot) = self.sources.find(*key) else { continue };
            let of_sink =
                |sink: &SinkHandle| (sink.sink.name.clone(), sink.numbers.balances().get(slot));
            file.balances = self.books.active().map(of_sink).collect();
        }
        let files = files.into_iter().map(|(file, _)| file).collect();
        control.answer(files, left_out);
    }
}

fn add(sum: &mut Counters, new: &Counters) {
    sum.bytes += new.bytes;
    sum.lines += new.lines;
    sum.records += new.records;
    sum.unparsed += new.unparsed;
    sum.malformed += new.malformed;
    sum.truncated += new.truncated;
    sum.truncated_bytes += new.truncated_bytes;
    sum.repaired += new.repaired;
    sum.partial += new.partial;
    sum.multiline += new.multiline;
    sum.empty += new.empty;
    sum.hole_bytes += new.hole_bytes;
    sum.fields_cut += new.fields_cut;
    sum.redacted += new.redacted;
}
