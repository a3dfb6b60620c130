//! The inventory, remembered between runs: valid as long as its watch has seen no other version
//! of it than the last run wrote or read.

use super::memo::Version;
use crate::store::Store;
use cluster::{Client, ListOptions, Resource, WatchEvent, WatchPosition};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync::DeliveryName;
use sync::name::INVENTORY_LABEL;
use tokio::task::JoinHandle;

/// Objects in one page of the list that the watch begins with; each has up to a megabyte.
const PAGE_OBJECTS: u32 = 8;

/// The inventory of one delivery in one namespace.
pub(crate) struct Record {
    namespace: String,
    held: Arc<Mutex<Held>>,
    position: WatchPosition,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Held {
    store: Option<Store>,
    /// The ConfigMaps as the watch has seen them last.
    seen: BTreeMap<String, Version>,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Record {
    pub(crate) fn watch(
        client: &Client,
        resource: &Resource,
        name: &DeliveryName,
        namespace: &str,
    ) -> Self {
        let options = ListOptions {
            namespace: namespace.to_owned(),
            page_objects: PAGE_OBJECTS,
            metadata_only: true,
            ..ListOptions::with_labels(format!("{INVENTORY_LABEL}={name}"))
        };
        let mut watch = client.watch_exact(resource, options);
        let (position, held) = (watch.position(), Arc::<Mutex<Held>>::default());
        let seen = held.clone();
        let task = tokio::spawn(async move {
            loop {
                match watch.next().await {
                    Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                        let version = Version::of(&object);
                        lock(&seen).seen.insert(object.name().to_owned(), version);
                    }
                    Ok(WatchEvent::Deleted(deletion)) => {
                        lock(&seen).seen.remove(&deletion.id.name);
                    }
                    Ok(WatchEvent::Synced) => {}
                    Err(error) => tracing::debug!(%error, "the inventory is read, not watched"),
                }
            }
        });
        Self { namespace: namespace.to_owned(), held, position, task }
    }

    pub(crate) fn is_of(&self, namespace: &str) -> bool {
        self.namespace == namespace
    }

    /// The inventory as it is now, if that is known. It is given away: bring it back by
    /// [`Self::keep`] after the run, unless that failed.
    pub(crate) fn take(&self) -> Option<Store> {
        let mut held = lock(&self.held);
        let store = held.store.take()?;
        (self.position.is_in_sync() && is_current(&held.seen, &store.versions())).then_some(store)
    }

    pub(crate) fn keep(&self, store: Store) {
        lock(&self.held).store = Some(store);
    }
}

/// Whether nobody else has written: what was seen is what is held, or what was there before it.
fn is_current(seen: &BTreeMap<String, Version>, held: &BTreeMap<String, Version>) -> bool {
    seen.keys().eq(held.keys())
        && seen.values().zip(held.values()).all(|(seen, held)| seen == held || seen.is_before(held))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(all: &[(&str, &str)]) -> BTreeMap<String, Version> {
        all.iter().map(|(name, text)| ((*name).to_owned(), Version::parse(text))).collect()
    }

    #[test]
    fn gitops_8_an_inventory_that_somebody_else_wrote_is_read_again() {
        let held = versions(&[("a", "10"), ("b", "7")]);
        assert!(is_current(&held, &held));
        let before = versions(&[("a", "9"), ("b", "7")]);
        assert!(is_current(&before, &held), "the event of our own write is on its way");
        for other in [
            versions(&[("a", "11"), ("b", "7")]),
            versions(&[("a", "10")]),
            versions(&[("a", "10"), ("b", "7"), ("c", "1")]),
            versions(&[("a", "x"), ("b", "7")]),
        ] {
            assert!(!is_current(&other, &held), "{other:?}");
        }
    }
}
