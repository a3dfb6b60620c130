//! Starting and finding the processes of a cluster.
//!
//! A place with namespaces of its own is held by its first process; components are started into
//! them and become its children, so that nothing of the tool stays behind. Every process enters
//! the place's cgroup before it does anything else. Plain processes are started the same way
//! without namespaces and are found by their environment.

use super::cgroup::Cgroups;
use super::process::{self, CLUSTER_MARK, COMPONENT_MARK};
use super::programs::Program;
use super::record::{Isolation, Place, Record};
use crate::TestbedError;
use crate::error::tail;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Enters the cgroups (`$1`, separated by blanks), then runs the rest.
const ENTER: &str = r#"for group in $1; do echo $$ > "$group" || exit 1; done; shift; exec "$@""#;
/// Writes into the log `$0` and runs the rest in the background, without a terminal.
const DETACH: &str = r#"exec < /dev/null >> "$0" 2>&1; setsid "$@" &"#;
/// How long a process may take to turn from a shell into its program.
const TURN_LIMIT: Duration = Duration::from_millis(300);
/// The namespaces of a place.
const UNSHARE: [&str; 7] =
    ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// Starts and finds processes of one cluster.
pub(crate) struct Launcher<'a> {
    pub(crate) record: &'a Record,
    pub(crate) cgroups: Cgroups,
}

impl<'a> Launcher<'a> {
    pub(crate) fn new(record: &'a Record) -> Self {
        Self { record, cgroups: Cgroups::of_host() }
    }

