use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

fn queue() -> Queue<&'static str> {
    let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
    Queue::new(QueueOptions { name: "test".into(), backoff, seed: 1 }, Metrics::new())
}

/// The key that is ready without waiting.
async fn at_hand(queue: &Queue<&'static str>) -> Option<Work<&'static str>> {
    tokio::select! {
        biased;
        work = queue.next() => work,
        () = tokio::task::yield_now() => None,
    }
}

/// How long until the next key is handed out.
async fn wait(queue: &Queue<&'static str>) -> (Duration, Work<&'static str>) {
    let start = Instant::now();
    let work = queue.next().await.unwrap();
    (start.elapsed(), work)
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_once_and_is_worked_on_by_one_worker() {
    let queue = queue();
    queue.add("a");
    queue.add("a");
    queue.add("b");
    assert_eq!(queue.depth(), 2);
    let a = queue.next().await.unwrap();
    queue.add("a");
    let b = at_hand(&queue).await.unwrap();
    assert_eq!((*a.key(), *b.key()), ("a", "b"));
    assert!(at_hand(&queue).await.is_none(), "a must not be handed out twice");
    a.finish(Outcome::Done);
    let again = at_hand(&queue).await.unwrap();
    assert_eq!(*again.key(), "a");
    again.finish(Outcome::Done);
    b.finish(Outcome::Done);
    assert!(queue.lock().entries.is_empty(), "nothing is kept about idle keys");
}

#[tokio::test(start_paused = true)]
async fn operator_24_the_pause_of_a_failing_key_survives_triggers_and_resets_on_success() {
    let queue = queue();
    queue.add("a");
    let mut before = Duration::ZERO;
    for failures in 0..5 {
        let (waited, work) = wait(&queue).await;
        assert_eq!(work.failures(), failures);
        assert!(failures == 0 || waited >= before, "{waited:?} after {before:?}");
        if failures > 0 {
            let full = Duration::from_secs(1 << (failures - 1));
            assert!(waited >= full / 2 && waited <= full + Duration::from_millis(2), "{waited:?}");
        }
        before = waited / 2;
        queue.add("a");
        work.finish(Outcome::Failed);
        queue.add("a");
        queue.add_after("a", Duration::ZERO);
        assert!(at_hand(&queue).await.is_none(), "a trigger must not shorten the pause");
    }
    let (_, work) = wait(&queue).await;
    assert_eq!(work.failures(), 5);
    work.finish(Outcome::Done);
    queue.add("a");
    let (_, work) = wait(&queue).await;
    assert_eq!(work.failures(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_change_by_a_person_is_worked_on_at_once_but_does_not_forgive() {
    let queue = queue();
    queue.add("a");
    queue.next().await.unwrap().finish(Outcome::Failed);
    queue.add_now("a");
    let work = at_hand(&queue).await.unwrap();
    assert_eq!(work.failures(), 1);
    queue.add_now("a");
    work.finish(Outcome::Failed);
    assert_eq!(at_hand(&queue).await.unwrap().failures(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_planned_look_is_brought_forward_by_a_change_and_never_put_off() {
    let queue = queue();
    queue.add_after("a", Duration::from_secs(30));
    queue.add_after("a", Duration::from_secs(50));
    let (waited, work) = wait(&queue).await;
    assert_eq!(waited.as_secs(), 30);
    work.finish(Outcome::Again(Duration::from_secs(20)));
    queue.add("a");
    let (waited, work) = wait(&queue).await;
    assert_eq!(waited, Duration::ZERO);
    work.finish(Outcome::FailedAfter(Duration::from_secs(40)));
    let (waited, _work) = wait(&queue).await;
    assert_eq!(waited.as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_counts_as_a_failure_of_its_key() {
    let queue = queue();
    queue.add("a");
    drop(queue.next().await.unwrap());
    assert_eq!(queue.next().await.unwrap().failures(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_key_leaves_nothing() {
    let queue = queue();
    for key in ["ready", "delayed", "failed"] {
        queue.add(key);
    }
    queue.next().await.unwrap().finish(Outcome::Done);
    queue.add("ready");
    queue.next().await.unwrap().finish(Outcome::Again(Duration::from_secs(9)));
    queue.next().await.unwrap().finish(Outcome::Failed);
    for key in ["ready", "delayed", "failed", "never"] {
        queue.forget(&key);
    }
    let state = queue.lock();
    assert!(state.entries.is_empty() && state.ready.is_empty() && state.delayed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn work_is_bounded_and_finished_before_the_queue_ends() {
    let queue: Queue<u32> = Queue::new(QueueOptions::new("many", 1), Metrics::new());
    (0..20).for_each(|key| queue.add(key));
    let (running, most, done) = Default::default();
    let counters: [Arc<AtomicUsize>; 3] = [running, most, done];
    let (counted, closing) = (counters.clone(), queue.clone());
    queue
        .run(3, move |key| {
            let ([running, most, done], queue) = (counted.clone(), closing.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
                if key == 9 {
                    queue.shut_down();
                }
                Outcome::Done
            }
        })
        .await;
    let [running, most, done] = counters.map(|counter| counter.load(Ordering::SeqCst));
    assert_eq!((running, most), (0, 3));
    assert!((10..=12).contains(&done), "{done}");
}

proptest::proptest! {
    /// Whatever happens, a key is at work once at most and stands in one place.
    #[test]
    fn a_key_is_never_in_two_places(
        steps in proptest::collection::vec((0u8..8, 0u8..3, 0u64..20), 0..80)
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut state: State<u8> = State::default();
        let mut active: Vec<u8> = Vec::new();
        for (what, key, seconds) in steps {
            let later = now + Duration::from_secs(seconds);
            match what {
                0 => state.add(key, Trigger::Changed),
                1 => state.add(key, Trigger::Urgent),
                2 => state.add(key, Trigger::At(later)),
                3 => state.forget(&key),
                4 => now = later,
                5 => {
                    if let Some((key, _)) = state.take(now) {
                        proptest::prop_assert!(!active.contains(&key));
                        active.push(key);
                    }
                }
                _ => {
                    if let Some(key) = active.pop() {
                        let end = if what == 6 { Finish::Done } else { Finish::Failed(later) };
                        state.finish(&key, end);
                    }
                }
            }
            let places = state.ready.len() + state.delayed.len() + active.len();
            proptest::prop_assert_eq!(places, state.entries.len());
        }
    }
}
