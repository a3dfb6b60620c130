//! The pods that are known, and those whose files are still read.

use super::{PODS_MAX, Pod};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Pods by the folder of their logs; shared by the watch and the reader.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Mutex<HashMap<String, Entry>>,
    synced: AtomicBool,
    /// Why the API server could not be asked, since the last list.
    failing: Mutex<Option<String>>,
    /// It was told that there are no pods where their files are.
    told_empty: AtomicBool,
    numbers: Arc<PodNumbers>,
}

/// What is counted, for all tables.
#[derive(Debug, Default)]
pub(crate) struct PodNumbers {
    /// Lists that succeeded.
    pub(crate) lists: AtomicU64,
    /// Events of watches.
    pub(crate) events: AtomicU64,
    /// Times that the API server could not be asked.
    pub(crate) failures: AtomicU64,
    /// Files whose pod was not known in time.
    pub(crate) late: AtomicU64,
    /// Pods that found no room.
    pub(crate) refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Entry {
    pod: Option<Arc<Pod>>,
    /// Files of it that are read.
    holders: usize,
    gone: bool,
}

impl Table {
    /// One that is empty, and counts there.
    pub(crate) fn new(numbers: Arc<PodNumbers>) -> Self {
        Self { numbers, ..Self::default() }
    }

    /// Knows what another table knows, until the first list.
    pub(crate) fn inherit(&self, from: &Self) {
        let known = from.lock();
        let known = known.iter().filter_map(|(folder, entry)| Some((folder, entry.pod.clone()?)));
        let entry = |pod| Entry { pod: Some(pod), ..Entry::default() };
        self.lock().extend(known.map(|(folder, pod)| (folder.clone(), entry(pod))));
    }

    /// What was counted.
    pub(crate) fn numbers(&self) -> &PodNumbers {
        &self.numbers
    }

    /// How many pods are known.
    pub(crate) fn len(&self) -> usize {
        self.lock().values().filter(|entry| entry.pod.is_some()).count()
    }

    /// Whether the API server was asked successfully, once.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// The API server cannot be asked, for this reason, or can again.
    pub(crate) fn set_failing(&self, reason: Option<String>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Why it cannot be asked now.
    pub(crate) fn failing(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the API server knows no pods at all, which is said once.
    pub(crate) fn is_empty_first(&self) -> bool {
        self.is_synced() && self.len() == 0 && !self.told_empty.swap(true, Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pod exists, or changed.
    pub(crate) fn put(&self, pod: Pod) {
        let mut entries = self.lock();
        if !entries.contains_key(&pod.folder) && entries.len() >= PODS_MAX {
            self.numbers.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let entry = entries.entry(pod.folder.clone()).or_default();
        entry.gone = false;
        if entry.pod.as_deref() != Some(&pod) {
            entry.pod = Some(Arc::new(pod));
        }
    }

    /// A pod is deleted: it goes when its files are drained.
    pub(crate) fn delete(&self, folder: &str) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(folder) {
            entry.gone = true;
            if entry.holders == 0 {
                entries.remove(folder);
            }
        }
    }

    /// The list is whole: what is not in it is gone.
    pub(crate) fn replace(&self, pods: Vec<Pod>) {
        for entry in self.lock().values_mut() {
            entry.gone = true;
        }
        for pod in pods {
            self.put(pod);
        }
        self.lock().retain(|_, entry| !entry.gone || entry.holders > 0);
        self.synced.store(true, Ordering::Release);
    }

    /// Somebody begins to read a file of the pod.
    pub(crate) fn hold(&self, folder: &str) {
        let mut entries = self.lock();
        if entries.contains_key(folder) || entries.len() < PODS_MAX {
            entries.entry(folder.to_owned()).or_default().holders += 1;
        }
    }

    /// A file of the pod is drained.
    pub(crate) fn release(&self, folder: &str) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(folder) {
            entry.holders = entry.holders.saturating_sub(1);
            if entry.holders == 0 && (entry.gone || entry.pod.is_none()) {
                entries.remove(folder);
            }
        }
    }

    /// What is known of a pod now.
    pub(crate) fn get(&self, folder: &str) -> Option<Arc<Pod>> {
        self.lock().get(folder)?.pod.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(folder: &str) -> Pod {
        Pod { folder: folder.to_owned(), ..Pod::default() }
    }

    #[test]
    fn r27_a_deleted_pod_stays_until_its_files_are_drained() {
        let table = Table::default();
        table.put(pod("a"));
        table.hold("a");
        table.hold("a");
        table.delete("a");
        assert!(table.get("a").is_some());
        table.release("a");
        assert!(table.get("a").is_some());
        table.release("a");
        assert!(table.get("a").is_none());
        assert_eq!(table.lock().len(), 0);
    }

    #[test]
    fn r27_a_new_list_forgets_what_is_gone_and_keeps_what_is_read() {
        let table = Table::default();
        for folder in ["a", "b", "c"] {
            table.put(pod(folder));
        }
        table.hold("b");
        table.replace(vec![pod("c")]);
        assert!(table.get("a").is_none() && table.get("b").is_some() && table.get("c").is_some());
        assert!(table.is_synced());
        table.release("b");
        assert!(table.get("b").is_none());
    }

    #[test]
    fn no_number_of_pods_makes_the_table_grow_beyond_its_bound() {
        let table = Table::default();
        for index in 0..PODS_MAX + 3 {
            table.put(pod(&index.to_string()));
        }
        table.hold("one more");
        assert_eq!(table.lock().len(), PODS_MAX);
        assert_eq!(table.numbers().refused.load(Ordering::Relaxed), 3);
    }
}
