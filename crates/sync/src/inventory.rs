//! The inventory: which objects a delivery has put into a cluster. It alone says what may be
//! pruned; labels never do.
//!
//! Text, one object a line, sorted: `Kind.group namespace/name uid digest`. `-` stands for a uid
//! or a digest that is not known yet (the line was written before the object). The line of a hook
//! ends in the word `hook`; its digest tells for which tree it has run. It is kept in
//! ConfigMaps, each at most [`SHARD_OBJECTS_MAX`] lines and [`SHARD_BYTES_MAX`] bytes. An object's
//! shard follows from its identity, and the number of shards is a power of two, so that a write
//! of one shard never takes an object out of another one: see [`Inventory::writes`].

use crate::digest::Digest;
use objects::{GroupKind, ObjectRef, Uid};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Objects in one ConfigMap.
pub const SHARD_OBJECTS_MAX: usize = 4_000;
/// Bytes of text in one ConfigMap; the API server takes 1 MiB with everything around it.
pub const SHARD_BYTES_MAX: usize = 700 * 1024;
/// ConfigMaps of one inventory: enough for 200,000 objects.
pub const SHARDS_MAX: usize = 128;

/// What is recorded of one object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The live object's uid, once known.
    pub uid: Option<Uid>,
    /// The digest of what was applied last, once applied.
    pub digest: Option<Digest>,
    /// Whether it is a hook: cleaned up like everything else, but of no health.
    pub hook: bool,
}

/// The recorded objects of one delivery. A copy costs nothing until one of both changes: most runs
/// change a few lines, if any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    entries: Arc<BTreeMap<ObjectRef, Entry>>,
}

/// Why a text is not an inventory, or an inventory not writable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// A line that this release cannot read. Nothing is guessed: a lost line is a lost object.
    #[error("line {line} of the inventory is not `Kind.group namespace/name uid digest [hook]`")]
    Line {
        /// From 1.
        line: usize,
    },
    /// More objects than the shards hold.
    #[error("{objects} objects do not fit into the {SHARDS_MAX} ConfigMaps of an inventory")]
    TooLarge {
        /// How many there are.
        objects: usize,
    },
}

impl model::Explain for InventoryError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new(match self {
            Self::Line { .. } => {
                "someone edited the ConfigMap: restore the line, or remove it if its object is gone"
            }
            Self::TooLarge { .. } => "split the tree into several deliveries",
        }))
    }
}

/// One write that brings the stored shards to the wanted state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardWrite {
    /// Create or replace this shard.
    Put {
        /// From 0.
        shard: usize,
        /// The text.
        text: String,
    },
    /// Remove this shard; everything in it has been written elsewhere before.
    Remove {
        /// From 0.
        shard: usize,
    },
}

