//! Settings of the whole host that a kubelet changes, put back when the last cluster goes.

use super::store::state_dir;
use crate::{TestbedError, files};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a kubelet sets by itself, and what the tool sets for it.
const CHANGED: [&str; 7] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    INOTIFY_INSTANCES,
];
const INOTIFY_INSTANCES: &str = "fs/inotify/max_user_instances";
/// What a containerd, a kubelet and their pods need together; the usual default is 128.
const INOTIFY_INSTANCES_MIN: u64 = 1024;

/// Writes down the host's own values, once, and makes room for a kubelet.
pub(crate) fn remember() -> Result<(), TestbedError> {
    let file = file();
    if !file.exists() {
        let values: BTreeMap<&str, String> = CHANGED
            .iter()
            .filter_map(|name| Some((*name, fs::read_to_string(path(name)).ok()?)))
            .map(|(name, value)| (name, value.trim().to_owned()))
            .collect();
        let text = serde_json::to_string_pretty(&values).unwrap_or_default();
        files::write(&file, text)?;
    }
    let own = fs::read_to_string(path(INOTIFY_INSTANCES)).unwrap_or_default();
    if own.trim().parse::<u64>().is_ok_and(|own| own < INOTIFY_INSTANCES_MIN) {
        // Refused in some containers; then few pods fit.
        let _ = fs::write(path(INOTIFY_INSTANCES), INOTIFY_INSTANCES_MIN.to_string());
    }
    Ok(())
}

/// Puts the host's own values back.
pub(crate) fn restore() -> Result<(), TestbedError> {
    let file = file();
    let Some(text) = files::read(&file)? else { return Ok(()) };
    let values: BTreeMap<String, String> = serde_json::from_str(&text).unwrap_or_default();
    for (name, value) in values.iter().filter(|(name, _)| CHANGED.contains(&name.as_str())) {
        let now = fs::read_to_string(path(name)).unwrap_or_default();
        if now.trim() != value {
            let _ = fs::write(path(name), value);
        }
    }
    fs::remove_file(&file).map_err(TestbedError::file("remove", file))
}

fn file() -> PathBuf {
    let root = state_dir();
    root.parent().unwrap_or(&root).join("sysctls.json")
}

fn path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}
