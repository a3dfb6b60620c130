//! The order of the rules, the estimates, the summaries.

use super::*;
use crate::balance::Balance;
use proptest::prelude::*;
use std::collections::HashMap;

const SECOND: u64 = 1_000_000_000;

fn everything() -> Rules {
    Rules {
        never: vec![
            NeverSample::SeverityAtLeast(SEVERITY_ERROR),
            NeverSample::StatusAtLeast(STATUS_ERROR),
            NeverSample::Status(418),
            NeverSample::Marks(0b100),
        ],
        hot_trace: Some(RateRule::HOT_TRACE),
        hot_key: RateRule::new(20, 10),
        ratio: Ratio::percent(10.0).unwrap(),
    }
}

fn id(number: u64) -> [u8; 16] {
    let (high, low) = (hash::mix(number, 1), hash::mix(number, 2));
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

#[test]
fn r22_what_must_never_be_sampled_is_kept_whatever_the_flood() {
    let mut sampler = Sampler::new(&everything(), 7, SECOND);
    let flood = Subject { trace_id: id(1), key: b"k", record_hash: 5, ..Subject::default() };
    for _ in 0..1_000 {
        let _ = sampler.decide(&flood);
    }
    let forced = [
        Subject { severity: 17, ..flood },
        Subject { severity: 24, ..flood },
        Subject { status: 500, ..flood },
        Subject { status: 599, ..flood },
        Subject { status: 418, ..flood },
        Subject { marks: 0b110, ..flood },
    ];
    for subject in forced {
        let decision = sampler.decide(&subject);
        assert!(decision.keep && decision.rule == Rule::Never && decision.adjusted_count == 1.0);
        assert_eq!(decision.threshold, Threshold::NONE);
    }
    let plain = [
        Subject { severity: 16, ..flood },
        Subject { status: 499, ..flood },
        Subject { marks: 0b011, ..flood },
    ];
    for subject in plain {
        assert_ne!(sampler.decide(&subject).rule, Rule::Never);
    }
}

#[test]
fn r22_an_unknown_severity_or_status_is_never_an_error() {
    let never = vec![NeverSample::SeverityAtLeast(0), NeverSample::StatusAtLeast(0)];
    let sampler = Sampler::new(&Rules { never, ..Rules::default() }, 7, SECOND);
    assert!(!sampler.is_never_sampled(&Subject::default()));
    assert!(sampler.is_never_sampled(&Subject { severity: 1, ..Subject::default() }));
}

#[test]
fn r22_the_rules_are_asked_in_their_order() {
    let mut sampler = Sampler::new(&everything(), 7, SECOND);
    let mut seen = HashMap::<Rule, usize>::new();
    let subject = Subject { trace_id: id(1), key: b"k", ..Subject::default() };
    for _ in 0..5 {
        // Within both bursts the ratio decides.
        *seen.entry(sampler.decide(&subject).rule).or_default() += 1;
    }
    assert_eq!(seen, HashMap::from([(Rule::Ratio, 5)]));
    // The trace floods before the key does, and its drops are not counted for the key.
    let rules: Vec<_> = (0..100).map(|_| sampler.decide(&subject).rule).collect();
    assert!(rules.iter().filter(|rule| **rule == Rule::HotTrace).count() >= 90);
    assert!(!rules.contains(&Rule::HotKey));
    // Another trace each time: the key floods.
    let mut other = subject;
    let rules: Vec<_> = (0..100)
        .map(|at| {
            other.trace_id = id(100 + at);
            sampler.decide(&other).rule
        })
        .collect();
    assert!(rules.iter().filter(|rule| **rule == Rule::HotKey).count() >= 80);
}

#[test]
fn r22_records_without_a_trace_do_not_fall_into_one_bucket() {
    let rules = Rules { ratio: Ratio::percent(50.0).unwrap(), ..Rules::default() };
    let mut sampler = Sampler::new(&rules, 7, SECOND);
    let mut share = |hash_of: &dyn Fn(u64) -> u64| {
        let kept = (0..10_000).filter(|at| {
            sampler.decide(&Subject { record_hash: hash_of(*at), ..Subject::default() }).keep
        });
        kept.count()
    };
    // No hash, the hash of equal (also empty) lines at other places, plain numbers.
    for hash_of in [&(|_| 0_u64) as &dyn Fn(u64) -> u64, &|at| hash::position(1, 2, at), &|at| at] {
        let kept = share(hash_of);
        assert!((4_700..5_300).contains(&kept), "{kept}");
    }
}

#[test]
fn r22_a_record_that_is_read_again_is_decided_the_same_way() {
    let rules = Rules { ratio: Ratio::percent(30.0).unwrap(), ..Rules::default() };
    let decide = || {
        let mut sampler = Sampler::new(&rules, 7, SECOND);
        let decide = |at| {
            let record_hash = hash::position(7, 3, at);
            sampler.decide(&Subject { record_hash, ..Subject::default() }).keep
        };
        (0..500).map(decide).collect::<Vec<_>>()
    };
    assert_eq!(decide(), decide());
}

/// The estimate of R25: a mix of quiet and flooding traces and keys, over several windows.
fn estimate(rules: &Rules, records: u64, traces: u64, seed: u64) -> (f64, f64, Balance) {
    let mut sampler = Sampler::new(rules, seed, SECOND);
    let (mut truth, mut estimate, mut balance) = (0.0, 0.0, Balance::default());
    let keys: Vec<Vec<u8>> = (0..50_u8).map(|key| vec![b'k', key]).collect();
    for at in 0..records {
        // The square makes few traces hot and many quiet.
        let random = hash::mix(at, seed ^ 99);
        let spread = (random >> 40) as f64 / (1_u64 << 24) as f64;
        let trace = (spread * spread * traces as f64) as u64;
        let key = &keys[usize::try_from(random % 50).unwrap()];
        let subject = Subject {
            now_ns: at * 20 * SECOND / records,
            severity: if random.is_multiple_of(200) { 17 } else { 9 },
            trace_id: if random.is_multiple_of(4) { [0; 16] } else { id(trace) },
            key: if random.is_multiple_of(3) { key } else { b"" },
            record_hash: hash::position(seed, 1, at),
            ..Subject::default()
        };
        truth += 1.0;
        let decision = sampler.decide(&subject);
        if decision.keep {
            balance.kept(1);
            estimate += decision.adjusted_count;
        } else {
            balance.dropped(decision.rule, 1);
        }
    }
    (truth, estimate, balance)
}

#[test]
fn r25_adjusted_counts_add_up_to_the_truth_within_one_percent() {
    for (rules, seed) in [
        (Rules { ratio: Ratio::ALL, ..everything() }, 1),
        (Rules { ratio: Ratio::percent(50.0).unwrap(), hot_key: None, ..everything() }, 2),
        (
            Rules {
                ratio: Ratio::percent(10.0).unwrap(),
                hot_trace: None,
                hot_key: None,
                ..everything()
            },
            3,
        ),
    ] {
        let (truth, estimate, balance) = estimate(&rules, 2_000_000, 400_000, seed);
        let error = (estimate / truth - 1.0).abs();
        assert!(error < 0.01, "{estimate} for {truth}");
        assert!(balance.is_exact() && balance.sampled_out_total() > 100_000, "{balance:?}");
    }
}

#[test]
fn r25_floods_that_end_anywhere_are_estimated_without_bias() {
    let rules = Rules { hot_trace: Some(RateRule::HOT_TRACE), ..Rules::default() };
    let mut sampler = Sampler::new(&rules, 11, SECOND);
    for records in [6_u64, 7, 12, 15, 24] {
        let (mut estimate, traces) = (0.0, 20_000_u64);
        for trace in 0..traces {
            // A few traces a window, so that none takes the place of another.
            let subject = Subject {
                now_ns: trace / 20 * SECOND,
                trace_id: id(trace + records * 1_000_000),
                ..Subject::default()
            };
            for _ in 0..records {
                let decision = sampler.decide(&subject);
                estimate += if decision.keep { decision.adjusted_count } else { 0.0 };
            }
        }
        let truth = (records * traces) as f64;
        assert!((estimate / truth - 1.0_f64).abs() < 0.01, "{estimate} for {truth}");
    }
}

#[test]
fn r25_a_summary_has_exact_sums_and_names_what_was_dropped_most() {
    let rules = Rules { ratio: Ratio::ALL, hot_key: RateRule::new(1, 10), ..everything() };
    let mut sampler = Sampler::new(&rules, 7, 10 * SECOND);
    assert_eq!(sampler.summary(0), None);
    let mut dropped = 0;
    for at in 0..10_000_u64 {
        let key = if at % 2 == 0 { "loud".to_owned() } else { format!("quiet-{}", at % 500) };
        let subject =
            Subject { now_ns: at * SECOND / 1_000, key: key.as_bytes(), ..Subject::default() };
        dropped += u64::from(!sampler.decide(&subject).keep);
    }
    assert_eq!(sampler.summary(10 * SECOND - 1), None);
    let summary = sampler.summary(10 * SECOND).unwrap();
    assert_eq!((summary.from_ns, summary.to_ns), (0, 10 * SECOND));
    let rule = |wanted| summary.rules.iter().find(|rule| rule.rule == wanted).unwrap();
    let (key, ratio) = (rule(Rule::HotKey), rule(Rule::Ratio));
    assert_eq!((key.kept, key.dropped), (10_000 - dropped, dropped));
    assert_eq!((ratio.kept, ratio.dropped), (10_000 - dropped, 0), "what the rate let pass");
    let top = &key.top;
    assert!(top.len() <= summary::TOP_KEYS);
    assert_eq!(top[0].key, b"loud");
    // 500 a second, of which 1 and a tenth of the rest are kept, ten times.
    assert!(top[0].dropped - top[0].error <= 4_500 && top[0].dropped >= 4_490, "{top:?}");
    // Nothing happened since.
    assert!(sampler.last_summary(11 * SECOND).rules.is_empty());
}

#[test]
fn r25_a_key_is_shown_up_to_the_bound_and_the_sketch_does_not_grow() {
    let rules = Rules { hot_key: RateRule::new(1, 1_000), ..Rules::default() };
    let mut sampler = Sampler::new(&rules, 7, SECOND);
    for at in 0..5_000_u64 {
        let key = format!("{:0200}", at % 1_000);
        let _ = sampler.decide(&Subject { key: key.as_bytes(), ..Subject::default() });
    }
    assert!(sampler.memory() < 600 << 10);
    let summary = sampler.last_summary(0);
    assert!(summary.rules.iter().all(|rule| rule.top.len() <= summary::TOP_KEYS));
    let keys = summary.rules.iter().flat_map(|rule| &rule.top);
    assert!(
        keys.clone().count() > 0 && keys.clone().all(|top| top.key.len() == summary::KEY_BYTES_MAX)
    );
}

proptest! {
    /// Every key with more than its share of the drops is found, and its count is bounded.
    #[test]
    fn r25_the_sketch_finds_every_heavy_key(
        offers in proptest::collection::vec(0..400_u64, 0..4_000), heavy in 0..5_u64,
    ) {
        let rules = Rules { hot_key: RateRule::new(1, 1_000), ..Rules::default() };
        let mut sampler = Sampler::new(&rules, 7, SECOND);
        let mut truth = HashMap::<u64, u64>::new();
        for (at, offer) in offers.iter().enumerate() {
            let key = if at % 3 == 0 { heavy } else { *offer };
            let subject = Subject { key: &key.to_be_bytes(), ..Subject::default() };
            if !sampler.decide(&subject).keep {
                *truth.entry(key).or_default() += 1;
            }
        }
        let summary = sampler.last_summary(0);
        let rule = summary.rules.iter().find(|rule| rule.rule == Rule::HotKey);
        let (top, dropped) = rule.map_or((&[][..], 0), |rule| (&rule.top[..], rule.dropped));
        for entry in top {
            let key = u64::from_be_bytes(entry.key[..].try_into().unwrap());
            let exact = truth.get(&key).copied().unwrap_or(0);
            prop_assert!(entry.dropped >= exact && entry.dropped - entry.error <= exact);
        }
        let loudest = truth.iter().max_by_key(|(_, count)| **count);
        if let Some((key, count)) = loudest && *count > dropped / 8 && *count > 1 {
            prop_assert!(top.iter().any(|entry| entry.key == key.to_be_bytes()));
        }
    }
}
