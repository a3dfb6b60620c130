//! What the journal of systemd has of this process: it must not come back (R31).
//!
//! Output goes to the journal over a socket of journald, as that of every service does
//! (systemd-journald.service(8)). journald writes to each entry who connected it: the process and
//! its control group.

use crate::AgentError;
use crate::config::{self, Config, SinkKind};
use crate::reader::wall_ns;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Where syslog daemons repeat what the journal has.
pub(crate) const SYSLOG_FILES: [&str; 4] =
    ["/var/log/syslog", "/var/log/messages", "/var/log/daemon.log", "/var/log/user.log"];

/// The name of the syslog daemon that is enabled, whichever it is. Of one that was removed the link
/// leads nowhere, when it is there.
const SYSLOG_SERVICE: &str = "/etc/systemd/system/syslog.service";

/// A daemon that runs writes to its file at least so often, if only of the daily timers. One that
/// was removed leaves its file behind.
const LIVE_WITHIN: Duration = Duration::from_hours(48);

/// What is there where a journal is written.
const JOURNALS: [&str; 2] = ["/run/systemd/journal", "/var/log/journal"];

/// What of the journal of the host is read when no input is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostJournal {
    /// There is none, or nothing that can read it.
    Absent,
    /// It is read.
    Read,
    /// It is not read: this file, which is read, has what it has.
    RepeatedIn(&'static str),
}

/// Looks for the journal of the host.
pub(crate) fn host_journal() -> HostJournal {
    let now = SystemTime::now();
    journal_among(now, |path| path.metadata().and_then(|known| known.modified()).ok())
}

/// The same by when each path was modified that is there.
fn journal_among(now: SystemTime, modified: impl Fn(&Path) -> Option<SystemTime>) -> HostJournal {
    let is_any = |paths: &[&str]| paths.iter().any(|path| modified(Path::new(path)).is_some());
    if !is_any(&JOURNALS) || !is_any(&host::journal::PROGRAMS) {
        return HostJournal::Absent;
    }
    // A machine that was off for days starts us before the daemon wrote anything.
    let is_enabled = is_any(&[SYSLOG_SERVICE]);
    let is_live = |path: &&'static str| {
        let modified = modified(Path::new(path));
        // After a clock was set back it may be in the future.
        modified.is_some_and(|then| {
            is_enabled || now.duration_since(then).unwrap_or_default() < LIVE_WITHIN
        })
    };
    let live = SYSLOG_FILES.into_iter().find(is_live);
    live.map_or(HostJournal::Read, HostJournal::RepeatedIn)
}

/// Adds the journal of the host where no input is named and no file that is read repeats it.
pub(crate) fn add_journal(config: &mut Config) {
    if config.missing.contains(&"inputs") && host_journal() == HostJournal::Read {
        let journal = config::parse("inputs: [{type: journald}]");
        config.inputs.extend(journal.into_iter().flat_map(|journal| journal.inputs));
    }
}

/// Whether what is written here goes to a journal, that of the machine or of a namespace.
fn is_journal(output: &impl AsFd) -> bool {
    let socket = output.as_fd().try_clone_to_owned().map(UnixStream::from);
    let peer = socket.and_then(|socket| socket.peer_addr());
    peer.is_ok_and(|peer| peer.as_pathname().is_some_and(is_socket_of_journald))
}

fn is_socket_of_journald(path: &Path) -> bool {
    let folder = path.strip_prefix("/run/systemd").ok().and_then(Path::to_str);
    folder.is_some_and(|path| path.starts_with("journal") && path.ends_with("/stdout"))
}

/// This process as its entries name it.
#[derive(Debug)]
pub(crate) struct Own {
    process: String,
    /// Microseconds since 1970; before, another process may have had its number.
    start_us: u64,
    /// The control group when it is that of a service: earlier processes of it are ours, too.
    group: Option<String>,
}

