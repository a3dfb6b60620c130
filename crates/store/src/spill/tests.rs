//! R20: what is spilled comes back, in order, within bounds.

use super::*;
use proptest::prelude::*;

fn open(dir: &Path, bytes_max: u64) -> (State, Spill) {
    let state = State::open(dir).unwrap();
    let spill = Spill::open(&state, bytes_max).unwrap();
    (state, spill)
}

fn all(state: &State, spill: &mut Spill) -> Vec<(Frame, Token)> {
    std::iter::from_fn(|| spill.next(state).unwrap()).collect()
}

#[test]
fn r20_spilled_bytes_come_back_in_order_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (state, mut spill) = open(dir.path(), 100 << 20);
    let chunk = vec![7_u8; FRAME_BYTES_MAX];
    for number in 0..20_u64 {
        spill.push(&state, Path::new("/l/a"), number << 20, 1, &chunk).unwrap();
    }
    spill.sync(&state).unwrap();
    drop((state, spill));
    let (state, mut spill) = open(dir.path(), 100 << 20);
    let frames = all(&state, &mut spill);
    let starts: Vec<u64> = frames.iter().map(|(frame, _)| frame.start >> 20).collect();
    assert_eq!(starts, (0..20).collect::<Vec<_>>());
    assert!(frames.iter().all(|(frame, _)| frame.bytes == chunk && frame.flags == 1));
    // What was acknowledged does not come again and takes no room.
    spill.acknowledge(&state, frames[9].1).unwrap();
    let held = spill.stats().bytes;
    assert!(held < 13 << 20, "{held}");
    spill.push(&state, Path::new("/l/b"), 0, 0, b"last").unwrap();
    drop((state, spill));
    let (state, mut spill) = open(dir.path(), 100 << 20);
    let frames = all(&state, &mut spill);
    assert_eq!((frames.len(), frames[0].0.start >> 20), (11, 10));
    assert_eq!(frames[10].0.bytes, b"last");
    spill.acknowledge(&state, frames[10].1).unwrap();
    assert_eq!(spill.stats().bytes, 0);
    assert_eq!(all(&state, &mut spill), []);
}

#[test]
fn r20_the_spill_takes_no_more_than_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let size = (HEADER_BYTES + 4 + 100) as u64;
    let (state, mut spill) = open(dir.path(), size * 3);
    for _ in 0..3 {
        spill.push(&state, Path::new("/l/a"), 0, 0, &[1; 100]).unwrap();
    }
    let refused = spill.push(&state, Path::new("/l/a"), 0, 0, b"");
    assert!(matches!(refused, Err(StoreError::Full { .. })));
    assert_eq!((spill.stats().bytes, spill.stats().refused), (size * 3, 1));
    let frames = all(&state, &mut spill);
    spill.acknowledge(&state, frames[2].1).unwrap();
    let refused = spill.push(&state, Path::new("/l/a"), 0, 0, &vec![0; FRAME_BYTES_MAX + 1]);
    assert!(matches!(refused, Err(StoreError::Full { .. })));
    assert!(frames.len() == 3);
}

#[test]
fn r20_a_torn_end_hides_nothing_before_or_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    spill.push(&state, Path::new("/l/a"), 1, 0, b"one").unwrap();
    spill.push(&state, Path::new("/l/a"), 2, 0, b"two").unwrap();
    drop((state, spill));
    let segment = dir.path().join(name_of(1));
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &whole[..whole.len() - 1]).unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    spill.push(&state, Path::new("/l/a"), 3, 0, b"three").unwrap();
    let starts: Vec<u64> = all(&state, &mut spill).iter().map(|(f, _)| f.start).collect();
    assert_eq!(starts, [1, 3]);
    assert!(spill.stats().damaged_bytes > 0);
}

proptest! {
    #[test]
    fn no_segment_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        crate::fuzzing::spill_segment(&bytes);
    }

    #[test]
    fn a_frame_with_one_changed_byte_is_not_taken(at in 0..100_usize, by in 1..=255_u8) {
        let mut frame = encode(b"/l/a", 5, 0, &[3; 77]);
        let at = at % frame.len();
        frame[at] = frame[at].wrapping_add(by);
        prop_assert_eq!(decode(&frame).0, []);
    }
}
