//! The ledger against a model that keeps every record.

use super::*;
use proptest::prelude::*;

const FILE: FileId = FileId { slot: 3, generation: 7 };

/// What a record waits for: nothing, or a batch.
type Kept = (u64, Option<Batch>);

#[derive(Debug, Default)]
struct Model {
    start: u64,
    records: Vec<Kept>,
    acked: Vec<Batch>,
    hold: Option<u64>,
}

impl Model {
    fn commit(&self) -> u64 {
        let done = |kept: &&Kept| kept.1.is_none_or(|batch| self.acked.contains(&batch));
        let end = self.records.iter().take_while(done).last().map_or(self.start, |kept| kept.0);
        self.hold.map_or(end, |hold| end.min(hold))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send { file: usize, length: u64 },
    Skip { file: usize, length: u64 },
    Begin,
    Acknowledge { which: usize },
    Hold { file: usize, back: Option<u64> },
    Tell,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 0..9_u64).prop_map(|(file, length)| Step::Send { file, length }),
        3 => (0..3_usize, 0..9_u64).prop_map(|(file, length)| Step::Skip { file, length }),
        2 => Just(Step::Begin),
        3 => any::<usize>().prop_map(|which| Step::Acknowledge { which }),
        1 => (0..3_usize, proptest::option::of(0..20_u64))
            .prop_map(|(file, back)| Step::Hold { file, back }),
        1 => Just(Step::Tell),
    ]
}

fn file(at: usize) -> FileId {
    FileId { slot: u32::try_from(at).unwrap() * 5, generation: 1 }
}

proptest! {
    #[test]
    fn r18_a_commit_is_the_highest_end_of_what_is_acknowledged_without_a_gap(
        steps in proptest::collection::vec(step(), 0..150),
    ) {
        let mut ledger = Ledger::new();
        let mut models: Vec<Model> = Vec::new();
        for at in 0..3 {
            ledger.open(file(at), 100).unwrap();
            models.push(Model { start: 100, ..Model::default() });
        }
        let mut open = vec![ledger.begin().unwrap()];
        let mut noted = [100_u64; 3];
        let mut told = [100_u64; 3];
        for step in steps {
            match step {
                Step::Send { file: at, length } => {
                    let batch = *open.last().unwrap();
                    noted[at] += length;
                    ledger.sent(file(at), noted[at], batch).unwrap();
                    models[at].records.push((noted[at], Some(batch)));
                }
                Step::Skip { file: at, length } => {
                    noted[at] += length;
                    ledger.skipped(file(at), noted[at]).unwrap();
                    models[at].records.push((noted[at], None));
                }
                Step::Begin => open.push(ledger.begin().unwrap()),
                Step::Acknowledge { which } => {
                    // The last one takes records and stays open.
                    if open.len() > 1 {
                        let batch = open.remove(which % (open.len() - 1));
                        ledger.acknowledge(batch).unwrap();
                        models.iter_mut().for_each(|model| model.acked.push(batch));
                    }
                }
                Step::Hold { file: at, back } => {
                    // A piece that is not finished begins behind what was committed.
                    let hold = back.map(|back| noted[at].saturating_sub(back).max(told[at]));
                    ledger.hold(file(at), hold).unwrap();
                    models[at].hold = hold;
                }
                Step::Tell => {
                    ledger.commits(|id, offset| {
                        let at = usize::try_from(id.slot / 5).unwrap();
                        assert!(offset > told[at]);
                        told[at] = offset;
                    });
                    for at in 0..3 {
                        prop_assert_eq!(told[at], models[at].commit().max(told[at]));
                    }
                }
            }
            for at in 0..3 {
                let expected = models[at].commit().max(told[at]);
                prop_assert_eq!(ledger.commit(file(at)).unwrap(), expected);
                let slot = usize::try_from(file(at).slot).unwrap();
                prop_assert!(ledger.files[slot].runs.len() <= ledger.waiting());
            }
        }
        for batch in open {
            ledger.acknowledge(batch).unwrap();
        }
        prop_assert_eq!(ledger.waiting(), 0);
        for at in 0..3 {
            prop_assert!(ledger.is_settled(file(at)).unwrap());
        }
    }
}

#[test]
fn r12_a_commit_never_passes_the_start_of_an_unfinished_piece() {
    let mut ledger = Ledger::new();
    ledger.open(FILE, 0).unwrap();
    let batch = ledger.begin().unwrap();
    ledger.hold(FILE, Some(40)).unwrap();
    ledger.sent(FILE, 90, batch).unwrap();
    ledger.acknowledge(batch).unwrap();
    assert_eq!(ledger.commit(FILE), Ok(40));
    let mut told = Vec::new();
    ledger.commits(|file, offset| told.push((file, offset)));
    ledger.hold(FILE, None).unwrap();
    ledger.commits(|file, offset| told.push((file, offset)));
    ledger.commits(|file, offset| told.push((file, offset)));
    assert_eq!(told, [(FILE, 40), (FILE, 90)]);
}

