//! The ring between threads: order, ends, ceilings. The interleavings are checked in `loom/`.

use super::*;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

/// Longer than any test takes: a wait that ends by it is a failure.
const LONG: Duration = Duration::from_secs(60);
const LIMITS: Limits =
    Limits { blocks_max: 4, bytes_max: 1_000, lossy_bytes_max: 200, free_bytes_max: 300 };

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

fn is_empty(next: &Next<Vec<u64>>) -> bool {
    matches!(next, Next::Empty)
}

#[test]
fn every_lossless_consumer_sees_every_block_in_order_and_then_the_end() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
    let consumers: Vec<_> = (0..3).map(|_| subscriber.subscribe(Mode::Lossless)).collect();
    let threads: Vec<_> = consumers
        .into_iter()
        .map(|mut consumer| std::thread::spawn(move || all(&mut consumer)))
        .collect();
    for at in 0..5_000 {
        let mut block = producer.buffer();
        block.clear();
        block.push(at);
        while let Err(Refused::Full(back)) = producer.push(block, 100, LONG) {
            block = back;
        }
    }
    drop(producer);
    for thread in threads {
        assert_eq!(thread.join().unwrap(), (0..5_000).collect::<Vec<_>>());
    }
    assert_eq!(subscriber.live_bytes(), 0);
    assert!(subscriber.free_bytes() <= LIMITS.bytes_max + LIMITS.free_bytes_max);
}

#[test]
fn b9_a_dead_sink_stops_the_reader_and_memory_stays_under_the_ceiling() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(Limits { blocks_max: 64, ..LIMITS });
    let mut dead = subscriber.subscribe(Mode::Lossless);
    let mut alive = subscriber.subscribe(Mode::Lossless);
    let mut pushed = 0;
    for at in 0..1_000 {
        match producer.try_push(vec![at], 90) {
            Ok(_) => pushed += 1,
            Err(refused) => assert_eq!(refused, Refused::Full(vec![at])),
        }
        // The other one works on; that alone gives no memory back.
        let _ = alive.try_next();
        assert!(subscriber.live_bytes() <= LIMITS.bytes_max);
    }
    assert_eq!((pushed, subscriber.live_bytes()), (11, 990));
    // A block counts as long as somebody holds it, not only while it is queued.
    let held = dead.try_next();
    assert!(matches!(held, Next::Block(_)));
    assert!(!producer.has_room(90));
    drop(held);
    assert!(producer.has_room(90));
    // When it goes away, the rest goes on.
    drop(dead);
    assert!(producer.has_room(LIMITS.block_bytes_max()) && producer.lossless_gone() == 1);
}

#[test]
fn a_queue_holds_as_many_blocks_as_the_bound() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
    let mut consumer = subscriber.subscribe(Mode::Lossless);
    for at in 0..4 {
        assert!(producer.try_push(vec![at], 1).is_ok());
    }
    assert_eq!((producer.depth(), producer.try_push(vec![4], 1)), (4, Err(Refused::Full(vec![4]))));
    assert!(matches!(consumer.try_next(), Next::Block(_)));
    assert!(producer.try_push(vec![4], 1).is_ok());
}

#[test]
fn a_dead_watcher_holds_nobody_up_and_what_it_misses_is_counted() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
    let mut sink = subscriber.subscribe(Mode::Lossless);
    let mut watcher = subscriber.subscribe(Mode::Lossy);
    for at in 0..100 {
        let delivered = producer.try_push(vec![at], 100).unwrap();
        assert_eq!(delivered.lossless, 1);
        assert!(matches!(sink.try_next(), Next::Block(_)));
        assert!(subscriber.live_bytes() <= LIMITS.lossy_bytes_max);
    }
    // Two blocks fit its share of the memory.
    assert_eq!(watcher.missed(), 98);
    assert!(producer.has_room(LIMITS.block_bytes_max()));
    drop(producer);
    assert_eq!(all(&mut watcher), [0, 1]);
    drop(watcher);
    assert_eq!(subscriber.live_bytes(), 0);
}

