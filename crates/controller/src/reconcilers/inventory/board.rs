//! What is known about every delivery: recorded objects on one side, observed health on the
//! other. Pure: events in, tallies out; the time is an argument.

use objects::health::{Health, HealthStatus};
use objects::{GroupKind, ObjectRef};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};
use sync::Inventory;

/// Kinds that are never read: nobody should have to allow this process to read all Secrets.
const UNREAD_KINDS: [(&str, &str); 1] = [("", "Secret")];

/// A delivery that turns bad must stay so for this time before it is news: between a write of an
/// object and a write of its record there is always a moment in which they disagree.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);

/// A delivery: namespace of its inventory, and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Namespace.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub(crate) struct Board {
    deliveries: BTreeMap<Key, Delivery>,
    kinds: BTreeMap<GroupKind, Kind>,
    health: HashMap<ObjectRef, Health>,
}

#[derive(Debug, Default)]
struct Delivery {
    /// Each ConfigMap's lines as read; `None` when they cannot be read.
    shards: BTreeMap<String, Option<Inventory>>,
    told: Option<Verdict>,
    turned: Option<Instant>,
}

/// How far the observation of a kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    /// Its first list has not come yet.
    #[default]
    Listing,
    /// Every object of it is known.
    Known,
    /// It cannot be read: not allowed, or not served.
    Unreadable,
}

/// Whether a delivery as a whole is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything is healthy or suspended.
    Healthy,
    /// Something is degraded or missing.
    Degraded,
}

/// A delivery in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Objects by health.
    pub(crate) counts: BTreeMap<HealthStatus, usize>,
    /// The first object that is degraded or missing, and why.
    pub(crate) worst: Option<(ObjectRef, Health)>,
}

/// What to do after a look at a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing to tell.
    Quiet,
    /// It turned bad: look again after this time.
    Wait(Duration),
    /// Tell this, then call [`Board::told`].
    Tell(Verdict),
}

impl Board {
    /// A ConfigMap of an inventory is as this text; gives the delivery that it belongs to.
    pub(crate) fn recorded(&mut self, key: &Key, config_map: &str, text: &str) {
        let mut inventory = Inventory::default();
        let shard = match inventory.read(text) {
            Ok(()) => Some(inventory),
            Err(error) => {
                tracing::warn!(delivery = %key.name, namespace = %key.namespace, %error, "inventory not readable");
                None
            }
        };
        let delivery = self.deliveries.entry(key.clone()).or_default();
        delivery.shards.insert(config_map.to_owned(), shard);
        self.forget_unwanted();
    }

    /// A ConfigMap of an inventory is gone.
    pub(crate) fn unrecorded(&mut self, key: &Key, config_map: &str) {
        if let Some(delivery) = self.deliveries.get_mut(key) {
            delivery.shards.remove(config_map);
            if delivery.shards.is_empty() {
                self.deliveries.remove(key);
            }
        }
        self.forget_unwanted();
    }

    /// Kinds that have to be watched.
    pub(crate) fn wanted_kinds(&self) -> BTreeSet<GroupKind> {
        let unread = |id: &ObjectRef| {
            UNREAD_KINDS.iter().any(|(group, kind)| id.group == *group && id.kind == *kind)
        };
        self.deliveries
            .values()
            .flat_map(Delivery::entries)
            .filter(|(id, _)| !unread(id))
            .map(|(id, _)| id.group_kind())
            .collect()
    }

    /// An object was seen; gives whether anything about it changed.
    pub(crate) fn seen(&mut self, id: ObjectRef, health: Health) -> bool {
        match self.health.get(&id) {
            Some(known) if *known == health => false,
            _ => {
                self.health.insert(id, health);
                true
            }
        }
    }

    /// An object is gone.
    pub(crate) fn gone(&mut self, id: &ObjectRef) {
        self.health.remove(id);
    }

    /// Every object of a kind has been seen.
    pub(crate) fn listed(&mut self, kind: &GroupKind) {
        self.kinds.insert(kind.clone(), Kind::Known);
    }

    /// A kind cannot be read.
    pub(crate) fn unreadable(&mut self, kind: &GroupKind) {
        self.kinds.insert(kind.clone(), Kind::Unreadable);
    }

    /// Deliveries with this object; there is more than one only while it is handed over.
    pub(crate) fn with_object(&self, id: &ObjectRef) -> Vec<Key> {
        self.keys_where(|inventory| inventory.get(id).is_some())
    }

