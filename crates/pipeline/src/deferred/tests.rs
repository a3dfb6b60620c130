//! Lines of traces that had an error later, against a list that forgets nothing.

use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const KEEP: u64 = 32 * SECOND;

fn id(number: u8) -> [u8; 16] {
    [number + 1; 16]
}

fn place(at: u64) -> Place {
    Place { file: u32::try_from(at % 3).unwrap(), offset: at * 100, length: 80 }
}

#[test]
fn r26_an_error_fetches_all_lines_of_its_trace_and_of_no_other() {
    let mut deferred = Deferred::new(1 << 20, KEEP, 1);
    for at in 0..300 {
        let noted = deferred.remember(&id((at % 3) as u8), place(at), at);
        assert_eq!(noted, Noted::Remembered);
    }
    let mut places = Vec::new();
    assert_eq!(deferred.recall(&id(1), 300, &mut places), 0);
    let mut expected: Vec<_> = (0..300).filter(|at| at % 3 == 1).map(place).collect();
    expected.sort();
    assert_eq!(places, expected);
    assert_eq!(deferred.misses(), Misses::default());
    // They are fetched once, and what follows is wanted until the time is over.
    assert_eq!(deferred.recall(&id(1), 300, &mut places), 0);
    assert_eq!(places.len(), 100);
    assert!(deferred.is_wanted(&id(1), 301) && !deferred.is_wanted(&id(2), 301));
    assert_eq!(deferred.remember(&id(1), place(1), 301), Noted::Wanted);
    assert!(deferred.is_wanted(&id(1), 299 + KEEP) && !deferred.is_wanted(&id(1), 300 + KEEP));
    assert_eq!(deferred.remember(&id(1), place(1), 300 + KEEP), Noted::Remembered);
}

#[test]
fn r26_lines_that_are_too_old_are_not_fetched() {
    let mut deferred = Deferred::new(1 << 20, KEEP, 1);
    let _ = deferred.remember(&id(1), place(1), 0);
    let _ = deferred.remember(&id(1), place(2), 20 * SECOND);
    let mut places = Vec::new();
    assert_eq!(deferred.recall(&id(1), 40 * SECOND, &mut places), 1);
    assert_eq!(places, [place(2)]);
    assert_eq!(deferred.misses().lines, 1);
}

#[test]
fn r26_the_memory_is_a_cap_and_what_it_pushes_out_is_counted() {
    let cap = 96 << 10;
    let mut deferred = Deferred::new(cap, KEEP, 1);
    assert!(deferred.memory() <= cap, "{}", deferred.memory());
    let lines = deferred.lines.len() as u64;
    for at in 0..lines + 500 {
        let _ = deferred.remember(&id(1), place(at), 5);
    }
    let mut places = Vec::new();
    let missed = deferred.recall(&id(1), 6, &mut places);
    // One error fetches a bounded number, the newest ones.
    let fetched = (RECALL_MAX as u64).min(lines);
    assert_eq!((places.len() as u64, missed), (fetched, lines + 500 - fetched));
    assert!(places.contains(&place(lines + 499)) && !places.contains(&place(0)));
    assert_eq!(deferred.misses().lines, missed);
}

#[test]
fn r26_traces_without_room_push_out_the_oldest_and_are_counted() {
    let mut deferred = Deferred::new(0, KEEP, 1);
    for at in 0..10_000_u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&at.to_le_bytes());
        let _ = deferred.remember(&id, place(at), 5);
    }
    assert!(deferred.misses().traces > 8_000 && deferred.misses().traces < 10_000);
}

#[test]
fn r26_a_place_that_does_not_fit_is_counted() {
    let mut deferred = Deferred::new(1 << 20, KEEP, 1);
    let most = Place {
        file: u32::MAX,
        offset: OFFSET_END - 1,
        length: u32::try_from(LENGTH_END).unwrap() - 1,
    };
    assert_eq!(deferred.remember(&id(1), most, 0), Noted::Remembered);
    let far = Place { offset: OFFSET_END, ..most };
    assert_eq!(deferred.remember(&id(1), far, 0), Noted::Unfit);
    let long = Place { length: most.length + 1, ..most };
    assert_eq!(deferred.remember(&id(1), long, 0), Noted::Unfit);
    assert_eq!(deferred.misses().unfit, 2);
    let mut places = Vec::new();
    let _ = deferred.recall(&id(1), 1, &mut places);
    assert_eq!(places, [most]);
}

#[test]
fn r26_links_survive_the_end_of_the_numbers_that_they_hold() {
    let mut deferred = Deferred::new(1 << 20, KEEP, 1);
    deferred.next = (1 << 32) - 50;
    for at in 0..100 {
        let _ = deferred.remember(&id(1), place(at), 5);
    }
    let mut places = Vec::new();
    assert_eq!(deferred.recall(&id(1), 6, &mut places), 0);
    assert_eq!(places.len(), 100);
}

proptest! {
    #[test]
    fn r26_whatever_comes_nothing_foreign_is_fetched_and_every_line_is_fetched_or_missed(
        steps in proptest::collection::vec((0..12_u8, 0..4 * SECOND, 0..8_u8), 0..400),
    ) {
        let mut deferred = Deferred::new(0, KEEP, 3);
        let mut noted: Vec<(u8, u64, Place)> = Vec::new();
        let (mut now, mut at) = (0, 0);
        for (trace, pause, action) in steps {
            now += pause;
            at += 1;
            if action > 0 {
                if deferred.remember(&id(trace), place(at), now) == Noted::Remembered {
                    noted.push((trace, now, place(at)));
                }
                continue;
            }
            let mut places = Vec::new();
            let _ = deferred.recall(&id(trace), now, &mut places);
            let own = |entry: &&(u8, u64, Place)| entry.0 == trace;
            // Whatever is young enough is there; what is there is not much older.
            for entry in noted.iter().filter(own) {
                let age = now - entry.1;
                prop_assert!(age > KEEP || places.contains(&entry.2));
                prop_assert!(age <= KEEP + KEEP / 16 || !places.contains(&entry.2));
            }
            let known: Vec<_> = noted.iter().filter(own).map(|entry| entry.2).collect();
            prop_assert!(places.iter().all(|place| known.contains(place)));
            prop_assert!(places.is_sorted());
            noted.retain(|entry| entry.0 != trace);
        }
    }
}
