//! Two writers that undo each other: found by counting, slowed down, then stopped and named.
//!
//! Every time an object that was healed differs again is a *flip*. The first is healed at once;
//! each further one within [`FIGHT_WINDOW`] waits twice as long; after [`FLIPS_MAX`] the object is
//! left alone until a person or a new revision comes, or until it was quiet for [`FIGHT_FORGET`].
//! Times are ages of a clock that never goes back, as durations since any fixed moment. At most
//! [`FIGHTS_MAX`] objects are remembered; past these the one that flipped longest ago is
//! forgotten.

use crate::spec::SELF_HEAL_ANNOTATION;
use objects::{Object, ObjectRef};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::DriftFacts;

/// Flips within this time are one fight.
pub const FIGHT_WINDOW: Duration = Duration::from_secs(600);
/// After so many flips within the window the object is left alone.
pub const FLIPS_MAX: usize = 8;
/// The pause before the second heal; every further one is twice as long.
pub const FIGHT_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
pub const FIGHT_PAUSE_MAX: Duration = Duration::from_secs(300);
/// An object that was quiet for this long starts anew.
pub const FIGHT_FORGET: Duration = Duration::from_secs(3600);
/// Objects that are remembered.
pub const FIGHTS_MAX: usize = 1000;
/// Bytes of a manager's name that are kept.
const MANAGER_BYTES_MAX: usize = 128;

/// What to do about one drifted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heal {
    /// Heal it.
    Now,
    /// Heal it after this pause.
    After(Duration),
    /// Leave it alone; why, for people.
    Held(String),
}

/// One object's flips.
#[derive(Debug, Clone, Default)]
struct Fight {
    /// The moments of the flips within the window, oldest first; at most [`FLIPS_MAX`].
    flips: VecDeque<Duration>,
    /// The writer that was seen last.
    manager: Option<String>,
    /// When it was healed last.
    healed: Option<Duration>,
    stopped: bool,
}

/// What is remembered of all objects of a GitSync.
#[derive(Debug, Clone, Default)]
pub struct Fights(BTreeMap<ObjectRef, Fight>);

/// Which objects to heal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealPlan {
    /// At once.
    pub now: Vec<ObjectRef>,
    /// Not, each with the reason.
    pub held: Vec<(ObjectRef, String)>,
    /// The pause until another one may be healed.
    pub next: Option<Duration>,
    /// A sentence about one that is fought over.
    pub fight: Option<String>,
}

impl HealPlan {
    /// The same in numbers.
    #[must_use]
    pub fn facts(&self) -> DriftFacts {
        let count = |len| u32::try_from(len).unwrap_or(u32::MAX);
        let (due, held) = (count(self.now.len()), count(self.held.len()));
        DriftFacts { due, next: self.next, held, fight: self.fight.clone() }
    }
}

/// One drifted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    /// Which.
    pub id: ObjectRef,
    /// Whether its annotation keeps it from being healed; see [`opted_out`].
    pub opted_out: bool,
}

/// Whether an object's annotation keeps drift on it from being reverted. The live object decides,
/// so that somebody who mends an outage by hand can say so on the spot.
#[must_use]
pub fn opted_out(live: &Object) -> bool {
    live.annotation(SELF_HEAL_ANNOTATION) == Some("disabled")
}

impl Fights {
    /// Drift was seen on an object, written by this manager; once for each change that was seen.
    pub fn flipped(&mut self, id: &ObjectRef, manager: Option<&str>, now: Duration) {
        if !self.0.contains_key(id) && self.0.len() >= FIGHTS_MAX {
            let quiet = self.0.iter().min_by_key(|(_, f)| f.flips.back().copied());
            if let Some(id) = quiet.map(|(id, _)| id.clone()) {
                self.0.remove(&id);
            }
        }
        let fight = self.0.entry(id.clone()).or_default();
        let age = |then: Duration| now.saturating_sub(then);
        if fight.flips.back().is_some_and(|last| age(*last) >= FIGHT_FORGET) {
            *fight = Fight::default();
        }
        fight.flips.retain(|then| age(*then) < FIGHT_WINDOW);
        if fight.flips.len() >= FLIPS_MAX {
            fight.flips.pop_front();
        }
        fight.flips.push_back(now);
        fight.stopped |= fight.flips.len() >= FLIPS_MAX;
        if let Some(manager) = manager {
            let end = manager.floor_char_boundary(MANAGER_BYTES_MAX);
            fight.manager = manager.get(..end).map(str::to_owned);
        }
    }

    /// An object was healed: the pause for the next time counts from here.
    pub fn healed(&mut self, id: &ObjectRef, now: Duration) {
        if let Some(fight) = self.0.get_mut(id) {
            fight.healed = Some(now);
        }
    }

    /// A person or a new revision came: every object starts anew.
    pub fn forgive(&mut self) {
        self.0.clear();
    }