    /// Deliveries with objects of this kind.
    pub(crate) fn with_kind(&self, kind: &GroupKind) -> Vec<Key> {
        self.keys_where(|inventory| inventory.iter().any(|(id, _)| id.group_kind() == *kind))
    }

    /// The numbers; `None` when the delivery is gone, or not all of it has been looked at yet.
    pub(crate) fn tally(&self, key: &Key) -> Option<Tally> {
        let delivery = self.deliveries.get(key)?;
        if delivery.shards.values().any(Option::is_none) {
            return None;
        }
        let mut tally = Tally::default();
        for (id, was_made) in delivery.entries() {
            let kind = id.group_kind();
            let unread =
                UNREAD_KINDS.iter().any(|(group, name)| kind.group == *group && kind.kind == *name);
            let state = if unread {
                Kind::Unreadable
            } else {
                self.kinds.get(&kind).copied().unwrap_or_default()
            };
            let health = match state {
                Kind::Listing => return None,
                Kind::Unreadable => Health::new(HealthStatus::Unknown, "it may not be read"),
                Kind::Known => match self.health.get(id) {
                    Some(health) => health.clone(),
                    // Recorded before it is made: on its way.
                    None if !was_made => Health::new(HealthStatus::Progressing, "not made yet"),
                    None => Health::new(HealthStatus::Missing, "it is recorded but gone"),
                },
            };
            *tally.counts.entry(health.status).or_default() += 1;
            let bad = matches!(health.status, HealthStatus::Degraded | HealthStatus::Missing);
            if bad && tally.worst.is_none() {
                tally.worst = Some((id.clone(), health));
            }
        }
        Some(tally)
    }

    /// Whether the delivery still exists.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.deliveries.contains_key(key)
    }

    /// What a tally means for what was told before.
    pub(crate) fn judge(&mut self, key: &Key, tally: &Tally, now: Instant) -> Next {
        let Some(delivery) = self.deliveries.get_mut(key) else { return Next::Quiet };
        let progressing = tally.counts.get(&HealthStatus::Progressing).copied().unwrap_or(0) > 0;
        match (&tally.worst, delivery.told) {
            (Some(_), Some(Verdict::Degraded)) => Next::Quiet,
            (Some(_), _) => {
                let turned = *delivery.turned.get_or_insert(now);
                let waited = now.saturating_duration_since(turned);
                if waited >= SETTLE {
                    Next::Tell(Verdict::Degraded)
                } else {
                    Next::Wait(SETTLE - waited)
                }
            }
            (None, told) => {
                delivery.turned = None;
                match told {
                    Some(Verdict::Degraded) if !progressing => Next::Tell(Verdict::Healthy),
                    Some(_) => Next::Quiet,
                    None => {
                        // Well from the start, or on its way there: nothing has changed.
                        delivery.told = (!progressing).then_some(Verdict::Healthy);
                        Next::Quiet
                    }
                }
            }
        }
    }

    /// The verdict was told.
    pub(crate) fn told(&mut self, key: &Key, verdict: Verdict) {
        if let Some(delivery) = self.deliveries.get_mut(key) {
            delivery.told = Some(verdict);
            delivery.turned = None;
        }
    }

    fn keys_where(&self, has: impl Fn(&Inventory) -> bool) -> Vec<Key> {
        self.deliveries
            .iter()
            .filter(|(_, delivery)| delivery.shards.values().flatten().any(&has))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Kinds that no inventory names any more, with everything known of them.
    fn forget_unwanted(&mut self) {
        let wanted = self.wanted_kinds();
        self.kinds.retain(|kind, _| wanted.contains(kind));
        self.health.retain(|id, _| wanted.contains(&id.group_kind()));
    }
}

impl Delivery {
    /// Every recorded object once, and whether it has been made.
    fn entries(&self) -> impl Iterator<Item = (&ObjectRef, bool)> {
        let mut entries: BTreeMap<&ObjectRef, bool> = BTreeMap::new();
        for (id, entry) in self.shards.values().flatten().flat_map(Inventory::iter) {
            *entries.entry(id).or_default() |= entry.uid.is_some();
        }
        entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key { namespace: "shop".into(), name: "web".into() }
    }

    fn id(kind: &str, name: &str) -> ObjectRef {
        ObjectRef::new(GroupKind::new("", kind), "shop", name)
    }

