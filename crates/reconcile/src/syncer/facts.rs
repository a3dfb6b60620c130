//! What a decision is made of, as ages of a clock that never goes back.

use super::Syncer;
use gitops::decide::{DependencyFact, Facts, HealthFacts, Push, SourceFacts, graph};
use gitops::spec::{HealthCounts, Outcome, SyncKey, Valid};
use objects::health::HealthStatus;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Objects that a sentence about health names.
const UNWELL_NAMED_MAX: usize = 3;

impl Syncer {
    pub(super) fn facts(&mut self, valid: &Valid) -> Facts {
        let mut hasher = DefaultHasher::new();
        (&self.key, self.sync.metadata.uid.as_deref()).hash(&mut hasher);
        let source = SourceFacts {
            head: self.source.head.clone(),
            fetched: self.loaded.as_ref().map(|loaded| loaded.commit.id.clone()),
            asked: self.source.asked.map(|at| at.elapsed()),
            generation: self.source.generation,
            news: self.source.news,
            pushed: self.source.pushed.map(|at| at.elapsed()),
            awaited: self.source.awaited.clone(),
            failure: self.source.failure.clone(),
        };
        let attempt = self.attempt.as_ref().map(|state| {
            let mut attempt = state.attempt.clone();
            attempt.age = state.ended.elapsed();
            attempt
        });
        let health = self.health();
        let enabled = valid.spec().self_heal.enabled;
        let plan = self.fights.plan(&self.drift.drifted, enabled, self.born.elapsed());
        let held: HashMap<_, _> = plan
            .held
            .iter()
            .map(|(id, why)| ((&*id.group, &*id.kind, &*id.namespace, &*id.name), why))
            .collect();
        for entry in &mut self.drift.told {
            entry.held = held.get(&name_of(entry)).map(|why| (*why).clone());
        }
        Facts {
            seed: hasher.finish(),
            source,
            push: self
                .push
                .as_ref()
                .map(|(at, revision)| Push { age: at.elapsed(), revision: revision.clone() }),
            manual: self.manual.map(|at| at.elapsed()),
            attempt,
            dependencies: self.dependencies(valid),
            cycle: self.cycle(valid),
            drift: plan.facts(),
            health,
            base: self.base().map(|loaded| loaded.commit.id.clone()),
        }
    }

    fn dependencies(&self, valid: &Valid) -> Vec<DependencyFact> {
        valid
            .dependencies()
            .enumerate()
            .map(|(index, (key, _))| {
                let other = self.shared.look_up(&key);
                let blocked = valid.not_ready(index, other.as_deref());
                DependencyFact { key, blocked }
            })
            .collect()
    }

    /// Follows the dependencies of dependencies as far as they are known.
    fn cycle(&self, valid: &Valid) -> Option<Vec<SyncKey>> {
        let mut known: graph::Graph = BTreeMap::new();
        let own: Vec<SyncKey> = valid.dependencies().map(|(key, _)| key).collect();
        let mut left: BTreeSet<SyncKey> = own.iter().cloned().collect();
        known.insert(self.key.clone(), own);
        while let Some(key) = left.pop_first() {
            if known.contains_key(&key) {
                continue;
            }
            let Some(other) = self.shared.look_up(&key) else { continue };
            let next: Vec<SyncKey> = other
                .spec
                .depends_on
                .iter()
                .map(|dependency| {
                    let namespace = dependency.namespace.as_ref().unwrap_or(&key.namespace);
                    SyncKey::new(namespace.clone(), dependency.name.clone())
                })
                .collect();
            left.extend(next.iter().cloned());
            known.insert(key, next);
        }
        graph::find_cycle(&known, &self.key)
    }

    pub(super) fn health(&mut self) -> Option<HealthFacts> {
        let state = self.attempt.as_ref()?;
        let following = self.live.as_ref()?;
        if state.attempt.outcome != Outcome::Succeeded || !self.looking {
            return None;
        }
        let age = state.applied.map(|at| at.elapsed()).unwrap_or_default();
        let live = &following.live;
        if !live.is_in_sync() && live.unwatched().is_empty() {
            // A watch is being opened again: what was told last stands until it has.
            let (counts, message) = self.health.clone().unwrap_or_else(|| {
                let counts = HealthCounts { progressing: 1, ..HealthCounts::default() };
                (counts, "not every kind was looked at yet".to_owned())
            });
            return Some(HealthFacts { counts, age, message });
        }
        let health = live.health();
        let count = |status| {
            let count = health.counts.get(&status).copied().unwrap_or(0);
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let counts = HealthCounts {
            healthy: count(HealthStatus::Healthy),
            suspended: count(HealthStatus::Suspended),
            progressing: count(HealthStatus::Progressing),
            missing: count(HealthStatus::Missing),
            degraded: count(HealthStatus::Degraded),
            unknown: count(HealthStatus::Unknown),
        };
        let mut unwell: Vec<_> = health.unhealthy.iter().collect();
        unwell.sort_by_key(|one| std::cmp::Reverse(one.status));
        let mut message: Vec<String> = unwell
            .iter()
            .take(UNWELL_NAMED_MAX)
            .map(|one| match one.message.as_str() {
                "" => format!("{} is {}", one.object, one.status),
                why => format!("{} is {}: {why}", one.object, one.status),
            })
            .collect();
        let more = unwell.len().saturating_sub(UNWELL_NAMED_MAX);
        if more > 0 {
            message.push(format!("{more} more"));
        }
        let message = message.join("; ");
        self.health = Some((counts, message.clone()));
        Some(HealthFacts { counts, age, message })
    }
}

/// What an entry of a status names: group, kind, namespace and name.
pub(super) fn name_of(drift: &gitops::spec::Drift) -> (&str, &str, &str, &str) {
    (&drift.group, &drift.kind, &drift.namespace, &drift.name)
}
