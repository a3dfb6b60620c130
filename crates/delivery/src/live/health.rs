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
