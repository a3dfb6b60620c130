//! What the reader hands to the sinks: records, whose they are, and how far each file was read.

use crate::pods::Pod;
use lines::Records;
use otlp::Value;
use pipeline::ledger::FileId;
use std::sync::Arc;
use std::time::Instant;

/// Records with everything that a sink needs to send and to acknowledge them.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) records: Records,
    /// The files of the records and of `ends`; few, so they are searched.
    pub(crate) sources: Vec<Source>,
    /// How far files were read when the block was finished.
    pub(crate) ends: Vec<End>,
    /// No other block comes before this, as far as the reader knows.
    pub(crate) quiet_until: Option<Instant>,
}

/// A file as far as sinks need to know it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) file: FileId,
    /// A number that no other file of this process has.
    pub(crate) serial: u32,
    /// What is known of it.
    pub(crate) origin: Arc<Origin>,
    /// Up to where it was read before this block, but not beyond a piece that was unfinished then.
    pub(crate) base: u64,
}

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) file: FileId,
    /// Everything before is in records, sampled out, or passed over.
    pub(crate) settled: u64,
    /// Where the oldest unfinished piece begins.
    pub(crate) hold: Option<u64>,
    /// Nothing will follow.
    pub(crate) closed: bool,
}

impl Block {
    /// Forgets the content and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.sources.clear();
        self.ends.clear();
        self.quiet_until = None;
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> u64 {
        let lists =
            self.sources.capacity() * size_of::<Source>() + self.ends.capacity() * size_of::<End>();
        (self.records.memory() + lists + size_of::<Self>()) as u64
    }

    /// The file with this slot.
    pub(crate) fn source(&self, slot: u32) -> Option<&Source> {
        self.sources.iter().find(|source| source.file.slot == slot)
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.ends.is_empty()
    }
}

/// What all records of a file have in common: [`Common`], apart so that what is left of one that
/// nobody has any more is small.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Origin(Box<Common>);

impl std::ops::Deref for Origin {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.0
    }
}

/// What all records of a file have in common.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Common {
    /// As OTLP writes it.
    pub(crate) otlp: otlp::Origin,
    /// Attributes of the resource.
    pub(crate) attributes: Box<[(String, String)]>,
    /// The attributes as a JSON object.
    pub(crate) json: Box<str>,
    /// `namespace/pod`, when it is a pod's.
    pub(crate) pod: Option<Box<str>>,
    /// What was known of the pod.
    pub(crate) of: Option<Arc<Pod>>,
    /// Its path.
    pub(crate) path: Box<str>,
    /// A hash of the path.
    pub(crate) hash: u64,
}

/// The scope of our records.
const SCOPE: &str = "orlop.dev/agent";

impl Origin {
    /// From the attributes of the resource; of equal names the last one counts.
    pub(crate) fn new(
        attributes: impl IntoIterator<Item = (String, String)>,
        path: &str,
        pod: Option<String>,
    ) -> Self {
        let mut kept: Vec<(String, String)> = Vec::new();
        for (name, value) in attributes {
            match kept.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => kept.push((name, value)),
            }
        }
        let values = kept.iter().map(|(name, value)| (name.as_str(), Value::Str(value)));
        let otlp = otlp::Origin::new(values).with_scope(SCOPE, env!("CARGO_PKG_VERSION"));
        let mut json = Vec::from(*b"{");
        for (index, (name, value)) in kept.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            crate::encode::json::string(&mut json, name);
            json.push(b':');
            crate::encode::json::string(&mut json, value);
        }
        json.push(b'}');
        let json = String::from_utf8(json).unwrap_or_default();
        let hash = pipeline::hash::bytes(0, path.as_bytes());
        let (attributes, pod) = (kept.into_boxed_slice(), pod.map(String::into_boxed_str));
        let (json, path) = (json.into_boxed_str(), path.into());
        Self(Box::new(Common { otlp, attributes, json, pod, of: None, path, hash }))
    }

    /// With what is known of the pod.
    pub(crate) fn of(mut self, pod: Option<&Arc<Pod>>) -> Self {
        self.0.of = pod.cloned();
        self
    }

    /// Whether it says what is known of the pod.
    pub(crate) fn is_of(&self, pod: &Arc<Pod>) -> bool {
        self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, pod))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_attributes_with_one_name_the_last_one_counts() {
        let pairs = [("a", "1"), ("b", "x\"\n"), ("a", "2")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let origin = Origin::new(pairs, "/p", None);
        assert_eq!(&*origin.json, r#"{"a":"2","b":"x\"\n"}"#);
        assert_eq!(origin.attributes.len(), 2);
    }
}