#[test]
fn r18_what_was_sampled_out_is_acknowledged_at_once_but_not_before_what_precedes_it() {
    let mut ledger = Ledger::new();
    ledger.open(FILE, 0).unwrap();
    ledger.skipped(FILE, 10).unwrap();
    assert_eq!(ledger.commit(FILE), Ok(10));
    let batch = ledger.begin().unwrap();
    ledger.sent(FILE, 20, batch).unwrap();
    ledger.skipped(FILE, 30).unwrap();
    assert_eq!(ledger.commit(FILE), Ok(10));
    assert_eq!(ledger.is_settled(FILE), Ok(false));
    ledger.acknowledge(batch).unwrap();
    assert_eq!(ledger.commit(FILE), Ok(30));
}

#[test]
fn r3_a_late_word_about_the_file_that_had_a_slot_before_moves_nothing() {
    let mut ledger = Ledger::new();
    ledger.open(FILE, 0).unwrap();
    let batch = ledger.begin().unwrap();
    ledger.sent(FILE, 20, batch).unwrap();
    let next = FileId { generation: 8, ..FILE };
    ledger.open(next, 5).unwrap();
    assert_eq!(ledger.sent(FILE, 30, batch), Err(LedgerError::Stale { file: FILE }));
    ledger.acknowledge(batch).unwrap();
    assert_eq!(ledger.commit(next), Ok(5));
    let mut told = Vec::new();
    ledger.commits(|file, offset| told.push((file, offset)));
    assert!(told.is_empty());
    ledger.close(next);
    assert!(ledger.commit(next).is_err());
}

#[test]
fn records_out_of_order_and_batches_that_are_not_open_are_refused() {
    let mut ledger = Ledger::new();
    ledger.open(FILE, 10).unwrap();
    let (old, new) = (ledger.begin().unwrap(), ledger.begin().unwrap());
    ledger.sent(FILE, 20, new).unwrap();
    assert_eq!(ledger.sent(FILE, 19, new), Err(LedgerError::Order { end: 19, noted: 20 }));
    assert_eq!(ledger.skipped(FILE, 9), Err(LedgerError::Order { end: 9, noted: 20 }));
    assert_eq!(ledger.sent(FILE, 30, old), Err(LedgerError::Batch { batch: 0 }));
    ledger.acknowledge(new).unwrap();
    assert_eq!(ledger.acknowledge(new), Err(LedgerError::Batch { batch: 1 }));
    assert_eq!(ledger.sent(FILE, 30, new), Err(LedgerError::Batch { batch: 1 }));
    assert_eq!(ledger.acknowledge(Batch(99)), Err(LedgerError::Batch { batch: 99 }));
    assert_eq!(ledger.commit(FILE), Ok(20));
}

#[test]
fn the_bounds_on_files_and_batches_hold() {
    let mut ledger = Ledger::new();
    let slot = u32::try_from(FILES_MAX).unwrap();
    let over = FileId { slot, generation: 0 };
    assert_eq!(ledger.open(over, 0), Err(LedgerError::Slot { slot }));
    assert_eq!(ledger.commit(over), Err(LedgerError::Stale { file: over }));
    let first = ledger.begin().unwrap();
    for _ in 1..BATCHES_MAX {
        ledger.begin().unwrap();
    }
    assert_eq!(ledger.begin(), Err(LedgerError::Full));
    ledger.acknowledge(first).unwrap();
    assert!(ledger.begin().is_ok());
}

#[test]
fn r18_a_batch_that_waits_for_long_makes_no_list_of_what_came_after_it() {
    let mut ledger = Ledger::new();
    ledger.open(FILE, 0).unwrap();
    let stuck = ledger.begin().unwrap();
    ledger.sent(FILE, 1, stuck).unwrap();
    for end in 2..10_000 {
        let batch = ledger.begin().unwrap();
        ledger.sent(FILE, end, batch).unwrap();
        ledger.acknowledge(batch).unwrap();
        assert!(ledger.files[3].runs.len() <= 2);
    }
    assert_eq!(ledger.commit(FILE), Ok(0));
    ledger.acknowledge(stuck).unwrap();
    assert_eq!((ledger.commit(FILE), ledger.waiting()), (Ok(9_999), 0));
}

#[test]
fn several_sinks_agree_on_the_lowest_offset() {
    assert_eq!(lowest([30, 10, 20]), Some(10));
    assert_eq!(lowest([]), None);
}
