//! Lines of pods that are not known yet (R27): they wait in memory, at most [`METADATA_WAIT`] and
//! [`WAITING_BYTES_MAX`], while everything else is read on. What waited too long goes on with what
//! its path says, and is counted; later lines of the file have what was learned meanwhile. Only at
//! a start, when no pod is known yet, may there be more of them than can wait: then reading waits,
//! too, for the first list and within the same time.

use super::feed::{Core, Piece};
use super::inputs::METADATA_WAIT;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Bytes of all pods together that wait.
pub(crate) const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Files whose pod is not known, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Waiting {
    files: Vec<File>,
    bytes: usize,
    /// When reading began.
    begun: Instant,
}

#[derive(Debug)]
struct File {
    slot: u32,
    since: Instant,
    pieces: Vec<Kept>,
}

/// A piece of a file.
#[derive(Debug)]
struct Kept {
    offset: u64,
    bytes: Vec<u8>,
    now: u64,
    last: bool,
    after_hole: bool,
}

impl Waiting {
    /// Reading begins, and nothing waits.
    pub(super) const fn new(now: Instant) -> Self {
        Self { files: Vec::new(), bytes: 0, begun: now }
    }

    /// Lines of this file wait from now on.
    pub(super) fn begin(&mut self, slot: u32, now: Instant) {
        self.files.push(File { slot, since: now, pieces: Vec::new() });
    }

    /// Keeps a piece when its file waits.
    pub(super) fn keep(&mut self, piece: &Piece<'_>) -> bool {
        let Some(file) = self.files.iter_mut().find(|file| file.slot == piece.slot) else {
            return false;
        };
        self.bytes += piece.bytes.len();
        file.pieces.push(Kept {
            offset: piece.offset,
            bytes: piece.bytes.to_vec(),
            now: piece.now,
            last: piece.last,
            after_hole: piece.after_hole,
        });
        true
    }

    /// Whether anything waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn is_full(&self) -> bool {
        self.bytes > WAITING_BYTES_MAX
    }

    /// Whether nothing more can wait so soon after the start.
    fn is_full_at_start(&self, now: Instant) -> bool {
        self.is_full() && now.saturating_duration_since(self.begun) < METADATA_WAIT
    }

    /// The first file that need not wait any more.
    fn next(&mut self, known: impl Fn(u32) -> bool, now: Instant, all: bool) -> Option<File> {
        let full = self.is_full();
        let is_over = |file: &File| {
            let waited = now.saturating_duration_since(file.since) >= METADATA_WAIT;
            all || full || waited || known(file.slot)
        };
        let at = self.files.iter().position(is_over)?;
        let file = self.files.remove(at);
        self.bytes -= file.pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        Some(file)
    }
}

impl Core {
    /// Whether reading waits for the first list of pods.
    pub(crate) fn awaits_list(&self, now: Instant) -> bool {
        let mut tables = self.intents.iter().filter_map(|intent| intent.pods.as_ref());
        self.waiting.is_full_at_start(now) && tables.any(|table| !table.is_synced())
    }

    /// Goes on with a file whose pod is known by now, or that waited long enough, or any with
    /// `all`; false when there is none.
    pub(crate) fn resume_waiting(&mut self, now: Instant, all: bool) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let (sources, intents) = (&self.sources, &self.intents);
        let table_of = |slot: u32| {
            let source = sources.get(slot)?;
            let table = intents.get(source.input)?.pods.clone()?;
            Some((table, source.pod()?.to_owned()))
        };
        // What is not watched for any more is not waited for.
        let known = |slot| table_of(slot).is_none_or(|(table, pod)| table.get(&pod).is_some());
        let Some(file) = self.waiting.next(known, now, all) else { return false };
        if let Some((table, pod)) = table_of(file.slot)
            && table.get(&pod).is_none()
        {
            table.numbers().late.fetch_add(1, Ordering::Relaxed);
            if table.is_empty_first() {
                self.say.warn(
                    "the API lists no pod of this node, but files of pods are read: is \
                     `node_name` (or NODE_NAME) the name that the cluster has for it?",
                );
            }
        }
        for piece in &file.pieces {
            self.take_now(&Piece {
                slot: file.slot,
                offset: piece.offset,
                bytes: &piece.bytes,
                now: piece.now,
                last: piece.last,
                after_hole: piece.after_hole,
            });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn piece(slot: u32, bytes: &[u8]) -> Piece<'_> {
        Piece { slot, offset: 0, bytes, now: 0, last: false, after_hole: false }
    }

    #[test]
    fn r27_only_files_of_unknown_pods_wait_and_each_for_itself() {
        let start = Instant::now();
        let mut waiting = Waiting::new(start);
        waiting.begin(1, start);
        waiting.begin(2, start + Duration::from_secs(1));
        assert!(waiting.keep(&piece(1, b"a")) && waiting.keep(&piece(2, b"b")));
        assert!(!waiting.keep(&piece(3, b"c")), "a file of a known pod waits");
        assert!(waiting.next(|_| false, start, false).is_none());
        // One that is known does not wait for those before it.
        let file = waiting.next(|slot| slot == 2, start, false).unwrap();
        assert_eq!((file.slot, file.pieces[0].bytes.as_slice()), (2, &b"b"[..]));
        assert!(!waiting.keep(&piece(2, b"d")));
        let just_before = start + METADATA_WAIT - Duration::from_nanos(1);
        assert!(waiting.next(|_| false, just_before, false).is_none());
        assert_eq!(waiting.next(|_| false, start + METADATA_WAIT, false).unwrap().slot, 1);
        assert!(waiting.is_empty() && waiting.bytes == 0);
    }

    #[test]
    fn r27_what_waits_is_bounded() {
        let start = Instant::now();
        let mut waiting = Waiting::new(start);
        waiting.begin(1, start);
        waiting.keep(&piece(1, &vec![0; WAITING_BYTES_MAX]));
        assert!(waiting.next(|_| false, start, false).is_none());
        assert!(!waiting.is_full_at_start(start));
        waiting.keep(&piece(1, b"x"));
        // At a start the list may still come in time for all of it.
        let just_before = start + METADATA_WAIT - Duration::from_nanos(1);
        assert!(waiting.is_full_at_start(just_before));
        assert!(!waiting.is_full_at_start(start + METADATA_WAIT));
        assert_eq!(waiting.next(|_| false, start, false).unwrap().pieces.len(), 2);
        assert_eq!(waiting.bytes, 0);
    }
}
