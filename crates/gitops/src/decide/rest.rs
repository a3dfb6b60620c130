//! The time in which nothing is due but the regular look at the source, so that a look that finds
//! nothing new needs no decision after it, and looks of several GitSyncs can be made at once.

use super::{Action, Facts, RECHECK, Step, interval};
use crate::spec::{Trigger, Valid};
use std::time::Duration;

/// A regular look is made up to this share of the interval, in percent, earlier or later than it
/// is due: at a moment that is the same for all GitSyncs of an interval. A process that wakes for
/// each of a hundred alone spends most of its time on waking.
pub const INTERVAL_SLACK_PERCENT: u32 = 3;

/// The longest of these shifts, and from one common moment to the next.
pub(super) fn slack(interval: Duration) -> Duration {
    interval * INTERVAL_SLACK_PERCENT / 100
}

/// A time in which nothing is due but the regular look at the source. While no fact changes but
/// ages, and each look finds what the last one found, nothing but the next look becomes due, and
/// the conditions stay the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// From the end of a look to the next one.
    pub every: Duration,
    /// How much earlier or later it may be made.
    pub slack: Duration,
    /// From the decision on, at most [`RECHECK`].
    pub lasts: Duration,
}

impl Rest {
    /// `steps` are those that can be taken, the earliest first.
    pub(super) fn of(sync: &Valid, facts: &Facts, steps: &[Step]) -> Option<Self> {
        let (first, others) = steps.split_first()?;
        let regular = first.action == Action::Poll && first.trigger == Trigger::Poll;
        let open = facts.push.is_some() || facts.source.awaited.is_some();
        let lasts = others.first().map_or(RECHECK, |step| step.after.min(RECHECK));
        let (every, slack) = (interval(sync, facts.seed), slack(sync.spec().interval.0));
        (regular && !open && first.after < lasts).then_some(Self { every, slack, lasts })
    }

    /// When the look is due after one that was due, began and ended at the given times.
    ///
    /// What is made later than it was due does not delay the one after it, so that GitSyncs whose
    /// looks were made at once part again: each has its own [`Self::every`].
    #[must_use]
    pub fn after(&self, due: Duration, began: Duration, ended: Duration) -> Duration {
        let took = ended.saturating_sub(began);
        // A machine that slept does not catch up.
        let earliest = (ended + self.every).saturating_sub(self.slack);
        (due + took + self.every).max(earliest)
    }

    /// When a look is made that is due then: at the next common moment. Times are since an origin
    /// that all GitSyncs share.
    #[must_use]
    pub fn moment(&self, due: Duration) -> Duration {
        let step = self.slack.as_nanos().max(1);
        let steps = due.as_nanos().div_ceil(step);
        Duration::from_nanos_u128(steps.saturating_mul(step))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at_rest, sync};
    use super::*;
    use crate::decide::{Awaited, HealthFacts, Push, decide};
    use crate::spec::{HealthCounts, Outcome, Period};
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn at_rest_looks_of_a_short_interval_are_all_there_is() {
        let every_5_s = sync().with(|spec| spec.interval = Period(5 * SECOND)).unwrap();
        let rest = decide(&every_5_s, &at_rest()).rest.unwrap();
        assert_eq!(rest.lasts, RECHECK);
        assert!((5 * SECOND..=5500 * SECOND / 1000).contains(&rest.every), "{rest:?}");
        let every_hour = sync().with(|spec| spec.interval = Period(3600 * SECOND)).unwrap();
        assert_eq!(decide(&every_hour, &at_rest()).rest, None, "each look has its decision");
        let none = |change: fn(&mut Facts)| {
            let mut facts = at_rest();
            change(&mut facts);
            assert_eq!(decide(&every_5_s, &facts).rest, None, "{facts:?}");
        };
        none(|facts| facts.push = Some(Push { age: SECOND, revision: Some("a".into()) }));
        none(|facts| facts.source.awaited = Some(Awaited { revision: "b".into(), looks: 0 }));
        none(|facts| facts.source.asked = None);
        none(|facts| facts.source.head = Some("b".into()));
        none(|facts| facts.drift.due = 1);
        none(|facts| facts.attempt.as_mut().unwrap().outcome = Outcome::Running);
        let suspended = every_5_s.with(|spec| spec.suspend = true).unwrap();
        assert_eq!(decide(&suspended, &at_rest()).rest, None);
    }