impl Own {
    /// When what this process says goes to the journal.
    pub(crate) fn find() -> Option<Self> {
        if !is_journal(&std::io::stdout()) && !is_journal(&std::io::stderr()) {
            return None;
        }
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Some(Self {
            process: std::process::id().to_string(),
            start_us: wall_ns() / 1000,
            group: service_of(&groups).map(str::to_owned),
        })
    }

    /// Whether an entry of the journal is what it wrote to its output.
    pub(crate) fn wrote(&self, entry: &host::journal::Entry<'_>) -> bool {
        let is = |field, value: &str| entry.get(field) == Some(value.as_bytes());
        is("_TRANSPORT", "stdout")
            && (self.group.as_deref().is_some_and(|group| is("_SYSTEMD_CGROUP", group))
                || (is("_PID", &self.process) && entry.realtime_us() >= self.start_us))
    }
}

/// The group of systemd among those of a process (cgroups(7)) when it is that of a service: other
/// groups are shared with processes that are not ours.
fn service_of(groups: &str) -> Option<&str> {
    let paths = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        matches!(controllers, "" | "name=systemd").then_some(path)
    });
    paths.into_iter().find(|path| path.ends_with(".service"))
}

/// Refuses to write records to the journal when a file that is read repeats it.
///
/// # Errors
/// [`AgentError::Sink`] names the file and its input.
pub(crate) fn refuse_loop(config: &Config) -> Result<(), AgentError> {
    match is_journal(&std::io::stdout()) {
        true => refuse_among(config, Path::exists),
        false => Ok(()),
    }
}

