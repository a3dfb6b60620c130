//! The equation, under any order of what can happen to a record.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn r25_read_is_the_sum_of_what_became_of_it_per_file_and_in_total(
        steps in proptest::collection::vec((0..7_u8, 0..5_u32, 0..RULES, 0..9_u64), 0..200),
    ) {
        let mut balances = Balances::default();
        for (step, slot, rule, records) in steps {
            let balance = balances.file(slot);
            let rule = Rule::ALL[rule];
            let flying = records.min(balance.in_flight);
            match step {
                0 => balance.kept(records),
                1 => balance.dropped(rule, records),
                2 => balance.acknowledged(flying),
                3 => balance.put_aside(flying),
                4 => balance.too_large(flying),
                5 => {
                    let before = balance.sampled_out_total();
                    let moved = balance.recalled(rule, records);
                    prop_assert!(moved <= records);
                    prop_assert_eq!(balance.sampled_out_total(), before - moved);
                }
                _ => balances.forget(slot),
            }
            prop_assert!(balances.file(slot).is_exact());
            prop_assert!(balances.total().is_exact());
        }
    }
}

#[test]
fn r25_an_acknowledgement_of_more_than_was_sent_shows_as_an_imbalance() {
    let mut balance = Balance::default();
    balance.kept(1);
    balance.acknowledged(2);
    assert!(!balance.is_exact());
}

#[test]
fn r25_a_slot_over_the_bound_counts_in_the_total() {
    let mut balances = Balances::default();
    balances.file(u32::MAX).kept(3);
    assert_eq!(balances.total().read, 3);
}
