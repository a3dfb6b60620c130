//! The memos of one delivery and how events, writes and new trees change them. No I/O.
//!
//! Who asks must know that the watch of the kind is in sync ([`super::follow`]): a memo says what
//! the last event said, and nothing about events that are missing.

use super::drift::{self, Drift, DriftKind};
use super::memo::{Memo, Standing, Uid, Version};
use super::{HealthRule, LiveEvent};
use crate::desired::{Desired, DesiredSet};
use crate::takeover;
use objects::health::{self, Health, HealthStatus};
use objects::mask::Masker;
use objects::proof::{self, Proof};
use objects::{GroupKind, GroupVersionKind, Object, ObjectRef, Packed};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync::decide::Live;
use sync::digest::Hasher;
use sync::directives::{self, PruneRule};
use sync::name::SELF_HEAL_ANNOTATION;
use sync::{Digest, Inventory};
use tokio::sync::broadcast;

/// Objects that are not clean and are kept whole, so that nobody has to ask for them again.
pub const KEPT_OBJECTS_MAX: usize = 256;
/// What these take together, in bytes of JSON.
pub const KEPT_BYTES_MAX: usize = 8 << 20;
/// Objects whose drift is kept with its fields. Of others it is kept that they drifted and by whom,
/// so that any number of them is counted and reverted.
pub const DRIFTS_MAX: usize = 1000;
/// Events that wait for a slow reader.
pub const LIVE_EVENTS_MAX: usize = 1024;

/// What is remembered of one delivery.
pub(crate) struct Memory {
    manager: String,
    masker: Masker,
    rule: Option<HealthRule>,
    state: Mutex<State>,
    news: broadcast::Sender<LiveEvent>,
}

#[derive(Default)]
struct State {
    /// Counts what may change how healthy everything is.
    changes: u64,
    desired: Arc<DesiredSet>,
    memos: HashMap<ObjectRef, Memo>,
    /// Unproven objects as they are.
    kept: HashMap<ObjectRef, Packed>,
    kept_bytes: usize,
    /// Unproven objects of which the server said that nothing would change.
    confirmed: HashMap<ObjectRef, Confirmed>,
    drifts: BTreeMap<ObjectRef, Drift>,
    /// Of unproven objects that are not kept, and of which nobody knows yet what was applied: the
    /// document that they differ from, and what is told if it was that one.
    open: HashMap<ObjectRef, (Digest, Drift)>,
}

/// How the state of an object came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// With a list: nothing happened to it.
    Listed,
    /// With an event.
    Event,
    /// With the answer to a write of ours.
    Ours,
}

/// The server's word about an object that cannot be proven clean.
struct Confirmed {
    /// The desired document that was asked about.
    desired: Digest,
    /// What of the live object the answer depends on.
    live: Digest,
}

/// What is known of a desired object without asking.
pub(crate) enum Recalled {
    /// Nothing is to be done about it.
    Clean(Live, Option<Health>),
    /// It is there, in another state or for another document.
    Differs {
        /// What it is.
        live: Live,
        /// Its health when it is not healthy.
        health: Option<Health>,
        /// Whether ownership may have to be taken over.
        takes: bool,
        /// The object, if it is kept.
        object: Option<Packed>,
    },
    /// The watch has not seen it: it is absent, or has no label.
    Unseen,
}

