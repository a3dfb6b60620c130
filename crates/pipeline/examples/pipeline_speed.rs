//! What sampling, the ledger and a hand-over cost: `cargo run --release -p pipeline --example
//! pipeline_speed`. Input: nothing. Output: a line for each step, in nanoseconds.

#![expect(clippy::print_stdout, reason = "this is its output")]

use pipeline::deferred::{Deferred, Place};
use pipeline::hash;
use pipeline::ledger::{FileId, Ledger};
use pipeline::ring::{Limits, Mode, Next, Refused, ring};
use pipeline::sampling::{RateRule, Ratio, Rules, Sampler, Subject};
use std::hint::black_box;
use std::time::{Duration, Instant};

const RECORDS: u64 = 20_000;
const BLOCKS: u64 = 20_000;
const SECOND: u64 = 1_000_000_000;

fn time(name: &str, items: u64, mut run: impl FnMut()) {
    let mut best = f64::MAX;
    // The best of many short runs: those that nobody interrupted.
    for _ in 0..40 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_nanos() as f64 / items as f64);
    }
    println!("{name}: {best:.1} ns");
}

fn id(number: u64) -> [u8; 16] {
    (u128::from(hash::mix(number, 1)) << 64 | u128::from(hash::mix(number, 2))).to_be_bytes()
}

fn sample(name: &str, rules: &Rules, traces: u64, key: &[u8]) {
    let ids: Vec<[u8; 16]> = (0..traces).map(id).collect();
    let mut sampler = Sampler::new(rules, 7, 10 * SECOND);
    time(name, RECORDS, || {
        let mut kept = 0_u64;
        let mut next = ids.iter().cycle();
        for at in 0..RECORDS {
            let trace_id = next.next().copied().unwrap_or_default();
            let record_hash = hash::position(7, 1, at);
            // A million records a second.
            let now_ns = at * 1_000;
            let subject =
                Subject { now_ns, severity: 9, trace_id, key, record_hash, ..Subject::default() };
            kept += u64::from(sampler.decide(black_box(&subject)).keep);
        }
        black_box(kept);
    });
}

fn hand_over(consumers: usize) {
    time(&format!("hand-over of a block to {consumers} consumers"), BLOCKS, || {
        let (mut producer, subscriber) = ring::<Vec<u8>>(Limits::for_memory(8 << 20, 16));
        let threads: Vec<_> = (0..consumers)
            .map(|_| {
                let mut consumer = subscriber.subscribe(Mode::Lossless);
                std::thread::spawn(move || {
                    loop {
                        if let Next::Closed = consumer.next(Duration::from_secs(1)) {
                            return;
                        }
                    }
                })
            })
            .collect();
        for _ in 0..BLOCKS {
            let mut block = producer.buffer();
            while let Err(Refused::Full(back)) =
                producer.push(block, 256 << 10, Duration::from_secs(1))
            {
                block = back;
            }
        }
        drop(producer);
        for thread in threads {
            let _ = thread.join();
        }
    });
}

fn main() {
    let never = Rules::default();
    let ratio = Rules { ratio: Ratio::percent(10.0).unwrap_or(Ratio::ALL), ..never.clone() };
    let hot = Rules { hot_trace: Some(RateRule::HOT_TRACE), ..ratio.clone() };
    let all = Rules { hot_key: RateRule::new(20, 10), ..hot.clone() };
    sample("never-sample alone, a record", &never, 1_000, b"");
    sample("with a ratio of 10 %", &ratio, 1_000, b"");
    sample("with hot traces, 250,000 ids", &hot, 250_000, b"");
    sample("with hot traces, 1,000 ids that flood", &hot, 1_000, b"");
    sample("with hot traces and keys", &all, 250_000, b"/api/v1/orders");
    let mut deferred = Deferred::new(8 << 20, 10 * SECOND, 7);
    let ids: Vec<[u8; 16]> = (0..50_000).map(id).collect();
    time("remember a dropped line", RECORDS, || {
        let mut next = ids.iter().cycle();
        for at in 0..RECORDS {
            let trace = next.next().copied().unwrap_or_default();
            let place = Place { file: 1, offset: at * 258, length: 258 };
            let _ = black_box(deferred.remember(&trace, place, at * 1_000));
        }
    });
    time("note a record in the ledger", RECORDS, || {
        let (mut ledger, file) = (Ledger::new(), FileId { slot: 1, generation: 1 });
        let _ = ledger.open(file, 0);
        let mut batch = ledger.begin().ok();
        for at in 0..RECORDS {
            if let Some(open) = batch {
                let _ = black_box(ledger.sent(file, at * 258, open));
                if at % 1_000 == 999 {
                    let _ = ledger.acknowledge(open);
                    batch = ledger.begin().ok();
                }
            }
        }
    });
    hand_over(1);
    hand_over(2);
}
