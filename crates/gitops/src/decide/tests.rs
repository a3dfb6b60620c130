use super::*;
use crate::spec::{ConditionStatus, Dependency, Period, Retry, condition};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn sync() -> Valid {
    Valid::for_test()
}

/// A revision that is applied, healthy and just looked at.
pub(super) fn at_rest() -> Facts {
    Facts {
        source: SourceFacts {
            head: Some("a".into()),
            fetched: Some("a".into()),
            asked: Some(Duration::ZERO),
            generation: Some(1),
            news: true,
            pushed: None,
            awaited: None,
            failure: None,
        },
        attempt: Some(Attempt {
            revision: "a".into(),
            generation: 1,
            outcome: Outcome::Succeeded,
            ..Attempt::default()
        }),
        health: Some(HealthFacts::default()),
        ..Facts::default()
    }
}

fn failure(failures: u32) -> Option<Failure> {
    Some(Failure { failures, message: "no".into(), ..Failure::default() })
}

fn of(decision: &Decision, kind: &str) -> (ConditionStatus, String) {
    let found = decision.conditions.iter().find(|c| c.r#type == kind).unwrap();
    (found.status, found.reason.clone())
}

#[test]
fn at_rest_only_the_interval_is_due_and_the_status_says_nothing_of_it() {
    let decision = decide(&sync(), &at_rest());
    assert_eq!(decision.action, Action::Poll);
    let interval = crate::spec::INTERVAL_DEFAULT;
    assert!((interval..=interval * 11 / 10).contains(&decision.after), "{:?}", decision.after);
    assert_eq!(decision.next(jiff::Timestamp::UNIX_EPOCH), None);
    assert_eq!(of(&decision, condition::READY), (ConditionStatus::True, "Succeeded".into()));
    assert_eq!(of(&decision, condition::RECONCILING).0, ConditionStatus::False);
    assert_eq!(of(&decision, condition::STALLED).0, ConditionStatus::False);
}

#[test]
fn the_same_revision_is_applied_again_only_for_a_reason() {
    let base = at_rest();
    let action = |change: fn(&mut Facts)| {
        let mut facts = base.clone();
        change(&mut facts);
        let decision = decide(&sync(), &facts);
        (decision.action, decision.trigger, decision.is_due())
    };
    let apply = |trigger| (Action::Apply, trigger, true);
    let attempt = |facts: &mut Facts| facts.attempt.as_mut().unwrap().generation = 0;
    assert_eq!(action(attempt), apply(Trigger::Spec));
    assert_eq!(action(|facts| facts.manual = Some(SECOND)), apply(Trigger::Manual));
    assert_eq!(action(|facts| facts.attempt = None), apply(Trigger::Poll));
    let cut = |facts: &mut Facts| facts.attempt.as_mut().unwrap().outcome = Outcome::Running;
    assert_eq!(action(cut), apply(Trigger::Retry));
    assert_eq!(action(|facts| facts.drift.due = 1), (Action::Heal, Trigger::Drift, true));
    assert_eq!(action(|facts| facts.drift.held = 1), (Action::Poll, Trigger::Poll, false));
}

#[test]
fn a_person_asks_the_source_first_and_waits_only_for_what_the_server_asked() {
    let mut facts = at_rest();
    facts.source.asked = Some(10 * SECOND);
    facts.manual = Some(SECOND);
    let decision = decide(&sync(), &facts);
    assert_eq!((decision.action, decision.trigger), (Action::Fetch, Trigger::Manual));
    assert!(decision.is_due());
    facts.source.failure = failure(9);
    assert!(decide(&sync(), &facts).is_due());
    facts.source.failure.as_mut().unwrap().retry_after = Some(30 * SECOND);
    assert_eq!(decide(&sync(), &facts).after, 20 * SECOND);
    // The look after the wish failed too: no apply of what is at hand, and no second wish.
    facts.source.asked = Some(Duration::ZERO);
    assert_eq!(decide(&sync(), &facts).trigger, Trigger::Retry);
}

#[test]
fn a_failing_source_waits_longer_and_longer_whatever_triggers_it() {
    let mut before = Duration::ZERO;
    for failures in [1, 3, 5, 7] {
        let mut facts = at_rest();
        facts.source.failure = failure(failures);
        let quiet = decide(&sync(), &facts);
        facts.push = Some(Push::default());
        let pushed = decide(&sync(), &facts);
        assert_eq!(quiet.after, pushed.after);
        assert!(quiet.after > before && quiet.after <= sync().spec().retry.pause_max.0);
        assert_eq!(of(&quiet, condition::READY), (ConditionStatus::False, "FetchFailed".into()));
        before = quiet.after;
    }
    let mut facts = at_rest();
    facts.source.failure = failure(1);
    facts.source.failure.as_mut().unwrap().retry_after = Some(Duration::MAX);
    assert_eq!(decide(&sync(), &facts).after, RETRY_AFTER_MAX);
}

#[test]
fn a_mended_spec_is_tried_at_once_however_long_the_source_failed() {
    let mut facts = at_rest();
    facts.source.failure = failure(20);
    assert!(!decide(&sync(), &facts).is_due());
    facts.source.generation = Some(0);
    let decision = decide(&sync(), &facts);
    assert_eq!((decision.action, decision.trigger), (Action::Fetch, Trigger::Spec));
    assert!(decision.is_due());
}

#[test]
fn a_failed_revision_is_tried_again_up_to_the_limit_and_a_new_one_at_once() {
    let retry = Retry { limit: Some(2), ..Retry::default() };
    let sync = sync().with(|spec| spec.retry = retry).unwrap();
    let mut facts = at_rest();
    let fail = |facts: &mut Facts, failures| {
        let attempt = facts.attempt.as_mut().unwrap();
        attempt.outcome = Outcome::Failed;
        attempt.failure = failure(failures);
    };
    for failures in [1, 2] {
        fail(&mut facts, failures);
        let decision = decide(&sync, &facts);
        assert_eq!((decision.action, decision.is_due()), (Action::Apply, false), "{failures}");
        let next = decision.next(jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!(next.at.unwrap() > jiff::Timestamp::UNIX_EPOCH);
    }
    fail(&mut facts, 3);
    let decision = decide(&sync, &facts);
    assert_eq!(decision.action, Action::Poll);
    assert_eq!(of(&decision, condition::STALLED).0, ConditionStatus::True);
    assert_eq!(of(&decision, condition::READY).1, "RetriesExhausted");
    facts.source.head = Some("b".into());
    facts.source.fetched = Some("b".into());
    assert!(decide(&sync, &facts).is_due());
    assert_eq!(of(&decide(&sync, &facts), condition::STALLED).0, ConditionStatus::False);
}

#[test]
fn a_dependency_holds_the_apply_but_not_the_looking() {
    let mut facts = at_rest();
    facts.source.fetched = Some("b".into());
    facts.source.head = Some("b".into());
    let key = SyncKey::new("infra", "base");
    let blocked = Some("its newest spec was not delivered yet".to_owned());
    facts.dependencies = vec![DependencyFact { key: key.clone(), blocked }];
    let decision = decide(&sync(), &facts);
    assert_eq!(decision.action, Action::Poll);
    let ready = decision.conditions.iter().find(|c| c.r#type == condition::READY).unwrap();
    assert_eq!(ready.reason, "DependencyNotReady");
    assert!(ready.message.contains("infra/base: its newest spec"), "{}", ready.message);
    facts.cycle = Some(vec![key.clone(), SyncKey::new("a", "b"), key]);
    let decision = decide(&sync(), &facts);
    let stalled = decision.conditions.iter().find(|c| c.r#type == condition::STALLED).unwrap();
    assert_eq!(stalled.status, ConditionStatus::True);
    assert!(stalled.message.ends_with("infra/base -> a/b -> infra/base"), "{}", stalled.message);
    facts.cycle = None;
    facts.dependencies = Vec::new();
    assert!(decide(&sync(), &facts).is_due());
}

#[test]
fn a_suspended_sync_does_nothing() {
    let sync = sync().with(|spec| spec.suspend = true).unwrap();
    let mut facts = at_rest();
    facts.push = Some(Push::default());
    facts.manual = Some(SECOND);
    facts.drift.due = 1;
    let decision = decide(&sync, &facts);
    assert_eq!((decision.action, decision.is_due()), (Action::Nothing, false));
    assert_eq!(of(&decision, condition::READY).1, "Suspended");
}

#[test]
fn while_the_newest_revision_is_refused_drift_is_healed_to_the_last_good_one_only() {
    let mut facts = at_rest();
    facts.source.fetched = Some("b".into());
    facts.source.head = Some("b".into());
    let attempt = facts.attempt.as_mut().unwrap();
    attempt.revision = "b".into();
    attempt.outcome = Outcome::Refused;
    attempt.failure = failure(9);
    facts.drift.due = 1;
    assert_ne!(decide(&sync(), &facts).action, Action::Heal, "there is no tree to heal to");
    facts.base = Some("a".into());
    let decision = decide(&sync(), &facts);
    assert_eq!((decision.action, decision.is_due()), (Action::Heal, true));
    // One that was applied in part is neither the old tree nor the new one.
    facts.attempt.as_mut().unwrap().outcome = Outcome::Failed;
    assert_ne!(decide(&sync(), &facts).action, Action::Heal);
    // A source that gives nothing, after a restart.
    let mut facts = at_rest();
    facts.source.fetched = None;
    facts.source.failure = failure(9);
    facts.drift.due = 1;
    assert_ne!(decide(&sync(), &facts).action, Action::Heal);
    facts.base = Some("a".into());
    assert_eq!(decide(&sync(), &facts).action, Action::Heal);
}

#[test]
fn health_decides_about_ready_and_runs_out() {
    let mut facts = at_rest();
    facts.health.as_mut().unwrap().counts.progressing = 1;
    let decision = decide(&sync(), &facts);
    assert_eq!(of(&decision, condition::READY), (ConditionStatus::Unknown, "Progressing".into()));
    facts.health.as_mut().unwrap().age = sync().spec().health_timeout.0 + SECOND;
    let decision = decide(&sync(), &facts);
    assert_eq!(of(&decision, condition::READY), (ConditionStatus::False, "HealthTimeout".into()));
    facts.health.as_mut().unwrap().counts.degraded = 1;
    assert_eq!(of(&decide(&sync(), &facts), condition::HEALTHY).1, "Degraded");
}

#[test]
fn a_condition_is_written_only_when_it_changes_and_its_time_moves_only_with_its_status() {
    let time = |second| jiff::Timestamp::from_second(second).unwrap();
    let mut written = Vec::new();
    let quiet = decide(&sync(), &at_rest()).conditions;
    assert!(merge(&mut written, quiet.clone(), time(10)));
    assert!(!merge(&mut written, quiet.clone(), time(20)));
    let mut facts = at_rest();
    facts.drift.held = 1;
    assert!(merge(&mut written, decide(&sync(), &facts).conditions, time(30)));
    assert_eq!(written[0].last_transition_time, Some(time(10)));
    facts.source.failure = failure(1);
    assert!(merge(&mut written, decide(&sync(), &facts).conditions, time(40)));
    assert_eq!(written[0].last_transition_time, Some(time(40)));
}

/// One thing that happens in the world, with its moment.
#[derive(Debug, Clone, Copy)]
enum Happens {
    /// A commit, with or without a push that names it.
    Commit {
        told: bool,
        named: bool,
    },
    /// A push without a commit.
    Noise,
    /// A push that names the next commit, which is not there yet.
    Early,
    Source {
        works: bool,
    },
    Cluster {
        works: bool,
    },
    Dependency {
        ready: bool,
    },
    Drift,
    Spec,
}

/// A world that is played without a clock.
struct World {
    sync: Valid,
    now: Duration,
    head: u32,
    source_works: bool,
    cluster_works: bool,
    dependency_ready: bool,
    facts: Facts,
    asked_at: Option<Duration>,
    answered_at: Option<Duration>,
    tried_at: Duration,
    pushed_at: Duration,
    log: Vec<(Duration, Action)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let depends_on = vec![Dependency { name: "base".into(), ..Dependency::default() }];
        let sync = sync().with(|spec| spec.depends_on = depends_on).unwrap();
        Self {
            sync,
            now: Duration::ZERO,
            head: 0,
            source_works: true,
            cluster_works: true,
            dependency_ready: true,
            facts: Facts { seed, ..Facts::default() },
            asked_at: None,
            answered_at: None,
            tried_at: Duration::ZERO,
            pushed_at: Duration::ZERO,
            log: Vec::new(),
        }
    }

    fn push(&mut self, revision: Option<String>) {
        let push = Push { age: Duration::ZERO, revision };
        if self.facts.push.is_none() {
            self.pushed_at = self.now;
        }
        self.facts.push = Some(match self.facts.push.take() {
            Some(before) => before.join(&push),
            None => push,
        });
    }

    fn happens(&mut self, what: Happens) {
        match what {
            Happens::Commit { told, named } => {
                self.head += 1;
                if told {
                    self.push(named.then(|| self.head.to_string()));
                }
            }
            Happens::Noise => self.push(None),
            Happens::Early => self.push(Some((self.head + 1).to_string())),
            Happens::Source { works } => self.source_works = works,
            Happens::Cluster { works } => self.cluster_works = works,
            Happens::Dependency { ready } => self.dependency_ready = ready,
            Happens::Drift => self.facts.drift.due += 1,
            Happens::Spec => {
                let mut sync = self.sync.sync().clone();
                sync.metadata.generation = sync.metadata.generation.map(|n| n + 1);
                self.sync = Valid::new(sync, crate::spec::Tenancy::Single).unwrap();
            }
        }
    }

    fn decide(&mut self) -> Decision {
        let facts = &mut self.facts;
        facts.source.asked = self.asked_at.map(|then| self.now - then);
        facts.source.pushed = self.answered_at.map(|then| self.now - then);
        if let Some(push) = &mut facts.push {
            push.age = self.now - self.pushed_at;
        }
        if let Some(attempt) = &mut facts.attempt {
            attempt.age = self.now - self.tried_at;
        }
        let blocked = (!self.dependency_ready).then(|| "not ready".to_owned());
        let key = SyncKey::new("default", "base");
        facts.dependencies = vec![DependencyFact { key, blocked }];
        decide(&self.sync, facts)
    }

    fn act(&mut self, action: Action) {
        self.log.push((self.now, action));
        let facts = &mut self.facts;
        match action {
            Action::Poll | Action::Fetch => {
                let answered = facts.push.take();
                self.now += 20 * MS;
                self.asked_at = Some(self.now);
                if answered.is_some() {
                    self.answered_at = Some(self.now);
                }
                let named = answered.and_then(|push| push.revision);
                facts.source.generation = self.sync.sync().metadata.generation;
                let failures = facts.source.failure.as_ref().map_or(0, |f| f.failures);
                facts.source.failure = if self.source_works { None } else { failure(failures + 1) };
                let before = facts.source.awaited.take();
                if self.source_works {
                    let head = Some(self.head.to_string());
                    facts.source.news = facts.source.head != head;
                    facts.source.awaited = Awaited::after_look(
                        before,
                        named.as_deref(),
                        &self.head.to_string(),
                        facts.source.news,
                    );
                    facts.source.head.clone_from(&head);
                    if action == Action::Fetch {
                        facts.source.fetched = head;
                    }
                }
            }
            Action::Apply => {
                self.now += 30 * MS;
                self.tried_at = self.now;
                let revision = facts.source.fetched.clone().unwrap();
                let generation = self.sync.sync().metadata.generation.unwrap();
                let before = facts.attempt.take().filter(|attempt| {
                    attempt.revision == revision && attempt.generation == generation
                });
                let failures = before.and_then(|a| a.failure).map_or(0, |f| f.failures);
                let works = self.cluster_works;
                let outcome = if works { Outcome::Succeeded } else { Outcome::Failed };
                let failure = if works { None } else { failure(failures + 1) };
                let age = Duration::ZERO;
                facts.attempt = Some(Attempt { revision, generation, outcome, age, failure });
                facts.health = Some(HealthFacts::default());
                if works {
                    facts.drift = DriftFacts::default();
                }
            }
            Action::Heal => {
                self.now += 10 * MS;
                facts.drift = DriftFacts::default();
            }
            Action::Wait | Action::Nothing => panic!("{action} is not to be done"),
        }
    }

    /// Plays until `until`, with the events at their moments.
    fn play(&mut self, events: &[(Duration, Happens)], until: Duration) {
        let mut events = events.iter().peekable();
        loop {
            while let Some((_, what)) = events.next_if(|(at, _)| *at <= self.now) {
                self.happens(*what);
            }
            let decision = self.decide();
            if decision.is_due() {
                self.act(decision.action);
                continue;
            }
            assert!(!decision.after.is_zero(), "a wait that does not wait: {decision:?}");
            let event = events.peek().map_or(until, |(at, _)| *at);
            let next = (self.now + decision.after).min(event.max(self.now + MS));
            if next >= until {
                return;
            }
            self.now = next;
        }
    }

    fn looks(&self) -> usize {
        self.log.iter().filter(|(_, a)| matches!(a, Action::Poll | Action::Fetch)).count()
    }
}

#[test]
fn gitops_14_a_thousand_pushes_at_once_cost_at_most_two_fetches() {
    for (told, named) in [(true, true), (true, false), (false, false)] {
        let mut world = World::new(1);
        world.play(&[], 2 * SECOND);
        let before = world.looks();
        // Within 50 ms, as fast as a receiver takes them.
        let events: Vec<_> = (0..1000_u32)
            .map(|n| {
                let what = if told { Happens::Commit { told, named } } else { Happens::Noise };
                (world.now + n * MS / 20, what)
            })
            .collect();
        world.play(&events, world.now + 5 * SECOND);
        assert!(world.looks() - before <= 2, "{:?}", world.log);
        let applied = world.facts.attempt.unwrap();
        assert_eq!(applied.revision, world.head.to_string());
    }
}

#[test]
fn a_push_is_fetched_at_once_also_right_after_a_look_that_the_interval_asked_for() {
    for named in [true, false] {
        let mut world = World::new(1);
        world.play(&[], 2 * SECOND);
        let interval = world.sync.spec().interval.0;
        world.play(&[], world.now + 3 * interval);
        let start = world.asked_at.unwrap() + MS;
        assert!(!world.facts.source.news);
        world.now = start;
        world.play(&[(start, Happens::Commit { told: true, named })], start + 100 * MS);
        assert_eq!(world.facts.attempt.as_ref().unwrap().revision, world.head.to_string());
    }
}

#[test]
fn a_push_that_names_its_commit_is_fetched_at_once_also_right_after_another() {
    let mut world = World::new(1);
    world.play(&[], 2 * SECOND);
    for _ in 0..5 {
        let start = world.now;
        let event = (start, Happens::Commit { told: true, named: true });
        world.play(&[event], start + 100 * MS);
        assert_eq!(world.facts.attempt.as_ref().unwrap().revision, world.head.to_string());
    }
}

#[test]
fn gitops_14_a_push_that_is_told_before_the_source_shows_it_is_looked_for_again() {
    let all: Duration = AWAIT_PAUSES.iter().sum();
    for lag in [MS, 100 * MS, 300 * MS, SECOND, 2 * SECOND, all - 100 * MS] {
        let mut world = World::new(1);
        world.play(&[], 2 * SECOND);
        let told = world.now;
        let shown = (told + lag, Happens::Commit { told: false, named: false });
        world.play(&[(told, Happens::Early), shown], told + 10 * SECOND);
        let applied = world.log.iter().rfind(|(_, action)| *action == Action::Apply).unwrap().0;
        assert_eq!(world.facts.attempt.as_ref().unwrap().revision, world.head.to_string());
        let late = applied.checked_sub(told + lag).unwrap();
        assert!(late <= AWAIT_PAUSES[3].min(lag * 2 + 250 * MS) + 100 * MS, "{lag:?}: {late:?}");
        assert_eq!(world.facts.source.awaited, None);
    }
}

#[test]
fn gitops_14_a_push_of_a_commit_that_never_comes_costs_no_more_looks_than_the_bound() {
    let mut world = World::new(1);
    world.play(&[], 2 * SECOND);
    let (before, told) = (world.looks(), world.now);
    let all: Duration = AWAIT_PAUSES.iter().sum();
    world.play(&[(told, Happens::Early)], told + all + SECOND);
    assert_eq!(world.looks() - before, 1 + AWAIT_PAUSES.len());
    assert_eq!(world.facts.source.awaited, None);
    // The status says nothing of it meanwhile.
    let mut facts = at_rest();
    facts.source.awaited = Some(Awaited { revision: "x".into(), looks: 1 });
    facts.source.asked = Some(Duration::ZERO);
    let decision = decide(&sync(), &facts);
    assert_eq!((decision.action, decision.after), (Action::Poll, AWAIT_PAUSES[0]));
    assert_eq!(decision.next(jiff::Timestamp::UNIX_EPOCH), None);
}

fn event() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (any::<bool>(), any::<bool>())
            .prop_map(|(told, named)| Happens::Commit { told, named }),
        2 => Just(Happens::Noise),
        2 => Just(Happens::Early),
        1 => any::<bool>().prop_map(|works| Happens::Source { works }),
        1 => any::<bool>().prop_map(|works| Happens::Cluster { works }),
        1 => any::<bool>().prop_map(|ready| Happens::Dependency { ready }),
        2 => Just(Happens::Drift),
        1 => Just(Happens::Spec),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_newest_commit_is_applied_in_the_end_and_then_it_is_quiet(
        seed in any::<u64>(),
        events in prop::collection::vec((0_u32..120_000, event()), 0..60),
    ) {
        let mut events: Vec<_> = events.into_iter().map(|(at, what)| (at * MS, what)).collect();
        events.sort_by_key(|(at, _)| *at);
        let mended = 121 * SECOND;
        events.extend([
            (mended, Happens::Source { works: true }),
            (mended, Happens::Cluster { works: true }),
            (mended, Happens::Dependency { ready: true }),
        ]);
        let mut world = World::new(seed);
        // The longest pause, an interval and the work.
        let settled = mended + sync().spec().retry.pause_max.0 * 2 + 60 * SECOND;
        world.play(&events, settled);
        let attempt = world.facts.attempt.clone().unwrap();
        prop_assert_eq!(&attempt.revision, &world.head.to_string());
        prop_assert_eq!(Some(attempt.generation), world.sync.sync().metadata.generation);
        prop_assert_eq!(attempt.outcome, Outcome::Succeeded);
        prop_assert_eq!(world.facts.drift.due, 0);
        // Looks are bounded by the interval, by one for each second with a push or a commit, and
        // by those for commits that were told too early.
        let pushes = events.len();
        let early = events.iter().filter(|(_, what)| matches!(what, Happens::Early)).count();
        let polls = usize::try_from(settled.as_secs() / 30).unwrap() + 1;
        prop_assert!(world.looks() <= polls + 2 * pushes + 4 * early + 40, "{}", world.looks());
        let before = world.log.len();
        world.play(&[], settled + 600 * SECOND);
        prop_assert!(world.log[before..].iter().all(|(_, action)| *action == Action::Poll));
        prop_assert!(world.log.len() - before <= 21);
    }

    #[test]
    fn pushes_that_never_end_do_not_starve_the_apply(seed in any::<u64>(), named in any::<bool>()) {
        let mut world = World::new(seed);
        let events: Vec<_> = (0..4000_u32)
            .map(|n| (n * 5 * MS, Happens::Commit { told: true, named }))
            .collect();
        world.play(&events, 20 * SECOND);
        let mut fetches = 0;
        for (_, action) in &world.log {
            match action {
                Action::Fetch => fetches += 1,
                Action::Apply => fetches = 0,
                _ => {}
            }
            prop_assert!(fetches <= 2);
        }
        prop_assert!(world.log.iter().filter(|(_, a)| *a == Action::Apply).count() >= 10);
    }

    #[test]
    fn no_facts_make_a_decision_panic_or_spin(
        ages in prop::array::uniform4(any::<u64>()),
        failures in any::<u32>(),
        flags in prop::array::uniform4(any::<bool>()),
        pause in 1_u64..80_000,
    ) {
        let retry = Retry {
            pause: Period(Duration::from_secs(pause)),
            pause_max: Period(Duration::from_secs(pause)),
            limit: None,
        };
        let sync = sync().with(|spec| spec.retry = retry).unwrap();
        let age = |index: usize| Duration::from_millis(ages[index]);
        let mut facts = at_rest();
        facts.seed = ages[0];
        facts.source.asked = Some(age(0));
        facts.source.failure = flags[0].then(|| failure(failures)).flatten();
        facts.push = flags[1].then(|| Push { age: age(1), revision: None });
        facts.manual = flags[2].then(|| age(2));
        let looks = usize::try_from(ages[1] % 100).unwrap();
        facts.source.pushed = flags[3].then(|| age(2));
        facts.source.awaited = flags[2].then(|| Awaited { revision: "x".into(), looks });
        facts.attempt.as_mut().unwrap().age = age(3);
        if flags[3] {
            facts.attempt.as_mut().unwrap().outcome = Outcome::Failed;
            facts.attempt.as_mut().unwrap().failure = failure(failures);
        }
        let decision = decide(&sync, &facts);
        prop_assert!(decision.is_due() || !decision.after.is_zero());
        prop_assert_eq!(decision.conditions.len(), 4);
    }
}
