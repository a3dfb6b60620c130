//! The health of a whole delivery: looked up again only when something has changed.
//!
//! Who leads a delivery asks several times around each step, and a look at ten thousand objects
//! takes milliseconds. What came of the last look is kept with what it was made of: how often the
//! memory has changed, and which watches were in sync.

use super::LiveHealth;
use super::follow::InSync;
use super::memory::Memory;
use crate::desired::Desired;
use crate::report::ObjectHealth;
use objects::ObjectRef;
use objects::health::{Health, HealthStatus};
use std::sync::{Mutex, PoisonError};

/// A look with more unhealthy objects than this is not kept.
const KEPT_UNHEALTHY_MAX: usize = 256;

/// What came of the last look.
#[derive(Default)]
pub(super) struct KnownHealth(Mutex<Option<Known>>);

struct Known {
    changes: u64,
    in_sync: InSync,
    health: LiveHealth,
}

impl KnownHealth {
    /// The health of what the memory has, with these watches in sync.
    pub(super) fn of(&self, memory: &Memory, in_sync: InSync) -> LiveHealth {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the look: what changes during it makes the next one look again.
        let changes = memory.changes();
        if let Some(known) = &*known
            && (known.changes, &known.in_sync) == (changes, &in_sync)
        {
            return known.health.clone();
        }
        let health = look(memory, &in_sync);
        let is_short = health.unhealthy.len() <= KEPT_UNHEALTHY_MAX;
        *known = is_short.then(|| Known { changes, in_sync, health: health.clone() });
        health
    }
}

fn look(memory: &Memory, in_sync: &InSync) -> LiveHealth {
    let (mut found, mut sync) = (LiveHealth::default(), Answers::new(in_sync));
    memory.each(|desired, memo| {
        let health = match memo {
            _ if !sync.of(desired) => {
                Health::new(HealthStatus::Unknown, "its kind is not watched right now")
            }
            None => Health::new(HealthStatus::Missing, "it does not exist"),
            Some((memo, _)) => memo.health.as_deref().cloned().unwrap_or_default(),
        };
        *found.counts.entry(health.status).or_default() += 1;
        if health.status > HealthStatus::Suspended {
            found.unhealthy.push(ObjectHealth::new(desired.id.clone(), health));
        }
    });
    found.unhealthy.sort_by(|one, other| one.object.cmp(&other.object));
    found
}

/// Whether the kind of one object after the other is in sync.
pub(super) struct Answers<'a> {
    in_sync: &'a InSync,
    last: Option<(ObjectRef, bool)>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(in_sync: &'a InSync) -> Self {
        Self { in_sync, last: None }
    }

    pub(super) fn of(&mut self, desired: &Desired) -> bool {
        let id = &desired.id;
        // Neighbours are mostly of one kind and namespace.
        if let Some((last, answer)) = &self.last
            && (&last.kind, &last.group, &last.namespace) == (&id.kind, &id.group, &id.namespace)
        {
            return *answer;
        }
        let answer = self.in_sync.has(&desired.gvk, &id.namespace);
        self.last = Some((id.clone(), answer));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::DesiredSet;
    use objects::mask::Masker;
    use objects::{GroupKind, GroupVersionKind, Object};
    use proptest::prelude::*;
    use serde_json::json;
    use std::sync::Arc;

    /// Something that happens to one of a few ConfigMaps.
    #[derive(Debug, Clone)]
    enum Step {
        Seen { name: u8, bad: bool, listing: bool },
        Wrote { name: u8, bad: bool },
        Gone { name: u8 },
        Listed,
        Forget,
        Aim { names: u8 },
        Sync { on: bool },
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..4, any::<bool>(), any::<bool>())
                .prop_map(|(name, bad, listing)| Step::Seen { name, bad, listing }),
            2 => (0_u8..4, any::<bool>()).prop_map(|(name, bad)| Step::Wrote { name, bad }),
            1 => (0_u8..4).prop_map(|name| Step::Gone { name }),
            1 => Just(Step::Listed),
            1 => Just(Step::Forget),
            1 => (0_u8..16).prop_map(|names| Step::Aim { names }),
            1 => any::<bool>().prop_map(|on| Step::Sync { on }),
        ]
    }

    fn object(name: u8, bad: bool, version: usize) -> Object {
        let value = if bad { "bad" } else { "good" };
        Object::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"k": value},
            "metadata": {"name": format!("c{name}"), "namespace": "default",
                "uid": format!("uid-{name}"), "resourceVersion": version.to_string()},
        }))
        .unwrap()
    }

    fn memory() -> Memory {
        let rule = |object: &Object| {
            let bad = object.str_at(&["data", "k"]) == Some("bad");
            bad.then(|| Health::new(HealthStatus::Degraded, "it is bad"))
        };
        Memory::new("orlop-sync-shop".into(), Masker::new([7; 32]), Some(Box::new(rule)))
    }

    proptest! {
        #[test]
        fn what_is_kept_of_the_last_look_is_what_a_look_finds(
            steps in proptest::collection::vec((steps(), any::<bool>()), 1..40),
        ) {
            let (memory, known) = (memory(), KnownHealth::default());
            let gvk = GroupVersionKind::from_api_version("v1", "ConfigMap");
            let synced = |on: bool| InSync::of(on.then(|| (gvk.clone(), "default".to_owned())));
            let mut on = true;
            for (version, (step, asks)) in steps.into_iter().enumerate() {
                match step {
                    Step::Seen { name, bad, listing } => {
                        memory.seen(&gvk, &object(name, bad, version + 1), listing);
                    }
                    Step::Wrote { name, bad } => {
                        memory.wrote(&gvk, &object(name, bad, version + 1));
                    }
                    Step::Gone { name } => {
                        let id = object(name, false, 1).id();
                        memory.gone(&id, &format!("uid-{name}"));
                    }
                    Step::Listed => memory.listed(&GroupKind::new("", "ConfigMap"), "default"),
                    Step::Forget => memory.forget(&GroupKind::new("", "ConfigMap"), ""),
                    Step::Aim { names } => {
                        let names = (0..4).filter(|name| names >> name & 1 == 1);
                        let all = names.map(|name| Desired::of(&object(name, false, 1), "shop"));
                        memory.aim(&Arc::new(DesiredSet::of(all.collect())));
                    }
                    Step::Sync { on: now } => on = now,
                }
                if asks {
                    prop_assert_eq!(known.of(&memory, synced(on)), look(&memory, &synced(on)));
                    prop_assert_eq!(known.of(&memory, synced(on)), look(&memory, &synced(on)));
                }
            }
        }

        #[test]
        fn a_look_with_many_unhealthy_objects_is_the_same_at_the_bound_and_beyond(
            more in 0_usize..2,
        ) {
            let (memory, known) = (memory(), KnownHealth::default());
            let gvk = GroupVersionKind::from_api_version("v1", "ConfigMap");
            let named = |n: usize| Object::from_value(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{n}")},
            })).unwrap();
            let count = KEPT_UNHEALTHY_MAX + more;
            let all = (0..count).map(|n| Desired::of(&named(n), "shop"));
            memory.aim(&Arc::new(DesiredSet::of(all.collect())));
            let in_sync = || InSync::of([(gvk.clone(), String::new())]);
            prop_assert_eq!(known.of(&memory, in_sync()).unhealthy.len(), count);
            let kept = known.0.lock().unwrap().is_some();
            prop_assert_eq!(kept, more == 0);
            prop_assert_eq!(known.of(&memory, in_sync()).unhealthy.len(), count);
        }
    }
}
