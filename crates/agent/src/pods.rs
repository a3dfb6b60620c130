//! The pods of this node: one list and one watch of `/api/v1/pods` for this node alone, and a table
//! from which records get their metadata.
//!
//! Input: the API server's answers. Output: for the folder of a pod's logs its owner, labels and
//! containers. The folder has the namespace and the name of the pod, so whatever stands in a pod,
//! it says nothing about logs of another one. A pod stays in the table after its deletion until its
//! files are drained. Bounds: [`PODS_MAX`] pods, [`LIST_BYTES_MAX`] of a list, [`EVENT_BYTES_MAX`]
//! of an event, [`ATTRIBUTES_PER_POD_MAX`]; whatever goes wrong is tried again after a growing
//! pause.

mod parse;
mod table;
mod watch;

pub(crate) use parse::Pod;
#[cfg(test)]
pub(crate) use parse::{Wanted, tests::read};
pub(crate) use table::{PodNumbers, Table};
pub(crate) use watch::{WatchOptions, run};

use host::tail::PodLog;
use std::path::Path;

/// The name of the folder with a pod's logs, by which a pod is found; `path` is one of them.
pub(crate) fn folder(path: &Path) -> Option<&str> {
    PodLog::parse(path)?;
    path.parent()?.parent()?.file_name()?.to_str()
}

/// Pods in the table, those that are gone included.
pub const PODS_MAX: usize = 4_096;
/// Bytes of a list of pods.
pub const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one event of a watch.
pub const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Labels and annotations of one pod that are kept.
pub const ATTRIBUTES_PER_POD_MAX: usize = 64;
/// Bytes of one value that are kept.
pub const VALUE_BYTES_MAX: usize = 1_024;
/// Containers of one pod that are kept.
pub const CONTAINERS_MAX: usize = 256;
