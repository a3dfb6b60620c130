//! Due times, classes of answers, pauses, and the search for bad records.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const POLICY: BatchPolicy = BatchPolicy { records_max: 10, bytes_max: 100, age_max_ns: 50 };

#[test]
fn a_batch_is_due_at_each_bound_and_not_before() {
    assert_eq!(POLICY.due(9, 99, 0, 49), None);
    assert_eq!(POLICY.due(10, 1, 0, 0), Some(Due::Records));
    assert_eq!(POLICY.due(1, 100, 0, 0), Some(Due::Bytes));
    assert_eq!(POLICY.due(1, 1, 10, 60), Some(Due::Age));
    assert_eq!(POLICY.due(0, 100, 0, 1_000), None);
    // A clock that goes back makes no batch due.
    assert_eq!(POLICY.due(1, 1, 10, 0), None);
    assert_eq!((POLICY.wait_ns(10, 30), POLICY.wait_ns(10, 90)), (30, 0));
}

#[test]
fn r20_every_status_has_a_class_and_only_three_touch_the_batch() {
    let asked = Some(Duration::from_secs(7));
    for status in 0..=999 {
        let class = classify_http(status, asked, "too large");
        let expected = match status {
            200..=299 => Class::Accepted,
            400 | 422 => Class::Poisoned,
            413 => Class::TooLarge,
            401 | 403 | 407 => Class::Denied,
            408 | 425 | 429 | 500..=599 => Class::Retry { after: asked },
            _ => Class::Misdirected,
        };
        assert_eq!(class, expected, "{status}");
    }
}

#[test]
fn r20_a_failure_of_http_is_about_size_only_when_its_words_are() {
    let of_size =
        "rpc error: code = ResourceExhausted desc = grpc: received message larger than max";
    for status in [429, 500, 502, 503] {
        assert_eq!(classify_http(status, None, of_size), Class::PerhapsTooLarge, "{status}");
    }
    for status in [408, 425, 500, 502, 503] {
        assert_eq!(classify_http(status, None, "busy"), Class::Retry { after: None }, "{status}");
    }
    let of_rate = "Ingestion rate limit exceeded for user fake (limit: 1048576 bytes/sec)";
    assert_eq!(classify_http(429, None, of_rate), Class::Exhausted);
}

#[test]
fn r20_every_grpc_code_has_a_class() {
    assert_eq!(classify_grpc(0, None, ""), Class::Accepted);
    assert_eq!(classify_grpc(3, None, ""), Class::Poisoned);
    let asked = Some(Duration::from_secs(7));
    for code in [8, 11] {
        assert_eq!(classify_grpc(code, asked, "too large"), Class::Retry { after: asked });
    }
    assert_eq!(classify_grpc(16, None, ""), Class::Denied);
    assert_eq!(classify_grpc(12, None, ""), Class::Misdirected);
    for code in [1, 2, 4, 6, 9, 10, 13, 14, 15, 17, u32::MAX] {
        assert_eq!(classify_grpc(code, None, ""), Class::Retry { after: None }, "{code}");
    }
}

#[test]
fn r20_an_exhausted_resource_or_range_is_a_size_only_when_the_message_says_so() {
    for message in [
        "grpc: received message larger than max (5000000 vs. 4194304)",
        "SERVER: Received message larger than max (5000000 vs. 4194304)",
        "gRPC message exceeds maximum size 4194304: 5000000",
        "Received message exceeds the maximum configured message size.",
        "Error, decoded message length too large: found 5000000 bytes",
        "Error decompressing: size limit, of 4194304 bytes, exceeded while decompressing message",
        "Received message that decompresses to a size larger than 4194304",
    ] {
        for code in [8, 11] {
            assert_eq!(classify_grpc(code, None, message), Class::TooLarge, "{message}");
        }
    }
    for message in ["", "rate limit exceeded", "ingestion rate limit (4 MB) exceeded", "quota"] {
        for code in [8, 11] {
            assert_eq!(classify_grpc(code, None, message), Class::Exhausted, "{message}");
        }
    }
}

