//! When a sink sends, on a clock that jumps whenever everybody waits.

use super::*;
use crate::block::{Origin, Source};
use crate::config::{Batch as Filled, FileSink};
use lines::{Record, Records};
use pipeline::ring::{Limits, Mode, Producer, ring};

/// A sink that writes to a file, with this wait for a batch.
fn task(dir: &std::path::Path, wait: Duration) -> (Producer<Block>, SinkTask) {
    let (mut producer, subscriber) = ring(Limits::for_memory(1 << 24, 8));
    let state = Arc::new(State::open(&dir.join("state")).unwrap());
    let letters = Mutex::new(DeadLetters::open(&state, 1 << 20).unwrap());
    let file = FileSink {
        path: dir.join("out"),
        format: Format::Text,
        rotate_bytes: 0,
        rotate_keep: 0,
        fsync: false,
    };
    let task = SinkTask {
        sink: Sink {
            name: "s".to_owned(),
            kind: SinkKind::File(file),
            batch: Filled { wait, ..Filled::default() },
        },
        consumer: subscriber.subscribe(Mode::Lossless),
        moves: Arc::default(),
        numbers: Arc::new(SinkNumbers::new("s")),
        letterbox: Arc::new(Letterbox { state, letters }),
        swap: Arc::default(),
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
    let source = Source { file, serial: 1, origin: Arc::new(Origin::default()), base: 0 };
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
        let (mut producer, task) = task(dir.path(), wait);
        let numbers = task.numbers.clone();
        let quiet_until = quiet.map(|quiet| Instant::now() + quiet);
        producer.try_push(block(quiet_until), 100).unwrap();
        let mut sink = std::pin::pin!(run(task));
        for (time, sent) in [(wait / 2, at_once), (wait, true)] {
            // It ends with its producer only.
            assert!(tokio::time::timeout(time, &mut sink).await.is_err());
            assert_eq!(numbers.sent.get() == 1, sent, "{quiet:?}");
        }
    }
}