impl Inventory {
    /// How many objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is recorded of an object.
    #[must_use]
    pub fn get(&self, id: &ObjectRef) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// All objects in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectRef, &Entry)> {
        self.entries.iter()
    }

    /// Whether every object here is recorded in `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.entries, &other.entries) {
            return true;
        }
        // Both are sorted, and mostly equal.
        let mut others = other.entries.keys();
        self.entries.keys().all(|id| others.any(|other| other == id))
    }

    /// Records an object that is about to be made, or keeps what is known of it.
    pub fn expect(&mut self, id: &ObjectRef) {
        self.expect_as(id, false);
    }

    /// Records a hook that is about to run, and keeps what is known of it.
    pub fn expect_hook(&mut self, id: &ObjectRef) {
        self.expect_as(id, true);
    }

    fn expect_as(&mut self, id: &ObjectRef, hook: bool) {
        if self.get(id).is_none_or(|known| known.hook != hook) {
            Arc::make_mut(&mut self.entries).entry(id.clone()).or_default().hook = hook;
        }
    }

    /// Leaves hooks out, for those who ask about health.
    pub fn without_hooks(&mut self) {
        Arc::make_mut(&mut self.entries).retain(|_, entry| !entry.hook);
    }

    /// Lets the identities share their text with those that `known` gives for them.
    pub fn share(&mut self, known: impl Fn(&ObjectRef) -> Option<ObjectRef>) {
        let all = Arc::unwrap_or_clone(std::mem::take(&mut self.entries)).into_iter();
        let shared = all.map(|(id, entry)| (known(&id).unwrap_or(id), entry));
        self.entries = Arc::new(shared.collect());
    }

    /// Records what was applied.
    pub fn record(&mut self, id: &ObjectRef, entry: Entry) {
        if self.get(id) != Some(&entry) {
            Arc::make_mut(&mut self.entries).insert(id.clone(), entry);
        }
    }

    /// Forgets an object that is gone or that another delivery has.
    pub fn forget(&mut self, id: &ObjectRef) {
        if self.entries.contains_key(id) {
            Arc::make_mut(&mut self.entries).remove(id);
        }
    }

    /// Adds the lines of one stored shard. An object that stands in two shards (a run was cut
    /// between two writes) keeps the more complete line.
    ///
    /// # Errors
    /// [`InventoryError::Line`] for the first line that cannot be read.
    pub fn read(&mut self, text: &str) -> Result<(), InventoryError> {
        let entries = Arc::make_mut(&mut self.entries);
        for (index, line) in text.lines().enumerate() {
            let (id, entry) = parse_line(line).ok_or(InventoryError::Line { line: index + 1 })?;
            let known = entries.entry(id).or_default();
            known.uid = entry.uid.or(known.uid.take());
            known.digest = entry.digest.or(known.digest.take());
            known.hook = entry.hook;
        }
        Ok(())
    }

    /// The text of each shard. No objects: no shards.
    ///
    /// # Errors
    /// [`InventoryError::TooLarge`] past [`SHARDS_MAX`] shards.
    pub fn shards(&self) -> Result<Vec<String>, InventoryError> {
        // Fewer could not hold as many lines.
        let mut count = match self.len().div_ceil(SHARD_OBJECTS_MAX) {
            0 => 0,
            least => least.next_power_of_two(),
        };
        while count <= SHARDS_MAX {
            if let Some(shards) = self.split(count) {
                return Ok(shards);
            }
            count *= 2;
        }
        Err(InventoryError::TooLarge { objects: self.len() })
    }

    /// The writes that turn the stored shards into this inventory, in an order in which a crash
    /// between any two of them loses no object: shards that are new come first, shards that go
    /// come last. Shards of which `is_same` says that they have this text are not written.
    ///
    /// # Errors
    /// [`InventoryError::TooLarge`].
    pub fn writes<T>(
        &self,
        stored: &BTreeMap<usize, T>,
        is_same: impl Fn(&T, &str) -> bool,
    ) -> Result<Vec<ShardWrite>, InventoryError> {
        let wanted = self.shards()?;
        let shards = wanted.len();
        let (known, new): (Vec<_>, Vec<_>) =
            wanted.into_iter().enumerate().partition(|(shard, _)| stored.contains_key(shard));
        let mut writes: Vec<ShardWrite> = new
            .into_iter()
            .chain(known)
            .filter(|(shard, text)| !stored.get(shard).is_some_and(|known| is_same(known, text)))
            .map(|(shard, text)| ShardWrite::Put { shard, text })
            .collect();
        writes.extend(
            stored
                .keys()
                .filter(|shard| **shard >= shards)
                .map(|shard| ShardWrite::Remove { shard: *shard }),
        );
        Ok(writes)
    }

    /// Into `count` (a power of two) shards, unless one of them would be too large.
    fn split(&self, count: usize) -> Option<Vec<String>> {
        let mut shards = vec![(0_usize, String::new()); count];
        for (id, entry) in self.entries.iter() {
            let (objects, text) = shards.get_mut(shard_of(id, count))?;
            *objects += 1;
            write_line(text, id, entry);
            if *objects > SHARD_OBJECTS_MAX || text.len() > SHARD_BYTES_MAX {
                return None;
            }
        }
        Some(shards.into_iter().map(|(_, text)| text).collect())
    }
}

/// The shard of an object: FNV-1a of its printed identity. Stable for ever, it is on disk.
fn shard_of(id: &ObjectRef, count: usize) -> usize {
    let hash = id.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The low bits of FNV alone are weak; `count` is at most 2^7.
    let folded = hash ^ (hash >> 32);
    usize::try_from(folded % count.max(1) as u64).unwrap_or(0)
}

fn write_line(text: &mut String, id: &ObjectRef, entry: &Entry) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{} {}/{} ", id.group_kind(), id.namespace, id.name);
    let _ = match &entry.uid {
        Some(uid) => write!(text, "{uid} "),
        None => write!(text, "- "),
    };
    let _ = match &entry.digest {
        Some(digest) => write!(text, "{digest}"),
        None => write!(text, "-"),
    };
    text.push_str(if entry.hook { " hook\n" } else { "\n" });
}

fn parse_line(line: &str) -> Option<(ObjectRef, Entry)> {
    let mut words = line.split(' ');
    let (kind, place, uid, digest) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    let (namespace, name) = place.split_once('/')?;
    let hook = match words.next() {
        None => false,
        Some("hook") => true,
        Some(_) => return None,
    };
    if kind.is_empty() || name.is_empty() || uid.is_empty() || words.next().is_some() {
        return None;
    }
    let digest = match digest {
        "-" => None,
        text => Some(text.parse().ok()?),
    };
    let uid = (uid != "-").then(|| Uid::parse(uid));
    let entry = Entry { uid, digest, hook };
    Some((ObjectRef::new(GroupKind::new(group, kind), namespace, name), entry))
}

#[cfg(test)]
mod tests;
