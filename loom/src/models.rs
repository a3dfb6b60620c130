//! The models. Each body runs once for every interleaving; a lost wake-up is a deadlock, a slot
//! that two threads use at once is a race, a block that is never let go is a leak, and the checker
//! finds all three.

use crate::ring::{Consumer, Limits, Mode, Next, Refused, ring};
use crate::spsc;
use loom::future::block_on;
use loom::thread;
use std::time::Duration;

/// Every model, by what it proves.
pub(crate) const MODELS: &[(&str, fn())] = &[
    ("a_queue_gives_every_value_once_and_in_order", a_queue_gives_every_value_once_and_in_order),
    ("a_consumer_that_waits_is_woken_by_a_block_and_by_the_end", a_consumer_that_waits_is_woken_by_a_block_and_by_the_end),
    ("a_reader_that_waits_for_a_place_or_for_memory_is_woken", a_reader_that_waits_for_a_place_or_for_memory_is_woken),
    ("a_reader_that_waits_is_woken_when_the_sink_that_held_it_up_leaves", a_reader_that_waits_is_woken_when_the_sink_that_held_it_up_leaves),
    (
        "a_reader_that_waits_is_woken_when_a_sink_leaves_whose_blocks_another_one_holds",
        a_reader_that_waits_is_woken_when_a_sink_leaves_whose_blocks_another_one_holds,
    ),
    ("a_task_that_waits_is_woken_by_a_block_and_by_the_end", a_task_that_waits_is_woken_by_a_block_and_by_the_end),
    ("two_consumers_let_a_shared_block_go_exactly_once", two_consumers_let_a_shared_block_go_exactly_once),
    ("who_joins_while_the_producer_ends_sees_the_end", who_joins_while_the_producer_ends_sees_the_end),
    (
        "a_consumer_that_is_retired_while_it_waits_sees_what_it_has_and_then_the_end",
        a_consumer_that_is_retired_while_it_waits_sees_what_it_has_and_then_the_end,
    ),
    (
        "what_is_taken_back_while_its_consumer_takes_a_block_is_let_go_exactly_once",
        what_is_taken_back_while_its_consumer_takes_a_block_is_let_go_exactly_once,
    ),
    (
        "a_reader_that_waits_is_woken_when_what_it_waits_for_is_taken_back",
        a_reader_that_waits_is_woken_when_what_it_waits_for_is_taken_back,
    ),
    (
        "a_consumer_that_waits_sees_the_end_when_its_queue_is_taken_back",
        a_consumer_that_waits_sees_the_end_when_its_queue_is_taken_back,
    ),
];

const LONG: Duration = Duration::from_secs(60);

/// Every interleaving in which a thread is interrupted at most this often where it could go on.
/// Faults of this kind need two; with three the models still end within minutes.
const PREEMPTIONS_MAX: usize = 3;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(body);
}

fn limits(blocks_max: usize, bytes_max: u64) -> Limits {
    Limits { blocks_max, bytes_max, lossy_bytes_max: bytes_max / 2, free_bytes_max: 0 }
}

fn all(consumer: &mut Consumer<Vec<u64>>) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        match consumer.next(LONG) {
            Next::Block(block) => seen.extend_from_slice(&block),
            Next::Empty => {}
            Next::Closed => return seen,
        }
    }
}

fn a_queue_gives_every_value_once_and_in_order() {
    model(|| {
        let (mut pusher, mut popper) = spsc::queue::<Box<u64>>(2);
        let other = thread::spawn(move || {
            let mut pushed = 0;
            for at in 0..3 {
                if pusher.push(Box::new(at)).is_err() {
                    break;
                }
                pushed += 1;
            }
            pusher.leave();
            pushed
        });
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.extend(popper.pop());
        }
        let pushed = other.join().unwrap();
        assert!(popper.pusher_gone());
        while let Some(value) = popper.pop() {
            seen.push(value);
        }
        let seen: Vec<u64> = seen.into_iter().map(|value| *value).collect();
        assert_eq!(seen, (0..pushed).collect::<Vec<_>>());
    });
}

fn a_consumer_that_waits_is_woken_by_a_block_and_by_the_end() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(1, 100));
        let mut consumer = subscriber.subscribe(Mode::Lossless);
        let other = thread::spawn(move || all(&mut consumer));
        assert!(producer.try_push(vec![1], 10).is_ok());
        drop(producer);
        assert_eq!(other.join().unwrap(), [1]);
        assert_eq!(subscriber.live_bytes(), 0);
    });
}

fn a_reader_that_waits_for_a_place_or_for_memory_is_woken() {
    // One place in the queue, and room for one block.
    for limits in [limits(1, 100), limits(4, 20)] {
        model(move || {
            let (mut producer, subscriber) = ring::<Vec<u64>>(limits);
            let mut consumer = subscriber.subscribe(Mode::Lossless);
            let other = thread::spawn(move || {
                let mut seen = Vec::new();
                while seen.len() < 2 {
                    if let Next::Block(block) = consumer.next(LONG) {
                        seen.extend_from_slice(&block);
                    }
                }
                seen
            });
            for at in 0..2 {
                let mut block = vec![at];
                while let Err(Refused::Full(back)) = producer.push(block, 10, LONG) {
                    block = back;
                }
                assert!(subscriber.live_bytes() <= limits.bytes_max);
            }
            assert_eq!(other.join().unwrap(), [0, 1]);
        });
    }
}

