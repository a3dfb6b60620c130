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
        spill.push(&state, (Path::new("/l/a"), 7), number << 20, 1, &chunk).unwrap();
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
    spill.push(&state, (Path::new("/l/b"), 7), 0, 0, b"last").unwrap();
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
    let size = (HEADER_BYTES + 4 + FILE_BYTES + 100) as u64;
    let (state, mut spill) = open(dir.path(), size * 3);
    for _ in 0..3 {
        spill.push(&state, (Path::new("/l/a"), 7), 0, 0, &[1; 100]).unwrap();
    }
    let refused = spill.push(&state, (Path::new("/l/a"), 7), 0, 0, b"");
    assert!(matches!(refused, Err(StoreError::Full { .. })));
    assert_eq!((spill.stats().bytes, spill.stats().refused), (size * 3, 1));
    let frames = all(&state, &mut spill);
    spill.acknowledge(&state, frames[2].1).unwrap();
    let refused = spill.push(&state, (Path::new("/l/a"), 7), 0, 0, &vec![0; FRAME_BYTES_MAX + 1]);
    assert!(matches!(refused, Err(StoreError::Full { .. })));
    assert!(frames.len() == 3);
}

#[test]
fn r20_a_torn_end_hides_nothing_before_or_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    spill.push(&state, (Path::new("/l/a"), 7), 1, 0, b"one").unwrap();
    spill.push(&state, (Path::new("/l/a"), 7), 2, 0, b"two").unwrap();
    drop((state, spill));
    let segment = dir.path().join(name_of(1));
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &whole[..whole.len() - 1]).unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    spill.push(&state, (Path::new("/l/a"), 7), 3, 0, b"three").unwrap();
    let starts: Vec<u64> = all(&state, &mut spill).iter().map(|(f, _)| f.start).collect();
    assert_eq!(starts, [1, 3]);
    assert!(spill.stats().damaged_bytes > 0);
}

#[test]
fn r20_a_damaged_frame_hides_none_behind_it_and_its_bytes_are_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let size = (HEADER_BYTES + 4 + FILE_BYTES + 100) as u64;
    for damaged in [&[0][..], &[2], &[4], &[1, 2], &[0, 3], &[0, 1, 2, 3, 4]] {
        let (state, mut spill) = open(dir.path(), 1 << 20);
        let first = spill.next_number;
        for start in 0..5 {
            spill.push(&state, (Path::new("/l/a"), 7), start, 0, &[1; 100]).unwrap();
        }
        drop((state, spill));
        let segment = dir.path().join(name_of(first));
        let mut bytes = std::fs::read(&segment).unwrap();
        for at in damaged {
            bytes[at * usize::try_from(size).unwrap() + 60] ^= 1;
        }
        std::fs::write(&segment, &bytes).unwrap();
        let (state, mut spill) = open(dir.path(), 1 << 20);
        let frames = all(&state, &mut spill);
        let starts: Vec<u64> = frames.iter().map(|(frame, _)| frame.start).collect();
        let whole: Vec<u64> = (0..5).filter(|at| !damaged.contains(&(*at as usize))).collect();
        assert_eq!(starts, whole);
        assert_eq!(spill.stats().damaged_bytes, damaged.len() as u64 * size);
        // What follows comes, and all of it is let go.
        spill.push(&state, (Path::new("/l/a"), 7), 5, 0, b"more").unwrap();
        let more = all(&state, &mut spill);
        assert_eq!(more.len(), 1);
        for (_, token) in frames.iter().chain(&more) {
            spill.acknowledge(&state, *token).unwrap();
        }
        assert_eq!((spill.stats().bytes, all(&state, &mut spill).len()), (0, 0));
        assert_eq!(spill.stats().damaged_bytes, damaged.len() as u64 * size);
    }
}

#[test]
fn r20_a_segment_of_which_nothing_can_be_used_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name_of(3)), [7; 100]).unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    assert_eq!(all(&state, &mut spill), []);
    assert_eq!((spill.stats().damaged_bytes, spill.stats().bytes), (100, 0));
    drop((state, spill));
    let (state, mut spill) = open(dir.path(), 1 << 20);
    assert_eq!((all(&state, &mut spill), spill.stats().damaged_bytes), (Vec::new(), 0));
}