    fn board(lines: &str, kinds: &[&str]) -> Board {
        let mut board = Board::default();
        board.recorded(&key(), "orlop-inventory-web", lines);
        for kind in kinds {
            board.listed(&GroupKind::new("", *kind));
        }
        board
    }

    const LINES: &str = "ConfigMap shop/a u1 -\nPod shop/p u2 -\nSecret shop/s u3 -\n";

    #[test]
    fn nothing_is_said_before_everything_has_been_looked_at() {
        let mut board = board(LINES, &["ConfigMap"]);
        assert_eq!(board.tally(&key()), None);
        board.listed(&GroupKind::new("", "Pod"));
        board.seen(id("ConfigMap", "a"), Health::default());
        let tally = board.tally(&key()).unwrap();
        let expected =
            [(HealthStatus::Healthy, 1), (HealthStatus::Missing, 1), (HealthStatus::Unknown, 1)];
        assert_eq!(tally.counts, BTreeMap::from(expected));
        assert_eq!(tally.worst.unwrap().0, id("Pod", "p"));
    }

    #[test]
    fn secrets_are_never_watched() {
        let kinds: Vec<String> =
            board(LINES, &[]).wanted_kinds().iter().map(ToString::to_string).collect();
        assert_eq!(kinds, ["ConfigMap", "Pod"]);
    }

    #[test]
    fn an_object_that_is_recorded_before_it_is_made_is_on_its_way() {
        let board = board("ConfigMap shop/a - -\n", &["ConfigMap"]);
        let tally = board.tally(&key()).unwrap();
        assert_eq!(tally.counts, BTreeMap::from([(HealthStatus::Progressing, 1)]));
    }

    #[test]
    fn a_delivery_is_news_when_it_stays_bad_and_when_it_is_well_again() {
        let mut board = board("Pod shop/p u2 -\n", &["Pod"]);
        let start = Instant::now();
        let look = |board: &mut Board, status: HealthStatus, after: Duration| {
            board.seen(id("Pod", "p"), Health::new(status, "m"));
            let tally = board.tally(&key()).unwrap();
            board.judge(&key(), &tally, start + after)
        };
        let second = Duration::from_secs(1);
        assert_eq!(look(&mut board, HealthStatus::Healthy, second), Next::Quiet);
        assert_eq!(look(&mut board, HealthStatus::Degraded, 2 * second), Next::Wait(SETTLE));
        assert_eq!(look(&mut board, HealthStatus::Healthy, 3 * second), Next::Quiet);
        assert_eq!(look(&mut board, HealthStatus::Degraded, 4 * second), Next::Wait(SETTLE));
        let settled = 4 * second + SETTLE;
        let told = look(&mut board, HealthStatus::Degraded, settled);
        assert_eq!(told, Next::Tell(Verdict::Degraded));
        board.told(&key(), Verdict::Degraded);
        assert_eq!(look(&mut board, HealthStatus::Degraded, 2 * settled), Next::Quiet);
        assert_eq!(look(&mut board, HealthStatus::Progressing, 2 * settled), Next::Quiet);
        let well = look(&mut board, HealthStatus::Healthy, 2 * settled);
        assert_eq!(well, Next::Tell(Verdict::Healthy));
        board.told(&key(), Verdict::Healthy);
        assert_eq!(look(&mut board, HealthStatus::Healthy, 3 * settled), Next::Quiet);
    }

    #[test]
    fn a_delivery_that_is_gone_leaves_nothing_behind() {
        let mut board = board(LINES, &["ConfigMap", "Pod"]);
        board.seen(id("Pod", "p"), Health::default());
        board.unrecorded(&key(), "orlop-inventory-web");
        assert!(!board.has(&key()) && board.tally(&key()).is_none());
        assert!(board.health.is_empty() && board.kinds.is_empty());
    }

    #[test]
    fn an_inventory_that_cannot_be_read_is_not_guessed_at() {
        let mut board = board("nonsense", &[]);
        assert_eq!(board.tally(&key()), None);
        board.recorded(&key(), "orlop-inventory-web", "");
        assert_eq!(board.tally(&key()), Some(Tally::default()));
    }

    #[test]
    fn an_unchanged_health_is_no_event() {
        let mut board = board(LINES, &[]);
        assert!(board.seen(id("Pod", "p"), Health::default()));
        assert!(!board.seen(id("Pod", "p"), Health::default()));
    }
}
