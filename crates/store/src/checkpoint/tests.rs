//! R18: a checkpoint is whole, or known not to be.

use super::*;
use proptest::prelude::*;

fn file(number: u64, offset: u64) -> Entry {
    Entry::File(FileRecord {
        path: Path::new(&format!("/l/{number}.log")).into(),
        device: 1,
        inode: number,
        birth_ns: 2,
        handle: 3,
        offset,
        head_len: 4,
        head: 5,
        marker_len: 6,
        marker: 7,
    })
}

fn cursor() -> Entry {
    Entry::Cursor { name: "journal".into(), value: b"s=1;i=2".to_vec() }
}

/// When checkpoints are written, unless a test says so.
const NOW_NS: u64 = 1_000_000_000;

fn load(dir: &Path) -> Loaded {
    Checkpoint::load(&State::open(dir).unwrap()).unwrap().1
}

/// A directory with two generations: offset 1 in the previous, 2 in the current.
fn two() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path()).unwrap();
    let (mut checkpoint, loaded) = Checkpoint::load(&state).unwrap();
    assert_eq!(loaded, Loaded { entries: Vec::new(), outcome: Outcome::Absent });
    checkpoint.save(&state, NOW_NS, [file(1, 1), cursor()]).unwrap();
    checkpoint.save(&state, NOW_NS, [file(1, 2), cursor(), file(2, 2)]).unwrap();
    assert_eq!(checkpoint.saved(), 2);
    dir
}

#[test]
fn r18_what_was_saved_is_loaded_and_the_generation_before_is_kept() {
    let dir = two();
    let loaded = load(dir.path());
    assert_eq!(loaded.entries, [file(1, 2), cursor(), file(2, 2)]);
    assert_eq!(loaded.outcome, Outcome::Whole);
    let previous = decode(&std::fs::read(dir.path().join(PREVIOUS)).unwrap());
    assert_eq!((previous.generation, previous.is_whole), (1, true));
    assert!(!dir.path().join("checkpoint.new").exists());
}

#[test]
fn r18_a_checkpoint_that_is_cut_anywhere_is_made_whole_from_the_one_before() {
    let dir = two();
    let path = dir.path().join(CHECKPOINT);
    let whole = std::fs::read(&path).unwrap();
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        let loaded = load(dir.path());
        assert!(matches!(loaded.outcome, Outcome::Previous | Outcome::Salvaged), "{end}");
        let known = |wanted: &Entry| loaded.entries.contains(wanted);
        assert!(known(&file(1, 1)) || known(&file(1, 2)), "{end}");
        assert!(known(&cursor()), "{end}");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(load(dir.path()).outcome, Outcome::Previous);
    std::fs::write(dir.path().join(PREVIOUS), "garbage").unwrap();
    assert_eq!(load(dir.path()), Loaded { entries: Vec::new(), outcome: Outcome::Lost });
}

#[test]
fn r18_one_damaged_record_costs_no_other() {
    let dir = two();
    let path = dir.path().join(CHECKPOINT);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[HEADER_BYTES + 20] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let loaded = load(dir.path());
    assert_eq!(loaded.outcome, Outcome::Salvaged);
    assert_eq!(loaded.entries, [cursor(), file(2, 2), file(1, 1)]);
}

#[test]
fn r18_a_crash_between_the_renames_is_the_generation_before() {
    let dir = two();
    std::fs::rename(dir.path().join(CHECKPOINT), dir.path().join("checkpoint.new")).unwrap();
    let loaded = load(dir.path());
    assert_eq!((loaded.entries.len(), loaded.outcome), (2, Outcome::Previous));
    // The next save does not trip over what was left.
    let state = State::open(dir.path()).unwrap();
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    checkpoint.save(&state, NOW_NS, [file(9, 9)]).unwrap();
    drop(state);
    assert_eq!(load(dir.path()).entries, [file(9, 9)]);
}

#[test]
fn r18_a_checkpoint_that_is_saved_often_is_written_over_the_oldest_of_three() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path()).unwrap();
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    let mut inodes = std::collections::HashSet::new();
    // Long ones of several pieces and short ones of one piece take turns.
    let most = PIECE_BYTES as u64 / 20;
    for round in 1..=7 {
        let count = if round % 2 == 0 { 3 } else { most };
        let records: Vec<Entry> = (0..count).map(|number| file(number, round)).collect();
        let bytes = checkpoint.save(&state, NOW_NS, records.clone()).unwrap();
        let path = dir.path().join(CHECKPOINT);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes as u64);
        let loaded = Checkpoint::load(&state).unwrap().1;
        assert!(loaded.entries == records && loaded.outcome == Outcome::Whole, "{round}");
        if round > 1 {
            let previous = decode(&std::fs::read(dir.path().join(PREVIOUS)).unwrap());
            assert_eq!((previous.generation, previous.is_whole), (round - 1, true));
        }
        inodes.insert(std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap()));
    }
    assert_eq!(inodes.len(), 3);
}