#[test]
fn r20_a_pause_that_was_asked_for_is_read_and_bounded() {
    assert_eq!(retry_after_seconds(" 120 "), Some(Duration::from_secs(120)));
    assert_eq!(retry_after_seconds("99999999999999999999999"), Some(RETRY_AFTER_MAX));
    for odd in ["", "-1", "+1", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        assert_eq!(retry_after_seconds(odd), None);
    }
    let huge = Some(Duration::MAX);
    assert_eq!(classify_http(503, huge, ""), Class::Retry { after: Some(RETRY_AFTER_MAX) });
}

proptest! {
    #[test]
    fn r20_pauses_grow_to_the_bound_with_jitter_and_never_cut_what_was_asked(
        first in 1..5_000_u64, max in 5_000..100_000_u64,
        randoms in proptest::collection::vec(any::<u64>(), 1..80),
        asked in proptest::option::of(0..500_000_u64),
    ) {
        let (first, max) = (Duration::from_millis(first), Duration::from_millis(max));
        let asked = asked.map(Duration::from_millis);
        let mut backoff = Backoff::new(BackoffPolicy { first, max });
        for (at, random) in randoms.into_iter().enumerate() {
            let grown = first.saturating_mul(1 << at.min(31)).min(max);
            let pause = backoff.after_failure(asked, random);
            prop_assert!(pause >= grown / 2 && pause >= asked.unwrap_or_default());
            prop_assert!(pause <= grown.max(asked.unwrap_or_default() * 5 / 4));
        }
        backoff.succeeded();
        prop_assert!(backoff.failures() == 0 && backoff.after_failure(None, u64::MAX) <= first);
    }

    #[test]
    fn r20_bisecting_puts_aside_exactly_the_bad_records_in_few_requests(
        records in 1..2_000_usize, bad in proptest::collection::btree_set(0..2_000_usize, 0..20),
        again in proptest::collection::vec(0..40_u64, 0..5),
    ) {
        let bad: BTreeSet<usize> = bad.into_iter().filter(|at| *at < records).collect();
        let mut bisect = Bisect::new(0..records);
        let (mut put_aside, mut taken) = (BTreeSet::new(), Vec::new());
        let mut repeated = 0;
        while let Some(part) = bisect.next() {
            if again.contains(&bisect.requests()) {
                repeated += 1;
                prop_assert_eq!(bisect.report(Outcome::Again), Verdict::Continue);
                prop_assert_eq!(bisect.next(), Some(part));
                continue;
            }
            let poisoned = bad.range(part.clone()).next().is_some();
            let outcome = if poisoned { Outcome::Poisoned } else { Outcome::Accepted };
            if outcome == Outcome::Accepted {
                taken.extend(part);
            }
            if let Verdict::Quarantine(at) = bisect.report(outcome) {
                prop_assert!(put_aside.insert(at));
            }
        }
        prop_assert_eq!(&put_aside, &bad);
        let expected: Vec<usize> = (0..records).filter(|at| !bad.contains(at)).collect();
        prop_assert_eq!(&taken, &expected);
        prop_assert_eq!((bisect.accepted(), bisect.put_aside()), (taken.len(), bad.len()));
        let depth = u64::from(records.next_power_of_two().ilog2()) + 1;
        prop_assert!(bisect.requests() - repeated <= 1 + 2 * bad.len() as u64 * depth);
    }

    #[test]
    fn r20_a_batch_that_is_too_large_is_halved_until_it_fits(
        sizes in proptest::collection::vec(1..100_usize, 1..300), limit in 50..400_usize,
    ) {
        let mut bisect = Bisect::new(0..sizes.len());
        let (mut taken, mut over) = (0, 0);
        while let Some(part) = bisect.next() {
            let size: usize = sizes[part.clone()].iter().sum();
            let outcome = if size > limit { Outcome::TooLarge } else { Outcome::Accepted };
            taken += if size > limit { 0 } else { part.len() };
            if let Verdict::Oversize(at) = bisect.report(outcome) {
                prop_assert!(sizes[at] > limit);
                over += 1;
            }
        }
        prop_assert_eq!(taken + over, sizes.len());
    }
}

#[test]
fn an_empty_batch_has_nothing_to_send() {
    assert_eq!(Bisect::new(0..0).next(), None);
}