impl Memory {
    pub(crate) fn new(manager: String, masker: Masker, rule: Option<HealthRule>) -> Self {
        let (news, _) = broadcast::channel(LIVE_EVENTS_MAX);
        Self { manager, masker, rule, state: Mutex::default(), news }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<LiveEvent> {
        self.news.subscribe()
    }

    pub(crate) fn tell(&self, event: LiveEvent) {
        // Nobody has to listen.
        let _ = self.news.send(event);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often something changed on which the health of the delivery may depend.
    pub(crate) fn changes(&self) -> u64 {
        self.state().changes
    }

    pub(crate) fn desired(&self) -> Arc<DesiredSet> {
        self.state().desired.clone()
    }

    /// From now on this is what is wanted.
    pub(crate) fn aim(&self, set: &Arc<DesiredSet>) {
        let mut state = self.state();
        state.desired = set.clone();
        state.changed();
        let State { drifts, confirmed, desired, memos, .. } = &mut *state;
        // What Git changed has not drifted.
        drifts.retain(|id, _| {
            let digest = memos.get(id).map(|memo| memo.digest);
            desired.get(id).is_some_and(|one| digest.is_none_or(|known| known == Some(one.digest)))
        });
        confirmed.retain(|id, word| desired.get(id).is_some_and(|one| one.digest == word.desired));
    }

    /// What was applied before this process began: an object that is not as it was applied then
    /// has drifted, one that Git changed has not.
    pub(crate) fn recorded(&self, inventory: &Inventory) {
        let mut state = self.state();
        let set = state.desired.clone();
        let open: Vec<ObjectRef> = state
            .memos
            .iter()
            .filter(|(_, memo)| memo.standing == Standing::Unproven && memo.digest.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        let mut told = Vec::new();
        for id in open {
            let (Some(desired), Some(entry)) = (set.get(&id), inventory.get(&id)) else { continue };
            // Judged by another tree it stays open: that one may be refused.
            if entry.digest != Some(desired.digest) {
                continue;
            }
            let live = state.kept.get(&id).and_then(|packed| packed.unpack().ok());
            let Some(memo) = state.memos.get_mut(&id) else { continue };
            if entry.uid.as_ref() != Some(&memo.uid) {
                continue;
            }
            memo.digest = entry.digest;
            let open = state.open.remove(&id).filter(|(digest, _)| *digest == desired.digest);
            match (live, open) {
                (Some(live), _) => told.extend(self.drifted(&mut state, desired, &live)),
                (None, Some((_, drift))) => told.extend(state.note(drift)),
                (None, None) => {}
            }
        }
        drop(state);
        told.into_iter().for_each(|event| self.tell(event));
    }

    /// An event: the object is this now. `listing` says that it comes from a list.
    pub(crate) fn seen(&self, gvk: &GroupVersionKind, live: &Object, listing: bool) {
        let events = {
            let mut state = self.state();
            let id = live.id();
            let (uid, version) = (Uid::of(live), Version::of(live));
            if let Some(memo) = state.memos.get_mut(&id).filter(|memo| memo.uid == uid) {
                if memo.version == version {
                    memo.written = false;
                    return;
                }
                // On its way since before our own write.
                if memo.written && !listing && version.is_before(&memo.version) {
                    return;
                }
            }
            let how = if listing { How::Listed } else { How::Event };
            self.take(&mut state, gvk, &id, live, how)
        };
        events.into_iter().for_each(|event| self.tell(event));
    }

    /// The answer to a write of ours.
    pub(crate) fn wrote(&self, gvk: &GroupVersionKind, live: &Object) {
        let events = {
            let mut state = self.state();
            let (id, version) = (live.id(), Version::of(live));
            let known = state.memos.get(&id).filter(|memo| memo.uid == Uid::of(live));
            // The event came before the answer, and others after it.
            let newer = known.is_some_and(|memo| version.is_before(&memo.version));
            // The write changed nothing that was seen already: there will be no event.
            let seen = known.is_some_and(|memo| memo.version == version && !memo.written);
            let events = match newer {
                true => Vec::new(),
                false => self.take(&mut state, gvk, &id, live, How::Ours),
            };
            if seen && let Some(memo) = state.memos.get_mut(&id) {
                memo.written = false;
            }
            events
        };
        events.into_iter().for_each(|event| self.tell(event));
    }

    /// The server said that applying the desired document to this state changes nothing.
    pub(crate) fn confirm(&self, desired: &Desired, live: &Object) {
        let mut state = self.state();
        let Some(memo) = state.memos.get_mut(&desired.id) else { return };
        if memo.uid != Uid::of(live) || memo.version != Version::of(live) {
            return;
        }
        memo.standing = Standing::Clean;
        memo.digest = Some(desired.digest);
        let word = Confirmed { desired: desired.digest, live: footprint(live) };
        state.confirmed.insert(desired.id.clone(), word);
        state.settle(&desired.id);
    }

    fn take(
        &self,
        state: &mut State,
        gvk: &GroupVersionKind,
        id: &ObjectRef,
        live: &Object,
        how: How,
    ) -> Vec<LiveEvent> {
        let ours = how == How::Ours;
        let set = state.desired.clone();
        let desired = set.get(id).filter(|desired| *desired.gvk == *gvk);
        let before = state.memos.get(id).filter(|memo| memo.uid == Uid::of(live));
        let new = before.is_none() && how != How::Listed;
        let was = before.and_then(|memo| memo.health.clone());
        let last = before.and_then(|memo| memo.digest);
        let standing = match desired {
            _ if live.is_terminating() => Standing::Going,
            None => Standing::Unnamed,
            Some(desired) => self.judge(state, desired, live),
        };
        let memo = Memo {
            uid: Uid::of(live),
            version: Version::of(live),
            digest: match (standing, desired) {
                (Standing::Clean, Some(desired)) => Some(desired.digest),
                (_, Some(desired)) if ours => Some(desired.digest),
                _ => last,
            },
            standing,
            health: self.unhealthy(live).map(Box::new),
            takes: takeover::may_take(live, &self.manager),
            prune: PruneRule::of(live),
            prune_last: directives::prunes_last(live),
            wave: directives::wave_of(live),
            heal_disabled: live.annotation(SELF_HEAL_ANNOTATION) == Some("disabled"),
            written: ours,
        };
        let mut events = Vec::new();
        if desired.is_some() && (new || was != memo.health) {
            let health = memo.health.as_deref().cloned().unwrap_or_default();
            events.push(LiveEvent::Health { object: id.clone(), health });
        }
        // The desired set's own identity shares its text with everything else.
        let key = desired.map_or_else(|| id.clone(), |desired| desired.id.clone());
        let digest = memo.digest;
        state.memos.insert(key, memo);
        state.changed();
        match (standing, desired) {
            (Standing::Unproven, Some(desired)) => {
                let kept = state.keep(id, live);
                if !ours && digest == Some(desired.digest) {
                    events.extend(self.drifted(state, desired, live));
                } else if !kept && digest.is_none() {
                    let drift = self.difference(desired, live).map(Drift::without_fields);
                    state.open.extend(drift.map(|drift| (id.clone(), (desired.digest, drift))));
                }
            }
            (Standing::Clean | Standing::Unnamed, _) => state.settle(id),
            _ => state.unkeep(id),
        }
        events
    }

    fn judge(&self, state: &State, desired: &Desired, live: &Object) -> Standing {
        // Made once, and whatever it is now is left to others.
        if desired.says(|directives| directives.once) {
            return Standing::Clean;
        }
        let Ok(wanted) = desired.payload(live, &self.manager) else { return Standing::Unproven };
        if proof::prove(&wanted, live, &self.manager).is_clean() {
            return Standing::Clean;
        }
        let word = state.confirmed.get(&desired.id);
        let holds =
            word.is_some_and(|word| word.desired == desired.digest && word.live == footprint(live));
        if holds { Standing::Clean } else { Standing::Unproven }
    }

    /// Notes a drift; gives the event unless the same was told before.
    fn drifted(&self, state: &mut State, desired: &Desired, live: &Object) -> Option<LiveEvent> {
        state.note(self.difference(desired, live)?)
    }

    /// What of an object is not as the tree wants it; `None` when nothing is.
    fn difference(&self, desired: &Desired, live: &Object) -> Option<Drift> {
        let wanted = desired.payload(live, &self.manager).ok()?;
        let Proof::Unproven { reasons } = proof::prove(&wanted, live, &self.manager) else {
            return None;
        };
        let heals = live.annotation(SELF_HEAL_ANNOTATION) != Some("disabled");
        let how = (self.manager.as_str(), &self.masker);
        Some(drift::changed(&wanted, live, &reasons, how, heals))
    }

    /// An event: the object is gone, or has lost its label.
    pub(crate) fn gone(&self, id: &ObjectRef, uid: &str) {
        let events = {
            let mut state = self.state();
            if state.memos.get(id).is_none_or(|memo| memo.uid != Uid::parse(uid)) {
                return;
            }
            let Some(memo) = state.memos.remove(id) else { return };
            state.changed();
            state.settle(id);
            state.confirmed.remove(id);
            let set = state.desired.clone();
            let Some(desired) = set.get(id) else { return };
            let health = Health::new(HealthStatus::Missing, "it was deleted");
            let mut events = vec![LiveEvent::Health { object: id.clone(), health }];
            if memo.digest == Some(desired.digest) {
                events.extend(state.note(drift::gone(id.clone(), !memo.heal_disabled)));
            }
            events
        };
        events.into_iter().for_each(|event| self.tell(event));
    }

    /// Forgets a kind, everywhere or in one namespace: nobody watches it any more.
    pub(crate) fn forget(&self, kind: &GroupKind, namespace: &str) {
        self.forget_those(kind, namespace, |_| true);
    }

    /// A list of a kind is complete. What was written meanwhile and is not in it may have gone
    /// again without an event: it is forgotten until its event comes, if it ever does.
    pub(crate) fn listed(&self, kind: &GroupKind, namespace: &str) {
        self.forget_those(kind, namespace, |memo| memo.written);
    }

    fn forget_those(&self, kind: &GroupKind, namespace: &str, those: impl Fn(&Memo) -> bool) {
        // Identities have the canonical group.
        let kind = kind.clone().canonical();
        let mut state = self.state();
        let ids: Vec<ObjectRef> = state
            .memos
            .iter()
            .filter(|(id, memo)| id.kind == kind.kind && id.group == kind.group && those(memo))
            .map(|(id, _)| id)
            .filter(|id| namespace.is_empty() || id.namespace == namespace)
            .cloned()
            .collect();
        state.changed();
        for id in ids {
            state.memos.remove(&id);
            state.settle(&id);
        }
    }

    /// What is known of a desired object.
    pub(crate) fn recall(&self, desired: &Desired) -> Recalled {
        let state = self.state();
        let Some(memo) = state.memos.get(&desired.id) else { return Recalled::Unseen };
        let health = memo.health.as_deref().cloned();
        if memo.standing == Standing::Clean && memo.digest == Some(desired.digest) {
            return Recalled::Clean(memo.facts(), health);
        }
        Recalled::Differs {
            live: memo.facts(),
            health,
            takes: memo.takes,
            object: state.kept.get(&desired.id).cloned(),
        }
    }

    /// What is known of an object that left the tree; `None` when it has to be asked for.
    pub(crate) fn recall_left(&self, id: &ObjectRef, delivery: &str) -> Option<Live> {
        let state = self.state();
        // What finalizers hold it only the object itself says.
        let memo = state.memos.get(id).filter(|memo| memo.standing != Standing::Going)?;
        Some(Live { delivery: Some(delivery.to_owned()), ..memo.facts() })
    }

    pub(crate) fn version(&self, id: &ObjectRef) -> Option<String> {
        self.state().memos.get(id).map(|memo| memo.version.to_string())
    }

    pub(crate) fn drifts(&self) -> Vec<Drift> {
        self.state().drifts.values().cloned().collect()
    }

    pub(crate) fn drifts_of(&self, id: &ObjectRef) -> Option<Drift> {
        self.state().drifts.get(id).cloned()
    }

    /// Whether it may be reverted.
    pub(crate) fn heals(&self, id: &ObjectRef) -> bool {
        let state = self.state();
        let there = state.memos.get(id).map(|memo| !memo.heal_disabled);
        there.or_else(|| state.drifts.get(id).map(|drift| drift.heals)).unwrap_or(true)
    }

    /// Looks at every desired object. `watched` says whether its watch is in sync.
    pub(crate) fn each(&self, mut look: impl FnMut(&Desired, Option<(&Memo, bool)>)) {
        let state = self.state();
        for desired in &state.desired.objects {
            let memo = state.memos.get(&desired.id);
            let drifted = || state.drifts.contains_key(&desired.id);
            look(desired, memo.map(|memo| (memo, drifted())));
        }
    }

    /// The health of one object; `None` when it was not seen.
    pub(crate) fn health(&self, id: &ObjectRef) -> Option<Health> {
        let state = self.state();
        state.memos.get(id).map(|memo| memo.health.as_deref().cloned().unwrap_or_default())
    }

    /// The health of an object that is neither healthy nor suspended.
    pub(crate) fn unhealthy(&self, live: &Object) -> Option<Health> {
        let health = self
            .rule
            .as_ref()
            .filter(|_| !live.is_terminating())
            .and_then(|rule| rule(live))
            .unwrap_or_else(|| health::assess(live));
        Some(health).filter(|health| health.status > HealthStatus::Suspended)
    }
}

impl State {
    fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
    }

    fn note(&mut self, mut drift: Drift) -> Option<LiveEvent> {
        let known = self.drifts.get(&drift.object);
        let full = match known {
            Some(known) => known.kind == DriftKind::Differs,
            None => self.drifts.len() >= DRIFTS_MAX,
        };
        let mut kept = if full { drift.clone().without_fields() } else { drift.clone() };
        if let Some(known) = known {
            if kept.is_as(known) {
                return None;
            }
            drift.noticed = known.noticed;
            kept.noticed = known.noticed;
        }
        self.drifts.insert(kept.object.clone(), kept);
        Some(LiveEvent::Drift(Arc::new(drift)))
    }

    /// It is as it should be, or none of ours.
    fn settle(&mut self, id: &ObjectRef) {
        self.drifts.remove(id);
        self.unkeep(id);
    }

    fn unkeep(&mut self, id: &ObjectRef) {
        self.open.remove(id);
        if let Some(packed) = self.kept.remove(id) {
            self.kept_bytes -= packed.len_bytes();
        }
    }

    /// Keeps an object whole, if there is room.
    fn keep(&mut self, id: &ObjectRef, live: &Object) -> bool {
        self.unkeep(id);
        let Ok(packed) = Packed::pack(live) else { return false };
        let bytes = self.kept_bytes + packed.len_bytes();
        let room = self.kept.len() < KEPT_OBJECTS_MAX && bytes <= KEPT_BYTES_MAX;
        if room {
            self.kept_bytes = bytes;
            self.kept.insert(id.clone(), packed);
        }
        room
    }
}

impl Memo {
    /// What the engine needs to know, without the finalizers.
    fn facts(&self) -> Live {
        Live {
            uid: self.uid.clone(),
            resource_version: self.version.clone(),
            terminating: self.standing == Standing::Going,
            prune: self.prune,
            prune_last: self.prune_last,
            wave: self.wave,
            ..Live::default()
        }
    }
}

/// Everything of a live object that the outcome of an apply can depend on: its content without
/// the status, and who owns what, without when.
fn footprint(live: &Object) -> Digest {
    let mut map = live.as_map().clone();
    map.remove("status");
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        metadata.remove("resourceVersion");
        if let Some(Value::Array(entries)) = metadata.get_mut("managedFields") {
            entries
                .retain(|entry| entry.get("subresource").and_then(Value::as_str) != Some("status"));
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                entry.remove("time");
            }
        }
    }
    let mut hasher = Hasher::default();
    hasher.value(&Value::Object(map));
    hasher.finish()
}

#[cfg(test)]
mod tests;
