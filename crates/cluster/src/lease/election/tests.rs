use super::*;
use model::{Clock, ManualClock};

/// The stored Lease, with the server's optimistic locking.
#[derive(Default)]
struct Store {
    record: Option<Record>,
    versions: u64,
}

impl Store {
    fn write(&mut self, next: &Next) -> Option<Record> {
        let (spec, expected) = match next {
            Next::Stand => return None,
            Next::Create(spec) => (spec, None),
            Next::Update { spec, version } => (spec, Some(version.clone())),
        };
        if self.record.as_ref().map(|record| record.version.clone()) != expected {
            return None;
        }
        self.versions += 1;
        self.record = Some(Record {
            holder: spec["holderIdentity"].as_str().unwrap().to_owned(),
            duration: Duration::from_secs(spec["leaseDurationSeconds"].as_u64().unwrap()),
            transitions: spec["leaseTransitions"].as_i64().unwrap(),
            acquired: spec["acquireTime"].as_str().unwrap_or_default().to_owned(),
            version: self.versions.to_string(),
        });
        self.record.clone()
    }
}

struct Candidate {
    election: Election,
    clock: ManualClock,
    /// A write under way: when it began and what it says.
    sent: Option<(Reading, Next)>,
}

impl Candidate {
    fn new(identity: &str, skew: i64) -> Self {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        clock.jump(Duration::from_secs(skew.unsigned_abs()), skew < 0);
        Self { election: Election::new(identity, LeaseTimes::default()), clock, sent: None }
    }

    fn now(&self) -> Reading {
        let (monotonic, since_boot) = (self.clock.monotonic(), self.clock.since_boot());
        Reading { monotonic, since_boot, wall: self.clock.now() }
    }

    fn look(&mut self, store: &Store) {
        let now = self.now();
        self.election.observe(now, store.record.as_ref());
        self.sent = Some((now, self.election.next(now)));
    }

    /// The write arrives at the server; the answer may get lost.
    fn arrive(&mut self, store: &mut Store, answered: bool) {
        let Some((started, next)) = self.sent.take() else { return };
        if let Some(record) = store.write(&next).filter(|_| answered) {
            let now = self.now();
            self.election.written(started, now, &record);
        }
    }

    fn leads(&self) -> bool {
        self.election.leads(self.now())
    }
}

fn pair(skew: i64) -> (Store, Candidate, Candidate) {
    (Store::default(), Candidate::new("a", 0), Candidate::new("b", skew))
}

fn pass(candidates: [&Candidate; 2], seconds: u64) {
    candidates.iter().for_each(|one| one.clock.advance(Duration::from_secs(seconds)));
}

#[test]
fn operator_19_a_cut_off_leader_stops_before_another_can_begin_with_skewed_clocks() {
    for skew in [-30, 0, 30] {
        let (mut store, mut a, mut b) = pair(skew);
        a.look(&store);
        a.arrive(&mut store, true);
        assert!(a.leads());
        // From here on a cannot reach the server.
        let (mut a_stopped, mut b_began) = (None, None);
        for second in 0..40 {
            b.look(&store);
            b.arrive(&mut store, true);
            assert!(!(a.leads() && b.leads()), "two leaders with skew {skew}");
            if !a.leads() {
                a_stopped.get_or_insert(second);
            }
            if b.leads() {
                b_began.get_or_insert(second);
            }
            pass([&a, &b], 1);
        }
        assert_eq!((a_stopped, b_began), (Some(10), Some(16)), "skew {skew}");
        assert_eq!(store.record.unwrap().transitions, 1, "the fence has grown");
    }
}

