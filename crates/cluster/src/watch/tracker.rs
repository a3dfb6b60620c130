//! What a watch knows to exist: enough to tell what is new, changed or gone, in a few bytes for
//! each object, because there can be a hundred thousand.

use super::{Deletion, WatchEvent};
use crate::resource::Resource;
use objects::{Object, ObjectRef};
use objects::{Uid, Version};
use std::collections::HashMap;

/// What an object takes here, without its name.
const ENTRY_BYTES_MAX: usize = 64;
const _: () = assert!(size_of::<(Box<str>, Known)>() <= ENTRY_BYTES_MAX);

/// The objects of one watch.
pub(super) struct Tracker {
    resource: Resource,
    /// By `NAMESPACE/NAME`: neither can have a slash.
    known: HashMap<Box<str>, Known>,
    round: u32,
}

struct Known {
    uid: Uid,
    version: Version,
    round: u32,
}

fn key(object: &Object) -> Box<str> {
    [object.namespace(), "/", object.name()].concat().into_boxed_str()
}

impl Tracker {
    pub(super) fn new(resource: Resource) -> Self {
        Self { resource, known: HashMap::new(), round: 0 }
    }

    pub(super) fn listed_before(&self) -> bool {
        self.round > 0
    }

    /// A list begins (again): what it does not name is gone when it ends.
    pub(super) fn begin(&mut self) {
        // After four billion lists the first number comes again, when nothing has it any more.
        self.round = self.round.checked_add(1).unwrap_or(1);
    }

    pub(super) fn end(&mut self) -> Vec<WatchEvent> {
        let round = self.round;
        let left = self.known.iter().filter(|(_, known)| known.round != round);
        let mut gone: Vec<Box<str>> = left.map(|(key, _)| key.clone()).collect();
        gone.sort();
        gone.into_iter()
            .filter_map(|key| {
                let known = self.known.remove(&key)?;
                Some(self.deletion(&key, &known.uid, None))
            })
            .collect()
    }

    pub(super) fn seen(&mut self, object: Object) -> Vec<WatchEvent> {
        let key = key(&object);
        let next =
            Known { uid: Uid::of(&object), version: Version::of(&object), round: self.round };
        let object = Box::new(object);
        match self.known.get_mut(&key) {
            None => {
                self.known.insert(key, next);
                vec![WatchEvent::Added(object)]
            }
            Some(known) if known.uid != next.uid => {
                let before = std::mem::replace(known, next);
                vec![self.deletion(&key, &before.uid, None), WatchEvent::Added(object)]
            }
            Some(known) => {
                let changed = known.version != next.version;
                *known = next;
                if changed { vec![WatchEvent::Modified(object)] } else { Vec::new() }
            }
        }
    }

    pub(super) fn removed(&mut self, object: Object) -> Vec<WatchEvent> {
        let (key, uid) = (key(&object), Uid::of(&object));
        if self.known.get(&key).is_none_or(|known| known.uid != uid) {
            return Vec::new();
        }
        self.known.remove(&key);
        vec![self.deletion(&key, &uid, Some(object))]
    }

    fn deletion(&self, key: &str, uid: &Uid, object: Option<Object>) -> WatchEvent {
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let id = ObjectRef::new(self.resource.gvk.group_kind(), namespace, name);
        WatchEvent::Deleted(Box::new(Deletion { id, uid: uid.to_string(), object }))
    }
}
