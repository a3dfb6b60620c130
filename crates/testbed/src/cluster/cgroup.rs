//! The cluster's cgroups, in every hierarchy of the host.
//!
//! Each place of a cluster is a group `orlop-NAME/PLACE` with its components in `system` and its
//! pods in `kubepods` below it, so that the members of the group are exactly the processes of the
//! place. That is how a clean-up finds them, whatever happened before. Works with the v1
//! hierarchies of a hybrid host and with a pure v2 tree.

use super::process;
use crate::TestbedError;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    root: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// v1, with its mount options (the controllers among them).
    V1(Vec<String>),
    V2,
}

/// All hierarchies of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroups(Vec<Hierarchy>);

impl Cgroups {
    /// The hierarchies that are mounted; none without root, because the groups there are then those
    /// of root's clusters, which may have the same names.
    pub(crate) fn of_host() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(Vec::new());
        }
        Self::from_mounts(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
    }

    fn from_mounts(mounts: &str) -> Self {
        let hierarchies = mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, root, kind, options) =
                (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            let kind = match kind {
                "cgroup" => Kind::V1(options.split(',').map(str::to_owned).collect()),
                "cgroup2" => Kind::V2,
                _ => return None,
            };
            Some(Hierarchy { root: root.into(), kind })
        });
        Self(hierarchies.collect())
    }

    /// Creates `group` with its parents everywhere.
    pub(crate) fn create(&self, group: &str) -> Result<(), TestbedError> {
        for hierarchy in &self.0 {
            let mut path = hierarchy.root.clone();
            for part in group.split('/') {
                hierarchy.pass_on(&path);
                let parent = path.clone();
                path.push(part);
                match fs::create_dir(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    other => other.map_err(TestbedError::file("create", &path))?,
                }
                hierarchy.inherit(&parent, &path);
            }
        }
        Ok(())
    }

    /// The files that take a process into `group`.
    pub(crate) fn entrances(&self, group: &str) -> Vec<PathBuf> {
        self.0.iter().map(|hierarchy| hierarchy.root.join(group).join("cgroup.procs")).collect()
    }

    /// The processes in `group` and below it.
    pub(crate) fn members(&self, group: &str) -> BTreeSet<i32> {
        let mut members = BTreeSet::new();
        for folder in self.folders(group) {
            let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            members.extend(procs.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        members.remove(&0);
        members
    }

    /// Sends SIGKILL to every process in `group` and below it.
    pub(crate) fn kill(&self, group: &str) {
        self.freeze(group, false);
        for pid in self.members(group) {
            process::kill_if(pid, |pid| belongs(pid, group));
        }
    }

    /// Stops every process in `group` and below it where it is, or lets it go on.
    pub(crate) fn freeze(&self, group: &str, frozen: bool) {
        for hierarchy in &self.0 {
            let (file, value) = match &hierarchy.kind {
                Kind::V2 => ("cgroup.freeze", if frozen { "1" } else { "0" }),
                Kind::V1(options) if options.iter().any(|option| option == "freezer") => {
                    ("freezer.state", if frozen { "FROZEN" } else { "THAWED" })
                }
                Kind::V1(_) => continue,
            };
            // A group that is not there has nothing to freeze.
            let _ = fs::write(hierarchy.root.join(group).join(file), value);
        }
    }

    /// Removes `group` and everything below it; says whether it is gone everywhere.
    pub(crate) fn remove(&self, group: &str) -> bool {
        for folder in self.folders(group).iter().rev() {
            // Busy while a process is ending: the caller tries again.
            let _ = fs::remove_dir(folder);
        }
        self.0.iter().all(|hierarchy| !hierarchy.root.join(group).exists())
    }

    /// `group` and everything below it in all hierarchies, parents first.
    fn folders(&self, group: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for hierarchy in &self.0 {
            collect(&hierarchy.root.join(group), &mut found);
        }
        found
    }
}

impl Hierarchy {
    /// Lets groups below `parent` have limits (v2 only).
    fn pass_on(&self, parent: &Path) {
        if self.kind != Kind::V2 {
            return;
        }
        let offered = fs::read_to_string(parent.join("cgroup.controllers")).unwrap_or_default();
        for controller in offered.split_ascii_whitespace() {
            // Refused where the parent itself has processes: then pods run without this limit.
            let _ = fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}"));
        }
    }

    /// A new v1 cpuset is empty and takes no process until it is filled.
    fn inherit(&self, parent: &Path, group: &Path) {
        let Kind::V1(options) = &self.kind else { return };
        if !options.iter().any(|option| option == "cpuset") {
            return;
        }
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(value) = fs::read_to_string(parent.join(file)) {
                let _ = fs::write(group.join(file), value.trim());
            }
        }
    }
}

/// Whether `pid` is in `group` or below it.
fn belongs(pid: i32, group: &str) -> bool {
    let lines = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    lines.lines().filter_map(|line| line.splitn(3, ':').nth(2)).any(|path| {
        let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(group));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    found.push(folder.to_owned());
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_and_pure_trees_are_read_from_the_mounts() {
        let hybrid = Cgroups::from_mounts(
            "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
             cgroup /sys/fs/cgroup/freezer cgroup rw,relatime,freezer 0 0\n\
             cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n",
        );
        assert_eq!(
            hybrid.entrances("orlop-a/control"),
            [
                Path::new("/sys/fs/cgroup/freezer/orlop-a/control/cgroup.procs"),
                Path::new("/sys/fs/cgroup/unified/orlop-a/control/cgroup.procs"),
            ]
        );
        let pure = Cgroups::from_mounts("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n");
        let only = Hierarchy { root: "/sys/fs/cgroup".into(), kind: Kind::V2 };
        assert_eq!(pure, Cgroups(vec![only]));
    }
}