    /// The facts after a while in which looks found nothing new, the last of them so long ago.
    fn later(facts: &Facts, by: Duration, asked: Duration) -> Facts {
        let mut facts = facts.clone();
        facts.source.asked = Some(asked);
        facts.source.news = false;
        let ages = [
            facts.source.pushed.as_mut(),
            facts.manual.as_mut(),
            facts.attempt.as_mut().map(|attempt| &mut attempt.age),
            facts.health.as_mut().map(|health| &mut health.age),
        ];
        ages.into_iter().flatten().for_each(|age| *age += by);
        facts.drift.next = facts.drift.next.map(|next| next.saturating_sub(by));
        facts
    }

    proptest! {
        #[test]
        fn looks_are_made_at_common_moments_within_the_jitter_and_on_average_when_they_are_due(
            (seed, interval) in (any::<u64>(), 5_u64..54),
            began in 0_u64..10_000_000,
            looks in prop::collection::vec((0_u64..2000, prop::option::of(0_u64..100_000)), 1..50),
        ) {
            let interval = Duration::from_secs(interval);
            let sync = sync().with(|spec| spec.interval = Period(interval)).unwrap();
            let facts = Facts { seed, ..at_rest() };
            let rest = decide(&sync, &facts).rest.unwrap();
            let mut due = Duration::from_millis(began);
            let mut at = due;
            for (took, slept) in looks {
                let late = Duration::from_millis(slept.unwrap_or_default());
                let ended = at + late + Duration::from_millis(took);
                let before = due;
                due = rest.after(due, at + late, ended);
                at = rest.moment(due);
                prop_assert_eq!(at.as_nanos() % rest.slack.as_nanos(), 0);
                let pause = at - ended;
                prop_assert!((interval..=interval * 11 / 10).contains(&pause), "{:?}", pause);
                prop_assert!(at - due < rest.slack);
                let exact = before + Duration::from_millis(took) + rest.every;
                prop_assert!(due == exact || slept.is_some(), "{:?} {:?}", due, exact);
            }
        }

        #[test]
        fn while_it_lasts_nothing_but_the_next_look_becomes_due(
            (seed, interval) in (any::<u64>(), 5_u64..100),
            ages in prop::array::uniform4(prop::option::of(0_u64..200)),
            flags in prop::array::uniform4(any::<bool>()),
            (share, asked) in (0.0..1.0_f64, 0.0..=1.0_f64),
        ) {
            let sync = sync().with(|spec| {
                spec.interval = Period(Duration::from_secs(interval));
                spec.health_timeout = Period(100 * SECOND);
            });
            let sync = sync.unwrap();
            let [manual, pushed, next, attempt] = ages.map(|age| age.map(Duration::from_secs));
            let mut facts = at_rest();
            facts.seed = seed;
            (facts.manual, facts.source.pushed, facts.drift.next) = (manual, pushed, next);
            let age = attempt.unwrap_or_default();
            facts.attempt.as_mut().unwrap().age = age;
            if flags[0] {
                facts.attempt.as_mut().unwrap().outcome = Outcome::Refused;
                facts.attempt.as_mut().unwrap().failure = Some(crate::decide::Failure {
                    failures: 3,
                    ..crate::decide::Failure::default()
                });
            }
            let progressing = u32::from(flags[1]);
            let counts = HealthCounts { progressing, ..HealthCounts::default() };
            facts.health = Some(HealthFacts { counts, age, message: "m".into() });
            facts.base = flags[2].then(|| "a".into());
            let decision = decide(&sync, &facts);
            if let Some(rest) = decision.rest {
                let later = later(&facts, rest.lasts.mul_f64(share), rest.every.mul_f64(asked));
                let then = decide(&sync, &later);
                let regular = (then.action, then.trigger) == (Action::Poll, Trigger::Poll);
                prop_assert!(regular || !then.is_due(), "{:?}", then);
                prop_assert_eq!(then.conditions, decision.conditions);
            }
        }
    }
}
