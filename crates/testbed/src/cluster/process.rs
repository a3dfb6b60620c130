//! Processes of the host, as `/proc` shows them.
//!
//! A process is told apart by its environment: components carry the folder of their cluster and
//! their own name. A signal goes through a pidfd that is opened before the check, so that it
//! never reaches a process that got the number later.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// Environment variable with the folder of the cluster.
pub(crate) const CLUSTER_MARK: &str = "ORLOP_CLUSTER_DIR";
/// Environment variable with the component's name.
pub(crate) const COMPONENT_MARK: &str = "ORLOP_COMPONENT";
/// Clock ticks per second of `/proc/PID/stat`: fixed by the kernel's interface.
const TICKS_PER_SECOND: u64 = 100;
/// Bytes of a memory page on the machines that the components are built for.
const PAGE_BYTES: u64 = 4096;

/// Numbers of all processes.
pub(crate) fn all() -> Vec<i32> {
    crate::files::names(Path::new("/proc")).iter().filter_map(|name| name.parse().ok()).collect()
}

/// Whether the environment of `pid` holds `name=value`.
pub(crate) fn has_variable(pid: i32, name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    std::fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes()))
}

/// The file name of the first word of the command line.
pub(crate) fn program(pid: i32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let first = String::from_utf8(line.split(|byte| *byte == 0).next()?.to_vec()).ok()?;
    Some(first.rsplit('/').next()?.to_owned())
}

/// Whether the process exists and is not a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields.first().is_some_and(|state| state != "Z" && state != "X"))
}

/// The number of the process in its innermost PID namespace, and how deep that is.
pub(crate) fn inner_number(pid: i32) -> Option<(i32, usize)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let numbers: Vec<i32> =
        line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
    Some((*numbers.last()?, numbers.len()))
}

/// How long it has run.
pub(crate) fn uptime(pid: i32) -> Option<Duration> {
    // Field 22 of the whole line, counted from 1; the first two are cut off.
    let started: u64 = stat(pid)?.get(19)?.parse().ok()?;
    let host = std::fs::read_to_string("/proc/uptime").ok()?;
    let host: f64 = host.split_ascii_whitespace().next()?.parse().ok()?;
    let started = Duration::from_millis(started * 1000 / TICKS_PER_SECOND);
    Some(Duration::try_from_secs_f64(host).ok()?.saturating_sub(started))
}

/// Resident memory in bytes.
pub(crate) fn resident_bytes(pid: i32) -> Option<u64> {
    let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = pages.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

/// A process that was sent SIGKILL. It is there for a while, also when `/proc` shows nothing of its
/// program any more: its sockets are closed when the last of its threads is gone.
pub(crate) struct Dying(OwnedFd);

impl Dying {
    /// Whether nothing is left of it.
    pub(crate) fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

/// Sends SIGKILL to `pid` if `still` holds for it.
pub(crate) fn kill_if(pid: i32, still: impl FnOnce(i32) -> bool) -> Option<Dying> {
    let handle = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    if !still(pid) {
        return None;
    }
    // It may have ended by itself meanwhile, which is as good.
    let _ = pidfd_send_signal(&handle, Signal::KILL);
    Some(Dying(handle))
}

/// The fields of `/proc/PID/stat` behind the program's name: state, parent, ...
fn stat(pid: i32) -> Option<Vec<String>> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = line.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read_from_proc() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(all().contains(&own));
        assert!(is_alive(own));
        assert!(resident_bytes(own).unwrap() > 0);
        assert!(uptime(own).unwrap() < Duration::from_secs(86_400));
        assert!(program(own).unwrap().starts_with("testbed"));
        assert!(!has_variable(own, "NO_SUCH_VARIABLE", ""));
        assert!(inner_number(own).is_some());
    }

    #[test]
    fn only_a_process_that_still_matches_is_killed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(kill_if(pid, |_| false).is_none());
        assert!(child.try_wait().unwrap().is_none());
        let dying = kill_if(pid, is_alive).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(dying.has_ended());
    }

    #[test]
    fn a_process_that_was_not_killed_has_not_ended() {
        let own = Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap();
        let handle = pidfd_open(own, PidfdFlags::empty()).unwrap();
        assert!(!Dying(handle).has_ended());
    }
}
