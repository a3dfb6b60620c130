//! What runs of a cluster.

use super::LOG_TAIL_LINES;
use super::launch::Launcher;
use super::process;
use super::programs::programs;
use super::record::{Isolation, Place, Record};
use crate::TestbedError;
use crate::error::tail;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One component of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentStatus {
    /// `control` or `node1` ...
    pub place: String,
    /// The component's name.
    pub component: String,
    /// Its process on the host; none when it does not run.
    pub pid: Option<i32>,
    /// How long it has run, in seconds.
    pub uptime_seconds: Option<f64>,
    /// Its resident memory in bytes.
    pub resident_bytes: Option<u64>,
}

/// A cluster and its components.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The cluster's name.
    pub name: String,
    /// Whether it has namespaces of its own.
    pub isolation: Isolation,
    /// How many nodes it has.
    pub nodes: u8,
    /// The URL of the API server.
    pub server: String,
    /// The admin's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Pinned versions by module.
    pub versions: Vec<(String, String)>,
    /// What should run.
    pub components: Vec<ComponentStatus>,
}

pub(crate) fn status(record: &Record) -> Status {
    let launcher = Launcher::new(record);
    let mut components = Vec::new();
    for place in record.places() {
        for program in programs(record, place) {
            let pid = launcher.pids(place, &program).first().copied();
            components.push(ComponentStatus {
                place: place.name(),
                component: program.component.to_owned(),
                pid,
                uptime_seconds: pid.and_then(process::uptime).map(|up| up.as_secs_f64()),
                resident_bytes: pid.and_then(process::resident_bytes),
            });
        }
    }
    Status {
        name: record.name.clone(),
        isolation: record.isolation,
        nodes: record.nodes,
        server: record.server(),
        kubeconfig: record.kubeconfig("admin"),
        versions: crate::components::versions()
            .into_iter()
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect(),
        components,
    }
}

/// An error about something that took too long, with the end of its log.
pub(crate) fn not_ready(what: &str, limit: Duration, log: &Path) -> TestbedError {
    let text = std::fs::read(log).unwrap_or_default();
    TestbedError::NotReady {
        what: what.to_owned(),
        how: format!("is not ready after {}s", limit.as_secs()),
        log: log.to_owned(),
        tail: tail(&String::from_utf8_lossy(&text), LOG_TAIL_LINES),
    }
}

impl Launcher<'_> {
    /// Whether the API server and etcd run.
    pub(crate) fn control_lives(&self) -> bool {
        let all = programs(self.record, Place::Control);
        all.iter()
            .filter(|program| ["etcd", "kube-apiserver"].contains(&program.component))
            .all(|program| !self.pids(Place::Control, program).is_empty())
    }
}