fn refuse_among(config: &Config, is_there: impl Fn(&Path) -> bool) -> Result<(), AgentError> {
    let Some(sink) = config.sinks.iter().find(|sink| matches!(sink.kind, SinkKind::Stdout(_)))
    else {
        return Ok(());
    };
    for path in SYSLOG_FILES.map(Path::new).into_iter().filter(|path| is_there(path)) {
        if let Some(input) = config.inputs.iter().find(|input| input.reads(path)) {
            let reason = format!(
                "standard output is the journal, the syslog daemon repeats the journal in `{}`, \
                 and the input `{}` reads that: each line would come back and be written again; \
                 exclude that file, or write elsewhere",
                path.display(),
                input.name,
            );
            return Err(AgentError::Sink { sink: sink.name.clone(), reason });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_group_of_a_service_is_ours_alone() {
        for (groups, expected) in [
            ("0::/system.slice/orlop-agent.service\n", Some("/system.slice/orlop-agent.service")),
            (
                "9:cpu:/x.service\n1:name=systemd:/system.slice/a.service\n",
                Some("/system.slice/a.service"),
            ),
            ("0::/user.slice/user-0.slice/session-3.scope\n", None),
            ("0::/user.slice/user-0.slice/user@0.service/app.slice/shell.scope\n", None),
            ("0::/\n", None),
            ("9:cpu:/x.service\n", None),
            ("", None),
        ] {
            assert_eq!(service_of(groups), expected, "{groups}");
        }
    }

    #[test]
    fn r31_what_the_journal_has_of_our_own_output_is_known_by_its_group_or_its_process() {
        let group = "/system.slice/orlop-agent.service";
        let mut own = Own { process: "7".to_owned(), start_us: 50, group: Some(group.to_owned()) };
        for (transport, of, process, time, expected, alone) in [
            ("stdout", group, 7, 50, true, true),
            // An earlier process of the service.
            ("stdout", group, 6, 40, true, false),
            // What systemd itself says of the service, and what others write, is read.
            ("journal", group, 7, 50, false, false),
            ("stdout", "/user.slice/session-1.scope", 7, 60, true, true),
            ("stdout", "/user.slice/session-1.scope", 8, 60, false, false),
            // Another process that had the number before.
            ("stdout", "/system.slice/other.service", 7, 49, false, false),
        ] {
            let mut export = host::journal::Export::default();
            let text = format!(
                "__REALTIME_TIMESTAMP={time}\n_TRANSPORT={transport}\n_SYSTEMD_CGROUP={of}\n\
                 _PID={process}\nMESSAGE=a\n\n"
            );
            assert!(export.feed(text.as_bytes()).complete);
            own.group = Some(group.to_owned());
            assert_eq!(own.wrote(&export.entry()), expected, "{text}");
            own.group = None;
            assert_eq!(own.wrote(&export.entry()), alone, "{text}");
        }
    }

    #[test]
    fn without_inputs_the_journal_is_read_where_it_can_be_and_no_syslog_file_repeats_it() {
        use HostJournal::{Absent, Read, RepeatedIn};
        let (run, log, program) = ("/run/systemd/journal", "/var/log/journal", "/bin/journalctl");
        let (syslog, messages) = ("/var/log/syslog", "/var/log/messages");
        let (now, hour) = (SystemTime::now(), Duration::from_hours(1));
        // What was modified lately, and what was not for a long time.
        for (live, old, expected) in [
            (vec![], vec![], Absent),
            (vec![run], vec![log], Absent),
            (vec![], vec![program], Absent),
            (vec![run], vec![program], Read),
            (vec!["/var/log/dpkg.log"], vec![log, program], Read),
            (vec![syslog], vec![log, program], RepeatedIn(syslog)),
            (vec![messages], vec![run, program], RepeatedIn(messages)),
            (vec![], vec![run, program, syslog, messages], Read),
            (vec![messages], vec![run, program, syslog], RepeatedIn(messages)),
            // It was off with the machine.
            (vec![], vec![run, program, messages, SYSLOG_SERVICE], RepeatedIn(messages)),
            (vec![], vec![run, program, SYSLOG_SERVICE], Read),
        ] {
            let is_among =
                |paths: &[&str], path: &Path| paths.iter().any(|one| path == Path::new(one));
            for later in [now + hour, now - LIVE_WITHIN + hour] {
                let modified = |path: &Path| {
                    let is_old = is_among(&old, path).then_some(now - LIVE_WITHIN);
                    is_old.or_else(|| is_among(&live, path).then_some(later))
                };
                assert_eq!(journal_among(now, modified), expected, "{live:?} {old:?}");
            }
        }
    }

    #[test]
    fn only_a_socket_of_journald_is_the_journal() {
        for (path, expected) in [
            ("/run/systemd/journal/stdout", true),
            ("/run/systemd/journal.name/stdout", true),
            ("/run/systemd/journal/socket", false),
            ("/run/systemd/private", false),
            ("/tmp/journal/stdout", false),
        ] {
            assert_eq!(is_socket_of_journald(Path::new(path)), expected, "{path}");
        }
        assert!(!is_journal(&UnixStream::pair().unwrap().0));
        assert!(!is_journal(&std::fs::File::open("/dev/null").unwrap()));
    }

    #[test]
    fn r31_records_are_not_written_to_the_journal_when_a_file_that_is_read_repeats_it() {
        let text = "inputs: [{type: files, name: host, paths: ['/var/log/*log']}]\n";
        let config = |sinks: &str| config::parse(&format!("{text}sinks: [{sinks}]\n")).unwrap();
        let is_syslog = |path: &Path| path == Path::new("/var/log/syslog");
        let stdout = config("{type: stdout, name: out}");
        let reason = refuse_among(&stdout, is_syslog).unwrap_err().to_string();
        assert!(reason.contains("`out`") && reason.contains("`/var/log/syslog`"), "{reason}");
        assert!(reason.contains("the input `host` reads that"), "{reason}");
        assert!(refuse_among(&stdout, |_| false).is_ok());
        // It is there, but nobody reads it.
        assert!(refuse_among(&stdout, |path| path.ends_with("messages")).is_ok());
        assert!(refuse_among(&config("{type: file, path: /x}"), is_syslog).is_ok());
    }
}
