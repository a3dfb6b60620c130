//! What this process is to systemd: what it writes to the journal must not come back (R31).
//!
//! systemd tells a service that its output goes to the journal (`JOURNAL_STREAM`, systemd.exec(5)):
//! device and inode of the socket, which is ours only as long as nobody has put something else in
//! its place. journald writes to each entry the control group of who wrote it.

use crate::AgentError;
use crate::config::{Config, SinkKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where syslog daemons repeat what the journal has.
const SYSLOG_FILES: [&str; 4] =
    ["/var/log/syslog", "/var/log/messages", "/var/log/daemon.log", "/var/log/user.log"];

/// A standard descriptor.
#[derive(Clone, Copy)]
enum Descriptor {
    Output = 1,
    Error = 2,
}

/// Whether it leads to the journal.
fn is_journal(descriptor: Descriptor) -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let path = format!("/proc/self/fd/{}", descriptor as u8);
    std::fs::metadata(path).is_ok_and(|at| format!("{}:{}", at.dev(), at.ino()) == stream)
}

/// The control group of the service that this process is, when what it says goes to the journal.
pub(crate) fn own_group() -> Option<String> {
    let is_told = is_journal(Descriptor::Output) || is_journal(Descriptor::Error);
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok().filter(|_| is_told)?;
    service_of(&groups).map(str::to_owned)
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

/// Whether an entry of the journal is what a service of this group wrote to its output.
pub(crate) fn wrote(group: &str, entry: &host::journal::Entry<'_>) -> bool {
    entry.get("_TRANSPORT") == Some(b"stdout")
        && entry.get("_SYSTEMD_CGROUP") == Some(group.as_bytes())
}

/// Refuses to write records to the journal when a file that is read repeats it.
///
/// # Errors
/// [`AgentError::Sink`] names the file and its input.
pub(crate) fn refuse_loop(config: &Config) -> Result<(), AgentError> {
    match is_journal(Descriptor::Output) {
        true => refuse_among(config, |path| path.exists()),
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
    fn r31_what_the_journal_has_of_our_own_output_is_known_by_its_group() {
        let group = "/system.slice/orlop-agent.service";
        for (transport, of, expected) in [
            ("stdout", group, true),
            // What systemd itself says of the service, and what others write, is read.
            ("journal", group, false),
            ("stdout", "/system.slice/other.service", false),
            ("stdout", "/init.scope", false),
        ] {
            let mut export = host::journal::Export::default();
            let text = format!("_TRANSPORT={transport}\n_SYSTEMD_CGROUP={of}\nMESSAGE=a\n\n");
            assert!(export.feed(text.as_bytes()).complete);
            assert_eq!(wrote(group, &export.entry()), expected, "{transport} {of}");
        }
    }

    #[test]
    fn r31_records_are_not_written_to_the_journal_when_a_file_that_is_read_repeats_it() {
        let text = "inputs: [{type: files, name: host, paths: ['/var/log/*log']}]\n";
        let config =
            |sinks: &str| crate::config::parse(&format!("{text}sinks: [{sinks}]\n")).unwrap();
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