#[test]
fn a_block_that_would_never_fit_is_refused_and_the_largest_one_fits() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
    let mut watcher = subscriber.subscribe(Mode::Lossy);
    assert!(producer.try_push(vec![1], 200).is_ok());
    let most = LIMITS.block_bytes_max();
    let refused = producer.push(vec![2], most + 1, LONG);
    assert_eq!(refused, Err(Refused::TooLarge(vec![2])));
    // Even while a watcher holds all that watchers may hold.
    assert_eq!(producer.try_push(vec![3], most).map(|delivered| delivered.missed), Ok(1));
    assert!(matches!(watcher.try_next(), Next::Block(_)));
}

#[test]
fn limits_of_a_ceiling_never_sum_to_more() {
    for memory in [0, 1, 7, 8, 1_000, 32 << 20, u64::MAX] {
        let limits = Limits::for_memory(memory, 16);
        assert!(limits.bytes_max.checked_add(limits.free_bytes_max).unwrap() <= memory);
        assert!(limits.lossy_bytes_max <= limits.bytes_max / 4);
    }
}

#[test]
fn a_run_of_blocks_is_used_again_and_at_rest_few_of_them_wait() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(Limits { blocks_max: 16, ..LIMITS });
    let mut sink = subscriber.subscribe(Mode::Lossless);
    let mut held = Vec::new();
    for at in 0..10 {
        assert!(producer.try_push(Vec::with_capacity(10 + at), 100).is_ok());
        held.push(sink.try_next());
    }
    assert!(!producer.has_room(1));
    held.clear();
    assert_eq!(subscriber.free_bytes(), 1_000);
    // Those that were made before are used; none is made anew.
    for _ in 0..10 {
        let block = producer.buffer();
        assert!(block.capacity() >= 10);
        assert!(producer.try_push(block, 100).is_ok());
        held.push(sink.try_next());
    }
    held.truncate(6);
    assert_eq!((subscriber.live_bytes(), subscriber.free_bytes()), (600, 400));
    assert_eq!(producer.bytes(), 1_000);
    producer.rest();
    assert_eq!(subscriber.free_bytes(), 300);
    // What comes back now is let go, too.
    held.clear();
    assert_eq!((subscriber.live_bytes(), subscriber.free_bytes()), (0, 300));
    let capacities: Vec<_> = (0..4).map(|_| producer.buffer().capacity()).collect();
    assert!(capacities[..3].iter().all(|capacity| *capacity >= 10) && capacities[3] == 0);
    assert_eq!(subscriber.free_bytes(), 0);
}

#[test]
fn what_is_alive_and_what_waits_keep_to_the_ceiling_together() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(Limits { blocks_max: 16, ..LIMITS });
    let mut sink = subscriber.subscribe(Mode::Lossless);
    // Blocks that were not used before, pushed while all others wait.
    for round in 0..20 {
        let mut held = Vec::new();
        while producer.has_room(90) {
            assert!(producer.try_push(vec![round], 90).is_ok());
            held.push(sink.try_next());
            let sum = subscriber.live_bytes() + subscriber.free_bytes();
            assert!(sum <= LIMITS.bytes_max + LIMITS.free_bytes_max, "{sum} in round {round}");
        }
        assert_eq!(held.len(), 11);
    }
    assert_eq!(subscriber.free_bytes(), 1_260);
}

#[test]
fn a_block_without_consumers_is_let_go_at_once() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
    assert_eq!(producer.try_push(vec![1], 100), Ok(Delivered::default()));
    assert_eq!((subscriber.live_bytes(), subscriber.free_bytes()), (0, 100));
}

#[test]
fn who_joins_late_sees_what_follows_and_who_joins_after_the_end_sees_the_end() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
    assert!(producer.try_push(vec![1], 1).is_ok());
    let mut late = subscriber.subscribe(Mode::Lossless);
    assert!(is_empty(&late.try_next()));
    assert!(producer.try_push(vec![2], 1).is_ok());
    let mut unseen = subscriber.subscribe(Mode::Lossless);
    drop(producer);
    assert_eq!(all(&mut late), [2]);
    assert!(all(&mut unseen).is_empty());
    assert!(all(&mut subscriber.subscribe(Mode::Lossy)).is_empty());
}

