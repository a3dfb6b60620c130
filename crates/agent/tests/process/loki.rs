//! What a real Loki (3.5, 3.7) does and a server of OTLP does not.

use super::support::{Desk, Sink, ask, lines};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use testkit::log_sink::{Keep, LogSinkOptions, Reply, Way};

/// A sink that decides how it answers and keeps all.
fn loki(answers: impl Fn(&[String]) -> Reply + Send + Sync + 'static) -> Sink {
    let answers = Some(Arc::new(move |_: usize, bodies: &[String]| answers(bodies)) as _);
    Sink::with(&LogSinkOptions { grpc: false, way: Way::Plain, keep: Keep::Records, answers })
}

fn config(sink: &Sink, more: &str) -> String {
    format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}}]\n\
         checkpoint_interval: 50ms\n\
         sinks:\n  - type: loki\n    name: s\n    endpoint: http://{}\n    \
         backoff_max: 200ms\n{more}",
        sink.address()
    )
}

/// A file of 5,000 lines with `one`, and one with `two`, each a stream of its own.
fn two_streams(sink: &Sink) -> Desk {
    let desk = Desk::new();
    let labels = "    labels_from: [log.file.path]\n    batch: {wait: 1s}\n";
    desk.config(&config(sink, labels));
    for (name, word) in [("a", "one"), ("b", "two")] {
        let text = lines(0, 5_000).replace('\n', &format!(" {word}\n"));
        desk.append(&format!("logs/{name}.log"), &text);
    }
    desk
}

/// Of a push of several streams Loki tells what became of the last one only, and the rest of what
/// it refuses is gone without a word.
#[test]
fn r20_each_push_to_loki_has_one_stream() {
    let is_mixed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_mixed);
    let sink = loki(move |bodies| {
        let of_a = bodies.iter().filter(|body| body.contains("one")).count();
        if of_a != 0 && of_a != bodies.len() {
            told.store(true, Ordering::SeqCst);
        }
        let poisoned = bodies.iter().any(|body| body.contains("POISON"));
        if poisoned { Reply::Status(400) } else { Reply::Take }
    });
    let desk = two_streams(&sink);
    desk.append("logs/b.log", "POISON two\n");
    let agent = desk.start();
    sink.until(10_000);
    // What is taken is counted a moment later.
    agent.until_status(&desk.path("state"), |status| {
        let sink = &status["sinks"][0];
        sink["sent"] == 10_000 && sink["quarantined"] == 1
    });
    assert!(!is_mixed.load(Ordering::SeqCst), "records of two streams were in one push");
    // What is counted for a file is what became of its own records.
    let metrics = ask(&desk.path("state"), "/metrics").unwrap();
    for (name, quarantined) in [("a", 0), ("b", 1)] {
        let file = desk.path(&format!("logs/{name}.log"));
        let series = |state: &str, count: u64| {
            format!(
                "orlop_agent_file_records{{file=\"{}\",sink=\"s\",state=\"{state}\"}} {count}",
                file.display()
            )
        };
        for line in [series("sent", 5_000), series("quarantined", quarantined)] {
            assert!(metrics.contains(&line), "no {line} in\n{metrics}");
        }
    }
    assert_eq!(agent.stop(), 0);
}

/// Loki limits the rate of each stream.
#[test]
fn a_stream_that_loki_does_not_take_now_holds_up_no_other() {
    let taken_of_b = AtomicUsize::new(0);
    let sink = loki(move |bodies| {
        let of_b = bodies.iter().filter(|body| body.contains("two")).count();
        let taken = taken_of_b.fetch_add(of_b, Ordering::SeqCst) + of_b;
        if taken < 5_000 && of_b == 0 { Reply::Status(429) } else { Reply::Take }
    });
    let desk = two_streams(&sink);
    let agent = desk.start();
    sink.until(10_000);
    assert_eq!(agent.stop(), 0);
}

/// A stream of Loki takes nothing that is an hour older than what it has, so after an outage a
/// file that is behind the others of its stream would be refused line by line.
#[test]
fn r20_what_loki_calls_too_far_behind_goes_to_a_stream_of_its_own() {
    // As Loki: of each push it tells how many it refuses, as often as they come where they came.
    let refused: Mutex<Vec<Vec<String>>> = Mutex::default();
    let sink = loki(move |bodies| {
        let late = bodies.iter().filter(|body| body.contains("late")).count();
        let mut refused = refused.lock().unwrap();
        if late == 0 || refused.iter().any(|known| known == bodies) {
            return Reply::Take;
        }
        if late == bodies.len() {
            refused.push(bodies.to_vec());
        }
        let all = bodies.len();
        let words = format!(
            "entry with timestamp 2026-11-28 00:57:55.58 +0000 UTC ignored, reason: 'entry too far \
             behind, entry timestamp is: 2026-11-28T00:57:55Z, oldest acceptable timestamp is: \
             2026-11-28T04:56:15Z',\nuser 'fake', total ignored: {late} out of {all} for stream: {{}}"
        );
        Reply::Said(400, words.leak())
    });
    let desk = Desk::new();
    desk.config(&config(&sink, "    batch: {wait: 1s}\n"));
    desk.append("logs/a.log", &lines(0, 3_000));
    desk.append("logs/b.log", &lines(3_000, 6_000).replace('\n', " late\n"));
    let agent = desk.start();
    sink.until(6_000);
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["sent"] == 6_000);
    assert_eq!(agent.stop(), 0);
    let records = sink.0.records();
    let parts: Vec<_> = records
        .iter()
        .map(|one| (one.body.contains("late"), one.resource.contains_key("orlop_late")))
        .collect();
    assert_eq!(parts.len(), 6_000);
    assert!(parts.iter().all(|(is_late, is_apart)| is_late == is_apart));
    let letters = std::fs::read_to_string(desk.path("state/dead-letter.jsonl")).unwrap();
    assert_eq!(letters, "");
}