#[test]
fn a_leader_that_renews_keeps_the_lease_and_its_fence() {
    let (mut store, mut a, mut b) = pair(30);
    for _ in 0..100 {
        a.look(&store);
        a.arrive(&mut store, true);
        b.look(&store);
        b.arrive(&mut store, true);
        assert!(a.leads() && !b.leads());
        pass([&a, &b], 2);
    }
    assert_eq!(store.record.unwrap().transitions, 0);
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let (mut store, mut a, mut b) = pair(0);
    a.look(&store);
    a.arrive(&mut store, true);
    b.look(&store);
    assert_eq!(b.sent.take().unwrap().1, Next::Stand);
    let (spec, version) = a.election.release(a.now()).unwrap();
    assert!(!a.leads());
    store.write(&Next::Update { spec, version }).unwrap();
    b.look(&store);
    b.arrive(&mut store, true);
    assert!(b.leads());
    assert_eq!(a.election.release(a.now()), None);
}

#[test]
fn a_machine_that_slept_does_not_act_when_it_wakes() {
    let (mut store, mut a, _) = pair(0);
    a.look(&store);
    a.arrive(&mut store, true);
    // The monotonic clock stood still.
    a.clock.sleep(Duration::from_secs(60));
    assert!(!a.leads());
}

#[test]
fn a_jump_of_the_wall_clock_neither_ends_nor_prolongs_a_leadership() {
    for back in [false, true] {
        let (mut store, mut a, mut b) = pair(0);
        a.look(&store);
        a.arrive(&mut store, true);
        a.clock.jump(Duration::from_secs(5 * 3600), back);
        assert!(a.leads());
        b.look(&store);
        b.clock.jump(Duration::from_secs(5 * 3600), !back);
        b.look(&store);
        assert_eq!(b.sent.take().unwrap().1, Next::Stand);
        pass([&a, &b], 11);
        assert!(!a.leads(), "nobody renewed it");
    }
}

#[test]
fn what_a_watch_tells_late_is_not_taken_for_news() {
    let (mut store, mut a, mut b) = pair(0);
    a.look(&store);
    a.arrive(&mut store, true);
    let old = store.record.clone().unwrap();
    let began = b.now();
    b.election.heard(began, &old);
    assert_eq!(b.election.held_up(began), Some(LeaseTimes::default().duration));
    a.look(&store);
    a.arrive(&mut store, true);
    pass([&a, &b], 3);
    let renewed = store.record.clone().unwrap();
    b.election.heard(b.now(), &renewed);
    assert_eq!(b.election.held_up(b.now()), Some(LeaseTimes::default().duration));
    pass([&a, &b], 3);
    // Neither the same again nor an older one makes it younger.
    b.election.heard(b.now(), &renewed);
    b.election.heard(b.now(), &old);
    let left = LeaseTimes::default().duration - Duration::from_secs(3);
    assert_eq!(b.election.held_up(b.now()), Some(left));
}

#[test]
fn times_with_which_two_could_lead_are_refused() {
    let s = Duration::from_secs;
    assert!(LeaseTimes::new(15, s(10), s(2)).is_ok());
    assert!(LeaseTimes::new(10, s(10), s(2)).is_err());
    assert!(LeaseTimes::new(15, s(2), s(2)).is_err());
    assert!(LeaseTimes::new(15, s(10), s(0)).is_err());
}

proptest::proptest! {
    /// Any order of looks, late or lost answers, pauses and jumps of wall clocks.
    #[test]
    fn operator_19_two_candidates_never_act_at_the_same_time(
        skew in -30i64..=30,
        steps in proptest::collection::vec((0u8..12, proptest::bool::ANY, 0u64..6000), 1..200),
    ) {
        let (mut store, mut a, mut b) = pair(skew);
        for (what, first, millis) in steps {
            let one = if first { &mut a } else { &mut b };
            match what {
                0..=2 => one.look(&store),
                3..=5 => one.arrive(&mut store, true),
                6 => one.arrive(&mut store, false),
                7 => one.clock.jump(Duration::from_millis(millis * 5), millis % 2 == 0),
                8 => {
                    let now = one.now();
                    if let Some((spec, version)) = one.election.release(now) {
                        store.write(&Next::Update { spec, version });
                    }
                }
                _ => {
                    let by = Duration::from_millis(millis);
                    a.clock.advance(by);
                    b.clock.advance(by);
                }
            }
            proptest::prop_assert!(!(a.leads() && b.leads()));
        }
    }
}
