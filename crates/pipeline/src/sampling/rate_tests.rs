//! The table of floods: what passes, at the bounds and under collisions.

use super::*;
use proptest::prelude::*;

fn pass(table: &mut RateTable, hash: u64, now_ns: u64, records: usize) -> Vec<u16> {
    (0..records).filter_map(|_| table.admit(hash, now_ns)).collect()
}

#[test]
fn r24_a_table_has_512_kib() {
    assert_eq!(RateTable::new(RateRule::HOT_TRACE, 1).memory(), 512 << 10);
}

#[test]
fn r23_a_rule_has_a_burst_and_a_divisor_within_the_bounds() {
    assert_eq!(RateRule::new(5, 10), Some(RateRule::HOT_TRACE));
    assert!(RateRule::new(RULE_MAX, RULE_MAX).is_some());
    for (burst, one_in) in [(0, 1), (1, 0), (RULE_MAX + 1, 1), (1, RULE_MAX + 1)] {
        assert_eq!(RateRule::new(burst, one_in), None);
    }
}

#[test]
fn r24_a_collision_keeps_too_much_and_never_too_little() {
    let mut table = RateTable::new(RateRule::HOT_TRACE, 1);
    // Same place, other tags, taking turns: each takes the place over and begins at one.
    let (one, other) = (0x0001_0000, 0x0002_0000);
    let mut kept = 0;
    for _ in 0..100 {
        kept += usize::from(table.admit(one, 0).is_some());
        kept += usize::from(table.admit(other, 0).is_some());
    }
    assert_eq!(kept, 200);
}

#[test]
fn r24_counts_go_on_behind_the_largest_one() {
    for rule in
        [RateRule::HOT_TRACE, RateRule::new(1_000, 1_000).unwrap(), RateRule::new(1, 7).unwrap()]
    {
        let mut table = RateTable::new(rule, 1);
        let records = 200_000;
        let kept = pass(&mut table, 7, 0, records).len();
        let over = records - usize::from(rule.burst);
        let expected = usize::from(rule.burst) + over / usize::from(rule.one_in);
        assert!(kept.abs_diff(expected) <= 1, "{rule:?}: {kept} of {expected}");
    }
}

#[test]
fn r24_a_window_that_has_the_number_of_an_old_one_begins_anew() {
    let mut table = RateTable::new(RateRule::HOT_TRACE, 1);
    assert!(pass(&mut table, 7, 0, 1_000).len() < 120);
    assert_eq!(pass(&mut table, 7, WINDOWS * WINDOW_NS, 5), [1; 5]);
}

proptest! {
    #[test]
    fn r23_five_pass_and_then_exactly_every_tenth(
        hash in any::<u64>(), start in 0..1_u64 << 50, seed in any::<u64>(),
        windows in proptest::collection::vec(0..2_000_usize, 1..6),
    ) {
        let mut table = RateTable::new(RateRule::HOT_TRACE, seed);
        for (at, records) in windows.iter().enumerate() {
            let now = start + at as u64 * WINDOW_NS;
            let kept = pass(&mut table, hash, now, *records);
            let expected = (*records).min(5) + records.saturating_sub(5).div_ceil(10);
            prop_assert!(kept.len().abs_diff(expected) <= 1, "{} of {}", kept.len(), records);
            prop_assert!(kept.iter().take(5).all(|count| *count == 1));
            prop_assert!(kept.iter().skip(5).all(|count| *count == 10));
        }
    }

    /// Arrivals of many traces at random times, against a map that forgets nothing.
    #[test]
    fn r23_random_arrivals_of_many_traces_are_thinned_as_one_by_one(
        arrivals in proptest::collection::vec((0..20_u64, 0..3_u64), 0..3_000),
    ) {
        let mut arrivals = arrivals;
        arrivals.sort_by_key(|(_, second)| *second);
        let mut table = RateTable::new(RateRule::HOT_TRACE, 9);
        let mut seen = std::collections::HashMap::<(u64, u64), (usize, usize)>::new();
        for (trace, second) in arrivals {
            let kept = table.admit(hash::mix(trace, 3), second * WINDOW_NS).is_some();
            let entry = seen.entry((trace, second)).or_default();
            entry.0 += 1;
            entry.1 += usize::from(kept);
        }
        for (records, kept) in seen.into_values() {
            let expected = records.min(5) + records.saturating_sub(5).div_ceil(10);
            prop_assert!(kept.abs_diff(expected) <= 1);
        }
    }
}
