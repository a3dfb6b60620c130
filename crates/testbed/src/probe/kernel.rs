//! What the kernel says about itself: configuration, mounts, capabilities, distribution.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

/// More than this of a kernel's configuration is not read; a full one has about 300 KB.
const CONFIG_BYTES_MAX: u64 = 8 << 20;

/// How the cgroup hierarchies are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cgroups {
    /// One unified tree.
    V2 {
        /// Its mount point.
        root: String,
    },
    /// v1 trees carry the limits, a unified tree is mounted beside them.
    Hybrid {
        /// Mount points of the v1 trees by controller.
        trees: BTreeMap<String, String>,
        /// Mount point of the unified tree.
        unified: String,
    },
    /// Only v1 trees.
    V1 {
        /// Mount points by controller.
        trees: BTreeMap<String, String>,
    },
    /// None.
    None,
}

/// Reads `/proc/self/mountinfo`.
pub(super) fn cgroups() -> Cgroups {
    cgroups_in(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn cgroups_in(mountinfo: &str) -> Cgroups {
    let mut trees = BTreeMap::new();
    let mut unified = None;
    for line in mountinfo.lines() {
        let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
        let Some(point) = mount.split(' ').nth(4) else { continue };
        let mut words = filesystem.split(' ');
        match words.next() {
            Some("cgroup2") => unified = unified.or_else(|| Some(point.to_owned())),
            Some("cgroup") => {
                for option in words.nth(1).unwrap_or_default().split(',') {
                    trees.entry(option.to_owned()).or_insert_with(|| point.to_owned());
                }
            }
            _ => {}
        }
    }
    trees.retain(|option, _| option != "rw" && option != "ro" && !option.starts_with("name="));
    match (trees.is_empty(), unified) {
        (true, Some(root)) => Cgroups::V2 { root },
        (false, Some(unified)) => Cgroups::Hybrid { trees, unified },
        (false, None) => Cgroups::V1 { trees },
        (true, None) => Cgroups::None,
    }
}

/// The kernel's build configuration, from `/proc/config.gz` or `/boot`.
pub(super) fn configuration() -> Option<String> {
    let mut text = String::new();
    if let Ok(file) = fs::File::open("/proc/config.gz") {
        let unpacked = flate2::read::GzDecoder::new(file);
        unpacked.take(CONFIG_BYTES_MAX).read_to_string(&mut text).ok()?;
        return Some(text);
    }
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let file = fs::File::open(format!("/boot/config-{release}")).ok()?;
    file.take(CONFIG_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Whether `option` is built in (`y`) or a module (`m`).
pub(super) fn is_configured(configuration: &str, option: &str) -> bool {
    configuration.lines().any(|line| {
        line.strip_prefix(option)
            .is_some_and(|value| value.starts_with("=y") || value.starts_with("=m"))
    })
}

/// The pretty name in os-release.
pub(super) fn distribution() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(|| "unknown".to_owned(), |name| name.trim_matches('"').to_owned())
}

/// Memory of the host.
pub(super) fn memory_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_layout_is_told_apart_by_its_mounts() {
        let v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(cgroups_in(v2), Cgroups::V2 { root: "/sys/fs/cgroup".into() });
        let tree = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct";
        let trees: BTreeMap<String, String> = ["cpu", "cpuacct"]
            .map(|name| (name.to_owned(), "/sys/fs/cgroup/cpu".to_owned()))
            .into();
        assert_eq!(cgroups_in(tree), Cgroups::V1 { trees: trees.clone() });
        let both = format!("{tree}\n40 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw");
        let unified = "/sys/fs/cgroup/unified".to_owned();
        assert_eq!(cgroups_in(&both), Cgroups::Hybrid { trees, unified });
        assert_eq!(cgroups_in("1 2 0:1 / / rw - ext4 /dev/vda rw"), Cgroups::None);
    }

    #[test]
    fn an_option_counts_when_built_in_or_a_module_and_only_as_a_whole_word() {
        let text = "CONFIG_BPF=y\nCONFIG_NET_SCH_FQ_CODEL=m\n# CONFIG_IP_VS is not set\n";
        assert!(is_configured(text, "CONFIG_BPF"));
        assert!(is_configured(text, "CONFIG_NET_SCH_FQ_CODEL"));
        assert!(!is_configured(text, "CONFIG_NET_SCH_FQ"));
        assert!(!is_configured(text, "CONFIG_IP_VS"));
    }
}