#[test]
fn r20_a_segment_that_could_not_be_begun_does_not_stop_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    // As when its name was made and could not be made durable.
    std::fs::write(dir.path().join(name_of(1)), "").unwrap();
    spill.push(&state, (Path::new("/l/a"), 7), 0, 0, b"x").unwrap_err();
    spill.push(&state, (Path::new("/l/a"), 7), 0, 0, b"x").unwrap();
    assert_eq!(all(&state, &mut spill).len(), 1);
}

#[test]
fn r20_a_crash_between_a_segment_that_went_and_the_place_of_the_rest_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for start in 0..3 {
        let (state, mut spill) = open(dir.path(), 1 << 20);
        spill.push(&state, (Path::new("/l/a"), 7), start, 0, b"x").unwrap();
    }
    let starts = |spill: &mut Spill, state: &State| -> Vec<u64> {
        all(state, spill).iter().map(|(frame, _)| frame.start).collect()
    };
    // Where the place would be made there is something that no file can take the place of.
    let in_the_way = dir.path().join("spill-acked.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    let tokens: Vec<Token> = all(&state, &mut spill).iter().map(|(_, token)| *token).collect();
    spill.acknowledge(&state, tokens[1]).unwrap_err();
    assert!(!spill.is_noted());
    drop((state, spill));
    // The next process misses nothing, and neither does the one after it.
    let (state, mut spill) = open(dir.path(), 1 << 20);
    assert_eq!((starts(&mut spill, &state), spill.stats().damaged_bytes), (vec![2], 0));
    spill.acknowledge(&state, tokens[2]).unwrap_err();
    assert_eq!(spill.stats().bytes, 0);
    drop((state, spill));
    let (state, mut spill) = open(dir.path(), 1 << 20);
    spill.push(&state, (Path::new("/l/a"), 7), 3, 0, b"x").unwrap();
    assert_eq!((starts(&mut spill, &state), spill.stats().damaged_bytes), (vec![3], 0));
    drop((state, spill));
    std::fs::remove_dir(&in_the_way).unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    let frames = all(&state, &mut spill);
    spill.acknowledge(&state, frames[0].1).unwrap();
    assert!(frames.len() == 1 && spill.is_noted());
}

#[test]
fn r20_what_is_behind_a_damaged_segment_comes_also_when_that_cannot_be_written_down() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name_of(1)), [7; 100]).unwrap();
    std::fs::create_dir(dir.path().join("spill-acked.new")).unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    spill.push(&state, (Path::new("/l/a"), 7), 0, 0, b"x").unwrap();
    assert_eq!((all(&state, &mut spill).len(), spill.stats().damaged_bytes), (1, 100));
}

#[test]
fn r20_frames_say_of_which_file_at_a_path_they_are_and_those_of_older_versions_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let longest = "/".repeat(PATH_BYTES_MAX);
    let (state, mut spill) = open(dir.path(), 1 << 20);
    for (path, file) in [("/l/a", 1), ("/l/a", u64::MAX), (&longest, 0)] {
        spill.push(&state, (Path::new(path), file), 0, 0, b"x").unwrap();
    }
    drop((state, spill));
    let segment = dir.path().join(name_of(1));
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.extend_from_slice(&encode(b"/l/a", 9, 0, b"old"));
    bytes.extend_from_slice(&encode(b"/l/a\0\x02\0\0\0\0\0\0\0", 10, 0, b"new"));
    std::fs::write(&segment, bytes).unwrap();
    let (state, mut spill) = open(dir.path(), 1 << 20);
    let frames = all(&state, &mut spill);
    let files: Vec<_> = frames.iter().map(|(frame, _)| frame.file).collect();
    assert_eq!(files, [Some(1), Some(u64::MAX), Some(0), None, Some(2)]);
    assert_eq!(frames[2].0.path, Path::new(&longest));
    assert!(frames[3].0.path == Path::new("/l/a") && frames[4].0.path == Path::new("/l/a"));
    // Each of them is let go up to its own end.
    for (_, token) in frames {
        assert!(spill.stats().bytes > 0);
        spill.acknowledge(&state, token).unwrap();
    }
    assert_eq!(spill.stats().bytes, 0);
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
        prop_assert_eq!(decode(&frame), []);
    }
}