    /// Makes the namespaces of `place` and gives the number of its first process.
    pub(crate) fn start_place(&self, place: Place) -> Result<i32, TestbedError> {
        let group = self.system_group(place);
        self.cgroups.create(&group)?;
        let mut command = self.enter(&group);
        command.arg("setsid").args(UNSHARE).arg("--");
        command.args(["sh", "-c", include_str!("../../../../cluster/config/init.sh")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let start = |source| TestbedError::Start { program: "unshare".to_owned(), source };
        let mut child = command.spawn().map_err(start)?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(start)?;
        }
        if line.trim() == "ready"
            && let Some(pid) = self.first_process(place)
        {
            return Ok(pid);
        }
        let _ = child.kill();
        let mut text = String::new();
        if let Some(mut errors) = child.stderr.take() {
            let _ = errors.read_to_string(&mut text);
        }
        let _ = child.wait();
        Err(TestbedError::NoNamespaces { reason: format!("unshare said:\n{}", tail(&text, 5)) })
    }

    /// The number of the first process of `place`, when it runs.
    pub(crate) fn first_process(&self, place: Place) -> Option<i32> {
        let members = self.cgroups.members(&self.system_group(place));
        members
            .into_iter()
            .find(|pid| process::inner_number(*pid) == Some((1, 2)) && process::is_alive(*pid))
    }

    /// Starts a component; it goes on when this process ends.
    pub(crate) fn start(&self, place: Place, program: &Program) -> Result<(), TestbedError> {
        let log = self.record.log(program.component, place);
        let mut command = match self.record.isolation {
            Isolation::Namespaces => {
                let Some(pid) = self.first_process(place) else {
                    return Err(self.ended(&place.name(), &log));
                };
                let mut command = self.enter(&self.system_group(place));
                command.args(["nsenter", "--target", &pid.to_string()]);
                command.args(["--net", "--mount", "--pid", "--", "sh"]);
                command
            }
            Isolation::Processes => Command::new("sh"),
        };
        command.args(["-c", DETACH]).arg(&log).arg(&program.path).args(&program.arguments);
        command.env(CLUSTER_MARK, &self.record.dir).env(COMPONENT_MARK, program.component);
        if let Some(folder) = program.path.parent().filter(|folder| folder.is_absolute()) {
            command.env("PATH", with_folder(folder.to_owned()));
        }
        let start = |source| TestbedError::Start { program: program.component.into(), source };
        let output = command.stdin(Stdio::null()).output().map_err(start)?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(TestbedError::Command { command: program.component.into(), tail: tail(&text, 5) })
    }

    /// The processes of a component, the oldest first.
    pub(crate) fn pids(&self, place: Place, program: &Program) -> Vec<i32> {
        let wanted = program.path.file_name().map(|name| name.to_string_lossy().into_owned());
        // On its way a component is a shell and then `setsid`.
        let is_it = |name: Option<String>| {
            name == wanted || name.as_deref() == Some("setsid") || name.as_deref() == Some("sh")
        };
        let mut pids: Vec<i32> = self
            .marked(place)
            .into_iter()
            .filter(|pid| process::has_variable(*pid, COMPONENT_MARK, program.component))
            .filter(|pid| is_it(process::program(*pid)) && process::is_alive(*pid))
            .collect();
        pids.sort_by_key(|pid| std::cmp::Reverse(process::uptime(*pid)));
        pids
    }

    /// Whether a component that was started has ended. A process that turns from a shell into its
    /// program has no environment for a moment, so it has to be missing for a while.
    pub(crate) fn has_ended(&self, place: Place, program: &Program) -> bool {
        let found = crate::wait::until(TURN_LIMIT, || {
            Ok::<_, TestbedError>((!self.pids(place, program).is_empty()).then_some(()))
        });
        matches!(found, Ok(None))
    }

    /// Ends a component with SIGKILL and waits until it is gone.
    pub(crate) fn kill(&self, place: Place, program: &Program) -> Result<(), TestbedError> {
        let mut dying = Vec::new();
        let gone = crate::wait::until(super::KILL_LIMIT, || {
            let pids = self.pids(place, program);
            dying.extend(pids.iter().filter_map(|pid| {
                process::kill_if(*pid, |pid| {
                    process::has_variable(pid, COMPONENT_MARK, program.component)
                })
            }));
            // Until the last of its threads is gone its port is taken.
            let ended = pids.is_empty() && dying.iter().all(process::Dying::has_ended);
            Ok::<_, TestbedError>(ended.then_some(()))
        })?;
        gone.ok_or_else(|| TestbedError::Left {
            what: format!("the process {}", program.component),
            cluster: self.record.name.clone(),
            limit: super::KILL_LIMIT,
        })
    }

    /// The processes of a place that this tool may have started.
    fn marked(&self, place: Place) -> BTreeSet<i32> {
        match self.record.isolation {
            Isolation::Namespaces => self.cgroups.members(&self.system_group(place)),
            Isolation::Processes => marked_processes(&self.record.dir.to_string_lossy()),
        }
    }

    /// An error about something that ended, with the end of its log.
    pub(crate) fn ended(&self, what: &str, log: &std::path::Path) -> TestbedError {
        let text = std::fs::read(log).unwrap_or_default();
        let tail = tail(&String::from_utf8_lossy(&text), super::LOG_TAIL_LINES);
        TestbedError::NotReady { what: what.into(), how: "ended".into(), log: log.into(), tail }
    }

    fn system_group(&self, place: Place) -> String {
        format!("{}/system", self.record.place_cgroup(place))
    }

    fn enter(&self, group: &str) -> Command {
        let entrances: Vec<String> = self
            .cgroups
            .entrances(group)
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        let mut command = Command::new("sh");
        command.args(["-c", ENTER, "sh", &entrances.join(" ")]);
        command.env(CLUSTER_MARK, &self.record.dir);
        command
    }
}

/// Processes of the cluster in `dir`, by their environment.
pub(crate) fn marked_processes(dir: &str) -> BTreeSet<i32> {
    let all = process::all().into_iter();
    all.filter(|pid| process::has_variable(*pid, CLUSTER_MARK, dir)).collect()
}

/// PATH with `folder` before the rest.
fn with_folder(folder: PathBuf) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    let sbin = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    std::env::join_paths(folders.chain(sbin)).unwrap_or(path)
}

/// Whether this host lets us make the namespaces and cgroups of a place.
pub(crate) fn try_namespaces() -> Result<(), String> {
    for program in ["ip", "nsenter", "setsid"] {
        if crate::packages::find_program(program).is_none() {
            return Err(format!("there is no program `{program}`"));
        }
    }
    if Cgroups::of_host().entrances("x").is_empty() {
        return Err("no cgroup hierarchy is mounted".to_owned());
    }
    let [program, flags @ ..] = UNSHARE;
    let output = Command::new(program)
        .args(flags)
        .args(["--", "true"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run unshare: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("unshare said:\n{}", tail(&text, 3))) }
}