#[test]
fn a_wait_of_no_time_ends_at_once() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
    let mut sink = subscriber.subscribe(Mode::Lossless);
    assert!(is_empty(&sink.next(Duration::ZERO)));
    assert!(producer.wait_for_room(1_000, Duration::ZERO));
    assert!(producer.try_push(vec![1], 700).is_ok());
    assert!(!producer.wait_for_room(400, Duration::ZERO));
    assert!(!producer.wait_for_room(400, Duration::from_millis(1)));
}

#[test]
fn a_reader_that_waits_for_room_is_woken_when_a_block_is_let_go_or_a_sink_leaves() {
    for leaves in [false, true] {
        let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
        let mut sink = subscriber.subscribe(Mode::Lossless);
        assert!(producer.try_push(vec![1], 800).is_ok());
        let reader = std::thread::spawn(move || {
            while !producer.wait_for_room(800, LONG) {}
            producer
        });
        if leaves {
            drop(sink);
        } else {
            assert!(matches!(sink.next(LONG), Next::Block(_)));
        }
        drop(reader.join().unwrap());
    }
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_is_woken_once_by_a_block_and_by_the_end() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(LIMITS);
    let mut sink = subscriber.subscribe(Mode::Lossless);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Arc::clone(&count).into();
    let mut context = Context::from_waker(&waker);
    assert!(sink.poll_next(&mut context).is_pending());
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    assert!(producer.try_push(vec![1], 1).is_ok());
    assert!(producer.try_push(vec![2], 1).is_ok());
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    for at in 1..=2 {
        let Poll::Ready(Some(block)) = sink.poll_next(&mut context) else {
            panic!("block {at} is not there");
        };
        assert_eq!(*block, [at]);
    }
    assert!(sink.poll_next(&mut context).is_pending());
    drop(producer);
    assert_eq!(count.0.load(Ordering::SeqCst), 2);
    assert!(matches!(sink.poll_next(&mut context), Poll::Ready(None)));
}

#[test]
fn r30_a_consumer_that_is_retired_sees_what_it_has_and_then_the_end_and_holds_nobody_up() {
    let limits = Limits { blocks_max: 1, bytes_max: 100, lossy_bytes_max: 0, free_bytes_max: 0 };
    let (mut producer, subscriber) = ring::<Vec<u64>>(limits);
    let mut sink = subscriber.subscribe(Mode::Lossless);
    producer.try_push(vec![1], 10).unwrap();
    assert!(!producer.has_room(10));
    sink.retirement().retire();
    assert!(producer.has_room(10));
    assert_eq!(producer.try_push(vec![2], 10), Ok(Delivered::default()));
    assert!(matches!(sink.try_next(), Next::Block(block) if *block == [1]));
    assert!(matches!(sink.try_next(), Next::Closed));
    assert_eq!(producer.lossless_gone(), 0, "it ended on purpose");
}

#[test]
fn r30_what_waits_for_a_consumer_that_hangs_is_taken_back_and_counts_no_more() {
    let (mut producer, subscriber) = ring::<Vec<u64>>(Limits { blocks_max: 16, ..LIMITS });
    let mut hangs = subscriber.subscribe(Mode::Lossless);
    let mut well = subscriber.subscribe(Mode::Lossless);
    for at in 0..10 {
        assert!(producer.try_push(vec![at], 100).is_ok());
        assert!(matches!(well.try_next(), Next::Block(_)));
    }
    let held = hangs.try_next();
    assert!(!producer.has_room(101) && subscriber.live_bytes() == 1_000);
    let retirement = hangs.retirement();
    retirement.take_back();
    // But for the one that it has.
    assert_eq!(subscriber.live_bytes(), 100);
    assert!(producer.try_push(vec![10], 800).is_ok_and(|told| told.lossless == 1));
    assert!(matches!(well.try_next(), Next::Block(block) if *block == [10]));
    assert!(matches!(hangs.try_next(), Next::Closed));
    retirement.take_back();
    drop((held, hangs));
    assert_eq!((subscriber.live_bytes(), producer.lossless_gone()), (0, 0));
}
