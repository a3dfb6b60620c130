//! When a sink sends, on a clock that jumps whenever everybody waits.

use super::*;
use crate::block::{Origin, Source};
use crate::config::{Batch as Filled, FileSink, Format, Members, SinkKind};
use lines::{Record, Records};
use pipeline::ring::{Limits, Mode, Producer, ring};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A sink that writes lines to this file, with this wait for a batch.
fn sink(path: PathBuf, format: Format, wait: Duration) -> Sink {
    let file = FileSink { path, format, rotate_bytes: 0, rotate_keep: 0, fsync: false };
    let batch = Filled { wait, ..Filled::default() };
    Sink { name: "s".to_owned(), kind: SinkKind::File(file), batch }
}

/// What that sink is given.
fn task(dir: &Path) -> (Producer<Block>, SinkTask) {
    let (mut producer, subscriber) = ring(Limits::for_memory(1 << 24, 8));
    let state = Arc::new(State::open(&dir.join("state")).unwrap());
    let letters = Mutex::new(DeadLetters::open(&state, 1 << 20, ["s"]).unwrap());
    let task = SinkTask {
        consumer: subscriber.subscribe(Mode::Lossless),
        moves: Arc::default(),
        numbers: Arc::new(SinkNumbers::new("s")),
        letterbox: Arc::new(Letterbox { state, letters }),
        swap: Arc::default(),
        last_call: CancellationToken::new(),
        abandon: CancellationToken::new(),
        closed_output: CancellationToken::new(),
        say: Say::new(Arc::default()),
    };
    producer.look();
    (producer, task)
}

/// A block with one record, after which nothing comes before then.
fn block(quiet_until: Option<Instant>) -> Block {
    let mut records = Records::new();
    let body = records.push_text("x");
    records.push(&Record { body, ..Record::default() });
    let file = FileId { slot: 0, generation: 0 };
    let source = Source { file, serial: 1, origin: Arc::new(Origin::new([], "/p", None)), base: 0 };
    let quiet_until = quiet_until.map(Instant::into_std);
    Block { records, sources: vec![source], quiet_until, ..Block::default() }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_not_waited_for_when_nothing_will_join_it_before_it_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let wait = Duration::from_secs(60);
    for (quiet, at_once) in [
        (None, false),
        (Some(wait - Duration::from_secs(1)), false),
        (Some(wait), true),
        (Some(2 * wait), true),
    ] {
        let (mut producer, task) = task(dir.path());
        let to = Current::new(sink(dir.path().join("out"), Format::Text, wait)).unwrap();
        let numbers = task.numbers.clone();
        let quiet_until = quiet.map(|quiet| Instant::now() + quiet);
        producer.try_push(block(quiet_until), 100).unwrap();
        let mut sink = std::pin::pin!(run(to, task));
        for (time, sent) in [(wait / 2, at_once), (wait, true)] {
            // It ends with its producer only.
            assert!(tokio::time::timeout(time, &mut sink).await.is_err());
            assert_eq!(numbers.sent.get() == 1, sent, "{quiet:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r30_from_a_reload_on_records_are_written_as_the_new_config_says() {
    let dir = tempfile::tempdir().unwrap();
    let wait = Duration::from_secs(1);
    let said = |path: &str, members| sink(dir.path().join(path), Format::Json(members), wait);
    // A directory: nothing can be written to it, so the first batch waits for another sink.
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let (mut producer, task) = task(dir.path());
    let to = Current::new(said("folder", Members::BODY)).unwrap();
    let swap = task.swap.clone();
    let mut sink = std::pin::pin!(run(to, task));
    let lines = || std::fs::read_to_string(dir.path().join("out")).unwrap_or_default();
    let (old, new) = ("{\"body\":\"x\"}\n", "{\"resource\":{}}\n");
    let mut push = || assert!(producer.try_push(block(None), 100).is_ok());
    push();
    assert!(tokio::time::timeout(10 * wait, &mut sink).await.is_err());
    assert_eq!(lines(), "");
    swap.set(said("out", Members::RESOURCE));
    // What was written already stays as it is; neither that nor its memory serves again.
    for wanted in [old.to_owned(), [old, new].concat(), [old, new, new].concat()] {
        assert!(tokio::time::timeout(100 * wait, &mut sink).await.is_err());
        assert_eq!(lines(), wanted);
        push();
    }
}

#[tokio::test(start_paused = true)]
async fn r30_a_sink_that_does_not_hang_comes_for_another_place_also_while_it_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
    let to = |path: &str| sink(dir.path().join(path), Format::Text, hour);
    let (mut producer, task) = task(dir.path());
    let swap = task.swap.clone();
    let mut running = std::pin::pin!(run(Current::new(to("0")).unwrap(), task));
    for place in ["1", "2"] {
        assert!(tokio::time::timeout(second, &mut running).await.is_err());
        swap.set(to(place));
        assert!(tokio::time::timeout(second, &mut running).await.is_err());
        assert!(!swap.is_waiting(), "{place}");
        // Then it has a record, which waits for others.
        producer.try_push(block(None), 100).unwrap();
    }
}
