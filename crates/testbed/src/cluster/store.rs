//! The folders of all clusters of this user, and who may work on which.
//!
//! The lock of a cluster is a lock on its folder, and the lock of the address ranges one on the
//! folder above, so that no lock file outlives a cluster.

use super::record::{
    INDEX_LIMIT, Isolation, OWN_PORTS, Phase, Ports, RECORD_FILE, Record, valid_name,
};
use super::{Spec, network};
use crate::components::Components;
use crate::{TestbedError, files};
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A cluster's folder, locked.
pub(crate) struct Held {
    pub(crate) dir: PathBuf,
    _lock: File,
}

/// The folder that holds one folder per cluster.
#[must_use]
pub fn state_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/orlop/clusters");
    }
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("orlop/clusters")
}

/// Creates the cluster's folder and waits until nobody else works on the cluster.
pub(crate) fn hold(name: &str) -> Result<Held, TestbedError> {
    let dir = state_dir().join(name);
    let lock = lock(&dir)?;
    Ok(Held { dir, _lock: lock })
}

/// Removes the (empty) folder, and with the last cluster the folders above it and what nodes
/// changed on the host.
pub(crate) fn forget(held: Held) -> Result<(), TestbedError> {
    let root = state_dir();
    let all = lock(&root)?;
    fs::remove_dir(&held.dir).map_err(TestbedError::file("remove", &held.dir))?;
    if files::names(&root).is_empty() {
        super::sysctl::restore()?;
        // Not empty when something else of this project keeps its state there.
        let _ = fs::remove_dir(&root);
        let _ = root.parent().map(fs::remove_dir);
    }
    drop((held, all));
    Ok(())
}

/// Empties the folder; the record goes last, because the clean-up needs it until then.
pub(crate) fn empty(dir: &Path) -> Result<(), TestbedError> {
    let names = files::names(dir);
    let (record, rest): (Vec<_>, Vec<_>) = names.iter().partition(|name| *name == RECORD_FILE);
    for name in rest.into_iter().chain(record) {
        let path = dir.join(name);
        let removed = if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(TestbedError::file("remove", &path))?;
    }
    Ok(())
}

/// Chooses what the cluster is alone to use, and writes it down before anything is done.
pub(crate) fn record(
    held: &Held,
    spec: &Spec,
    isolation: Isolation,
    components: Components,
) -> Result<Record, TestbedError> {
    let root = state_dir();
    let _ranges = lock(&root)?;
    let mut record = Record {
        name: spec.name.clone(),
        index: 0,
        isolation,
        phase: Phase::Rising,
        nodes: 0,
        audit: spec.audit,
        ports: OWN_PORTS,
        owner: std::process::id(),
        components,
        dir: held.dir.clone(),
    };
    let others: Vec<Record> = files::names(&root)
        .iter()
        .filter(|name| valid_name(name) && **name != spec.name)
        .filter_map(|name| Record::read(&root.join(name)).ok()?)
        .collect();
    match isolation {
        Isolation::Namespaces => {
            let taken: Vec<u8> = others.iter().map(|other| other.index).collect();
            let free = network::free_index(&taken, &network::host_routes());
            record.index = free.ok_or(TestbedError::NoRange { tried: INDEX_LIMIT })?;
        }
        Isolation::Processes => record.ports = free_ports(&others)?,
    }
    record.write()?;
    Ok(record)
}

/// A loopback port that nobody listens on and no other cluster has.
fn free_ports(others: &[Record]) -> Result<Ports, TestbedError> {
    let failed =
        |source| TestbedError::Start { program: "a listener on 127.0.0.1".to_owned(), source };
    // Held open, so that the system gives another one each time.
    let mut held = Vec::new();
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let api = listener.local_addr().map_err(failed)?.port();
        if others.iter().all(|other| other.ports.api != api) {
            return Ok(Ports { api });
        }
        held.push(listener);
    }
}

/// Locks a folder, which is created; the folder that is locked is the one at `path` then.
fn lock(path: &Path) -> Result<File, TestbedError> {
    loop {
        files::create_dir(path)?;
        let Ok(folder) = File::open(path) else { continue };
        folder.lock().map_err(TestbedError::file("lock", path))?;
        let same = |own: &fs::Metadata, now: &fs::Metadata| own.ino() == now.ino();
        if let (Ok(own), Ok(now)) = (folder.metadata(), fs::metadata(path))
            && same(&own, &now)
        {
            return Ok(folder);
        }
    }
}