#[test]
fn r19_a_soft_checkpoint_counts_and_leaves_the_durable_one_as_it_is() {
    let dir = two();
    let state = State::open(dir.path()).unwrap();
    let durable = std::fs::read(dir.path().join(CHECKPOINT)).unwrap();
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    // Of several pieces, shorter, shorter still, longer.
    for (round, count) in [(3, PIECE_BYTES as u64 / 20), (4, 20), (5, 3), (6, 1), (7, 9)] {
        let records: Vec<Entry> = (0..count).map(|number| file(number, round)).collect();
        checkpoint.save_softly(&state, round, records.clone()).unwrap();
        let (next, loaded) = Checkpoint::load(&state).unwrap();
        assert!(loaded == Loaded { entries: records, outcome: Outcome::Whole }, "{round}");
        assert_eq!((next.generation, next.written_ns()), (round, Some(round)));
        assert_eq!(std::fs::read(dir.path().join(CHECKPOINT)).unwrap(), durable);
    }
    // The next process goes on from there.
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    checkpoint.save(&state, NOW_NS, [file(1, 8)]).unwrap();
    let (checkpoint_now, loaded) = Checkpoint::load(&state).unwrap();
    assert_eq!((checkpoint_now.written_ns(), loaded.entries), (Some(NOW_NS), vec![file(1, 8)]));
    checkpoint.save_softly(&state, NOW_NS, [file(1, 9)]).unwrap();
    assert_eq!(Checkpoint::load(&state).unwrap().1.entries, [file(1, 9)]);
}

/// When what is in a directory was written, in seconds.
fn written_s(dir: &Path) -> Option<u64> {
    let written_ns = Checkpoint::load(&State::open(dir).unwrap()).unwrap().0.written_ns();
    written_ns.map(|written_ns| written_ns / 1_000_000_000)
}

fn set_modified(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn r19_a_checkpoint_says_when_it_was_written_also_as_a_copy_with_a_later_time() {
    let dir = tempfile::tempdir().unwrap();
    let save = |seconds: u64, is_soft: bool| {
        let state = State::open(dir.path()).unwrap();
        let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
        if is_soft {
            checkpoint.save_softly(&state, seconds * 1_000_000_000, [file(1, 1)]).unwrap();
        } else {
            checkpoint.save(&state, seconds * 1_000_000_000, [file(1, 1)]).unwrap();
        }
    };
    assert_eq!(written_s(dir.path()), None);
    save(5, false);
    assert_eq!(written_s(dir.path()), Some(5));
    save(7, true);
    assert_eq!(written_s(dir.path()), Some(7));
    save(9, false);
    let path = dir.path().join(CHECKPOINT);
    set_modified(&path, 11);
    assert_eq!(written_s(dir.path()), Some(9));
    set_modified(&path, 8);
    assert_eq!(written_s(dir.path()), Some(8), "the earlier of both hides nothing");
    // The soft one stands in for it.
    std::fs::write(&path, "garbage").unwrap();
    assert_eq!(written_s(dir.path()), Some(7));
}

#[test]
fn r18_a_checkpoint_of_before_is_read_and_was_written_when_its_file_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(CHECKPOINT);
    let header = b"orlopck2\x03\0\0\0\0\0\0\0\0\0\0\0\x24\xcb\x1a\x41";
    assert_eq!(encode_all(3, None, &[]), header);
    std::fs::write(&path, encode_all(3, None, &[file(1, 1), cursor()])).unwrap();
    set_modified(&path, 4);
    let loaded = load(dir.path());
    assert_eq!(loaded.entries, [file(1, 1), cursor()]);
    assert_eq!((loaded.outcome, written_s(dir.path())), (Outcome::Whole, Some(4)));
    // The next one is newer, and this one the one before.
    let state = State::open(dir.path()).unwrap();
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    checkpoint.save(&state, NOW_NS, [file(1, 2)]).unwrap();
    assert_eq!(Checkpoint::load(&state).unwrap().1.entries, [file(1, 2)]);
    std::fs::remove_file(&path).unwrap();
    let loaded = Checkpoint::load(&state).unwrap().1;
    assert_eq!((loaded.entries.len(), loaded.outcome), (2, Outcome::Previous));
}

#[test]
fn r18_a_soft_checkpoint_that_is_damaged_anywhere_is_as_if_it_had_never_been() {
    let dir = two();
    let state = State::open(dir.path()).unwrap();
    let (mut checkpoint, durable) = Checkpoint::load(&state).unwrap();
    checkpoint.save_softly(&state, NOW_NS, [file(1, 3), cursor()]).unwrap();
    let before = Checkpoint::load(&state).unwrap().1;
    checkpoint.save_softly(&state, NOW_NS, [file(1, 4), cursor()]).unwrap();
    let path = dir.path().join(SOFT[0]);
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Checkpoint::load(&state).unwrap().1, before, "{at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(Checkpoint::load(&state).unwrap().1, before, "{at}");
    }
    std::fs::remove_file(dir.path().join(SOFT[1])).unwrap();
    assert_eq!(Checkpoint::load(&state).unwrap().1, durable);
}