    /// How many objects are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What to do about one drifted object.
    #[must_use]
    pub fn verdict(&self, id: &ObjectRef, now: Duration) -> Heal {
        let Some(fight) = self.0.get(id) else { return Heal::Now };
        let last = fight.flips.back().copied().unwrap_or_default();
        if fight.stopped && now.saturating_sub(last) < FIGHT_FORGET {
            let other = match &fight.manager {
                Some(manager) => format!("field manager `{manager}`"),
                None => "another writer".to_owned(),
            };
            let minutes = FIGHT_WINDOW.as_secs() / 60;
            return Heal::Held(format!(
                "{other} undid it {FLIPS_MAX} times within {minutes} minutes; it is left alone \
                 until the revision changes or a person asks for it",
            ));
        }
        let recent = fight.flips.iter().filter(|then| now.saturating_sub(**then) < FIGHT_WINDOW);
        let doublings = u32::try_from(recent.count()).unwrap_or(u32::MAX).saturating_sub(2);
        let Some(healed) = fight.healed.filter(|_| fight.flips.len() > 1) else { return Heal::Now };
        let pause = FIGHT_PAUSE.saturating_mul(1 << doublings.min(16)).min(FIGHT_PAUSE_MAX);
        match (healed + pause).saturating_sub(now) {
            Duration::ZERO => Heal::Now,
            rest => Heal::After(rest),
        }
    }

    /// What to do about all of them. `enabled` is the spec's.
    #[must_use]
    pub fn plan(&self, drifted: &[Drifted], enabled: bool, now: Duration) -> HealPlan {
        let mut plan = HealPlan::default();
        for Drifted { id, opted_out } in drifted {
            let verdict = if *opted_out {
                Heal::Held(format!("the annotation {SELF_HEAL_ANNOTATION} keeps it as it is"))
            } else if !enabled {
                Heal::Held("self-healing is switched off".to_owned())
            } else {
                let verdict = self.verdict(id, now);
                if let Heal::Held(why) = &verdict {
                    plan.fight.get_or_insert_with(|| format!("{id}: {why}"));
                }
                verdict
            };
            match verdict {
                Heal::Now => plan.now.push(id.clone()),
                Heal::Held(why) => plan.held.push((id.clone(), why)),
                Heal::After(rest) => {
                    plan.next = Some(plan.next.map_or(rest, |next| next.min(rest)));
                }
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::GroupKind;

    fn id(name: &str) -> ObjectRef {
        ObjectRef::new(GroupKind::new("apps", "Deployment"), "a", name)
    }

    /// Plays a writer that undoes every heal at once; gives the moments of the heals.
    fn play(until: Duration) -> (Fights, Vec<Duration>) {
        let (mut fights, mut now, mut heals) = (Fights::default(), Duration::ZERO, Vec::new());
        fights.flipped(&id("web"), Some("hpa"), now);
        while now < until {
            match fights.verdict(&id("web"), now) {
                Heal::Now => {
                    heals.push(now);
                    fights.healed(&id("web"), now);
                    fights.flipped(&id("web"), Some("hpa"), now);
                }
                Heal::After(rest) => now += rest,
                Heal::Held(_) => break,
            }
        }
        (fights, heals)
    }

    #[test]
    fn gitops_22_a_fight_is_slowed_down_stopped_and_named() {
        let (fights, heals) = play(Duration::from_secs(3600));
        let seconds: Vec<u64> = heals.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 1, 3, 7, 15, 31, 63]);
        let Heal::Held(why) = fights.verdict(&id("web"), Duration::from_secs(100)) else {
            panic!("not held")
        };
        assert!(why.contains("`hpa`") && why.contains("8 times"), "{why}");
        let plan = fights.plan(
            &[
                Drifted { id: id("web"), opted_out: false },
                Drifted { id: id("b"), opted_out: true },
            ],
            true,
            Duration::from_secs(100),
        );
        assert_eq!((plan.now.len(), plan.held.len()), (0, 2));
        assert!(plan.fight.unwrap().starts_with("Deployment.apps a/web: "));
    }

    #[test]
    fn gitops_22_a_person_or_an_hour_of_quiet_ends_a_fight() {
        let (mut fights, heals) = play(Duration::from_secs(3600));
        let last = *heals.last().unwrap();
        assert!(matches!(fights.verdict(&id("web"), last + FIGHT_FORGET / 2), Heal::Held(_)));
        assert_eq!(fights.verdict(&id("web"), last + FIGHT_FORGET), Heal::Now);
        fights.flipped(&id("web"), None, last + FIGHT_FORGET);
        assert_eq!(fights.verdict(&id("web"), last + FIGHT_FORGET), Heal::Now);
        let (mut fights, _) = play(Duration::from_secs(3600));
        fights.forgive();
        assert_eq!(fights.verdict(&id("web"), last), Heal::Now);
    }

    #[test]
    fn drift_that_comes_seldom_is_healed_at_once_and_never_stopped() {
        let mut fights = Fights::default();
        for hour in 0..50 {
            let now = Duration::from_secs(hour * 700);
            fights.flipped(&id("web"), None, now);
            assert_eq!(fights.verdict(&id("web"), now), Heal::Now);
            fights.healed(&id("web"), now);
        }
    }

    #[test]
    fn no_more_objects_are_remembered_than_the_bound() {
        let mut fights = Fights::default();
        for n in 0..FIGHTS_MAX + 5 {
            fights.flipped(&id(&n.to_string()), None, Duration::from_secs(n as u64));
        }
        assert_eq!(fights.len(), FIGHTS_MAX);
        assert!(!fights.0.contains_key(&id("0")));
    }

    #[test]
    fn an_object_opts_out_by_its_live_annotation() {
        let object = |value: &str| {
            let annotations = serde_json::json!({SELF_HEAL_ANNOTATION: value});
            Object::from_value(serde_json::json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "a", "annotations": annotations},
            }))
            .unwrap()
        };
        assert!(opted_out(&object("disabled")));
        assert!(!opted_out(&object("enabled")));
    }
}