fn a_reader_that_waits_is_woken_when_the_sink_that_held_it_up_leaves() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(1, 100));
        let consumer = subscriber.subscribe(Mode::Lossless);
        assert!(producer.try_push(vec![1], 10).is_ok());
        let other = thread::spawn(move || drop(consumer));
        while !producer.wait_for_room(10, LONG) {}
        other.join().unwrap();
        // Room is there as soon as its blocks are let go; that it left shows with the next look.
        assert!(producer.has_room(10));
        assert_eq!(producer.lossless_gone(), 1);
    });
}

fn a_reader_that_waits_is_woken_when_a_sink_leaves_whose_blocks_another_one_holds() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(1, 100));
        let consumer = subscriber.subscribe(Mode::Lossless);
        let mut holder = subscriber.subscribe(Mode::Lossless);
        assert!(producer.try_push(vec![1], 10).is_ok());
        let held = holder.try_next();
        let other = thread::spawn(move || drop(consumer));
        while !producer.wait_for_room(10, LONG) {}
        other.join().unwrap();
        drop(held);
    });
}

fn a_task_that_waits_is_woken_by_a_block_and_by_the_end() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(1, 100));
        let mut consumer = subscriber.subscribe(Mode::Lossless);
        let other = thread::spawn(move || {
            assert!(producer.try_push(vec![1], 10).is_ok());
        });
        let first = block_on(std::future::poll_fn(|context| consumer.poll_next(context)));
        assert_eq!(first.map(|block| block[0]), Some(1));
        let end = block_on(std::future::poll_fn(|context| consumer.poll_next(context)));
        assert!(end.is_none());
        other.join().unwrap();
    });
}

fn two_consumers_let_a_shared_block_go_exactly_once() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(2, 100));
        let mut sink = subscriber.subscribe(Mode::Lossless);
        let mut watcher = subscriber.subscribe(Mode::Lossy);
        assert!(producer.try_push(vec![1], 10).is_ok());
        let one = thread::spawn(move || drop(sink.try_next()));
        let other = thread::spawn(move || drop(watcher.try_next()));
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(subscriber.live_bytes(), 0);
    });
}

fn who_joins_while_the_producer_ends_sees_the_end() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(1, 100));
        let other = thread::spawn(move || {
            let _ = producer.has_room(1);
            drop(producer);
        });
        let mut late = subscriber.subscribe(Mode::Lossy);
        assert!(all(&mut late).is_empty());
        other.join().unwrap();
    });
}

fn a_consumer_that_is_retired_while_it_waits_sees_what_it_has_and_then_the_end() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(2, 100));
        let mut consumer = subscriber.subscribe(Mode::Lossless);
        let retirement = consumer.retirement();
        let other = thread::spawn(move || all(&mut consumer));
        assert!(producer.try_push(vec![1], 10).is_ok());
        retirement.retire();
        // It holds nobody up from here on, and is given nothing more.
        assert!(producer.try_push(vec![2], 10).is_ok_and(|told| told.lossless == 0));
        assert_eq!(other.join().unwrap(), [1]);
        assert_eq!(producer.lossless_gone(), 0);
    });
}

fn what_is_taken_back_while_its_consumer_takes_a_block_is_let_go_exactly_once() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(2, 20));
        let mut consumer = subscriber.subscribe(Mode::Lossless);
        let retirement = consumer.retirement();
        for at in 0..2 {
            assert!(producer.try_push(vec![at], 10).is_ok());
        }
        let other = thread::spawn(move || {
            let held = consumer.try_next();
            (consumer, held)
        });
        retirement.take_back();
        let (mut consumer, held) = other.join().unwrap();
        let is_held = matches!(held, Next::Block(_));
        assert_eq!(subscriber.live_bytes(), if is_held { 10 } else { 0 });
        assert!(producer.has_room(10));
        assert!(matches!(consumer.try_next(), Next::Closed));
        drop((consumer, held));
        assert_eq!((subscriber.live_bytes(), producer.lossless_gone()), (0, 0));
    });
}

fn a_reader_that_waits_is_woken_when_what_it_waits_for_is_taken_back() {
    // A block that only waits, and one that another consumer holds, too.
    for is_shared in [false, true] {
        model(move || {
            let (mut producer, subscriber) = ring::<Vec<u64>>(limits(1, 100));
            let consumer = subscriber.subscribe(Mode::Lossless);
            let mut holder = is_shared.then(|| subscriber.subscribe(Mode::Lossless));
            assert!(producer.try_push(vec![1], 10).is_ok());
            let held = holder.as_mut().map(Consumer::try_next);
            let retirement = consumer.retirement();
            let other = thread::spawn(move || retirement.take_back());
            while !producer.wait_for_room(10, LONG) {}
            other.join().unwrap();
            drop((held, consumer));
        });
    }
}

fn a_consumer_that_waits_sees_the_end_when_its_queue_is_taken_back() {
    model(|| {
        let (mut producer, subscriber) = ring::<Vec<u64>>(limits(1, 100));
        let mut consumer = subscriber.subscribe(Mode::Lossless);
        assert!(producer.try_push(vec![1], 10).is_ok());
        let retirement = consumer.retirement();
        let other = thread::spawn(move || all(&mut consumer));
        retirement.take_back();
        producer.look();
        let seen = other.join().unwrap();
        assert!(seen.is_empty() || seen == [1]);
        assert_eq!((subscriber.live_bytes(), producer.lossless_gone()), (0, 0));
    });
}