#[test]
fn r18_pages_of_two_generations_are_not_taken_for_one() {
    let dir = two();
    let state = State::open(dir.path()).unwrap();
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    // As long as each other, of the same files in another order.
    let records: Vec<Entry> = (0..99).map(|number| file(100 + number, 3)).collect();
    checkpoint.save(&state, NOW_NS, records.clone()).unwrap();
    checkpoint.save_softly(&state, NOW_NS, records.clone()).unwrap();
    let name = SOFT.map(|name| dir.path().join(name)).into_iter().find(|path| path.exists());
    let older = std::fs::read(name.as_ref().unwrap()).unwrap();
    checkpoint.save(&state, NOW_NS, records.clone()).unwrap();
    checkpoint.save_softly(&state, NOW_NS, records.iter().rev().cloned()).unwrap();
    let newer = std::fs::read(name.as_ref().unwrap()).unwrap();
    assert_ne!(older, newer, "both were written to one file");
    assert_eq!(older.len(), newer.len());
    // The worst place for a page to end: between two records.
    let page = HEADER_BYTES + 40 * (newer.len() - HEADER_BYTES) / records.len();
    let mixed = [&newer[..page], &older[page..]].concat();
    std::fs::write(name.unwrap(), mixed).unwrap();
    let loaded = Checkpoint::load(&state).unwrap().1;
    assert_eq!(loaded, Loaded { entries: records, outcome: Outcome::Whole });
}

#[test]
fn r18_a_soft_checkpoint_stands_in_for_a_damaged_one_when_it_is_newer_than_the_previous() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path()).unwrap();
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    checkpoint.save(&state, NOW_NS, [file(1, 1)]).unwrap();
    checkpoint.save_softly(&state, NOW_NS, [file(1, 2)]).unwrap();
    checkpoint.save(&state, NOW_NS, [file(1, 3)]).unwrap();
    let damage = || std::fs::write(dir.path().join(CHECKPOINT), "garbage").unwrap();
    damage();
    let loaded = Checkpoint::load(&state).unwrap().1;
    assert_eq!(loaded, Loaded { entries: vec![file(1, 2)], outcome: Outcome::Previous });
    checkpoint.save(&state, NOW_NS, [file(1, 4)]).unwrap();
    checkpoint.save(&state, NOW_NS, [file(1, 5)]).unwrap();
    damage();
    let loaded = Checkpoint::load(&state).unwrap().1;
    assert_eq!(loaded, Loaded { entries: vec![file(1, 4)], outcome: Outcome::Previous });
}

#[test]
fn r18_the_bounds_of_a_checkpoint_hold() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path()).unwrap();
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    let many = |count: u64| (0..count).map(|number| file(number, 0));
    checkpoint.save(&state, NOW_NS, many(RECORDS_MAX as u64)).unwrap();
    assert_eq!(Checkpoint::load(&state).unwrap().1.entries.len(), RECORDS_MAX);
    let refused = checkpoint.save(&state, NOW_NS, many(RECORDS_MAX as u64 + 1));
    assert!(matches!(refused, Err(StoreError::Full { .. })));
    let value = |len| Entry::Cursor { name: "n".into(), value: vec![0; len] };
    checkpoint.save(&state, NOW_NS, [value(TEXT_BYTES_MAX)]).unwrap();
    let refused = checkpoint.save(&state, NOW_NS, [value(TEXT_BYTES_MAX + 1)]);
    assert!(matches!(refused, Err(StoreError::Full { .. })));
    assert_eq!(Checkpoint::load(&state).unwrap().1.entries, [value(TEXT_BYTES_MAX)]);
}

proptest! {
    #[test]
    fn r18_no_bytes_make_the_reader_panic_or_are_taken_for_whole(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        crate::fuzzing::checkpoint(&bytes);
    }

    #[test]
    fn r18_a_changed_byte_is_noticed(
        at in 0..1000_usize,
        by in 1..=255_u8,
        written_ns in proptest::option::of(any::<u64>()),
    ) {
        let mut bytes = encode_all(3, written_ns, &[file(1, 1), cursor()]);
        let whole = decode(&bytes);
        prop_assert_eq!((whole.written_ns, whole.is_whole), (written_ns, true));
        let at = at % bytes.len();
        bytes[at] = bytes[at].wrapping_add(by);
        prop_assert!(!decode(&bytes).is_whole);
        crate::fuzzing::checkpoint(&bytes);
    }
}
