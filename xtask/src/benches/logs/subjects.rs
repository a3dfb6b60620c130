//! Who is measured: how each is had, started and configured.

use super::Workload;
use crate::workspace;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a run reads and writes.
pub(super) struct Places {
    /// A pattern of files.
    pub(super) input: String,
    /// The file of records, when they go to one.
    pub(super) output: PathBuf,
    /// Where records are posted, without a path.
    pub(super) sink: String,
    /// The authority of the sink's certificate, when it has TLS.
    pub(super) authority: Option<PathBuf>,
    /// A folder for state, emptied before each run.
    pub(super) state: PathBuf,
}

impl Places {
    /// Whom to trust, as both Orlop and the Collector write it; nothing without TLS.
    fn tls(&self) -> String {
        let file = self.authority.as_ref().map(|file| file.display());
        file.map_or_else(String::new, |file| format!(", tls: {{ca_file: \"{file}\"}}"))
    }
}

/// One of them.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) version: String,
    kind: Kind,
    program: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Orlop,
    Collector,
    Rsyslog,
    SyslogNg,
}

/// Packages of this Debian that are unpacked and not installed: they start services, and rsyslog
/// and syslog-ng refuse to stand beside each other.
struct Unpacked {
    packages: &'static [&'static str],
    program: &'static str,
}

const RSYSLOG: Unpacked = Unpacked {
    packages: &["rsyslog", "libestr0", "libfastjson4", "liblognorm5"],
    program: "usr/sbin/rsyslogd",
};

const SYSLOG_NG: Unpacked = Unpacked {
    packages: &["syslog-ng-core", "libivykis0", "libnet1", "libjson-c5", "libwrap0", "libpcre3"],
    program: "usr/sbin/syslog-ng",
};

/// Where their libraries are.
const LIBRARIES: [&str; 3] =
    ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/syslog-ng"];

/// Orlop built as it ships, and the peers that can be had here.
pub(super) fn all() -> anyhow::Result<Vec<Subject>> {
    let mut say = |line: &str| crate::terminal::warn(line);
    let orlop = crate::dist::build(crate::dist::flavour("agent")?)?;
    let mut all = vec![subject("Orlop", Kind::Orlop, orlop, &["--version"])?];
    let collector = testbed::peers::ensure("otelcol", &mut say)?;
    all.push(subject("OpenTelemetry Collector", Kind::Collector, collector, &["--version"])?);
    let others = [
        ("rsyslog", Kind::Rsyslog, RSYSLOG, "-v"),
        ("syslog-ng", Kind::SyslogNg, SYSLOG_NG, "--version"),
    ];
    for (name, kind, unpacked, version) in others {
        match unpacked.ensure(name).and_then(|program| subject(name, kind, program, &[version])) {
            Ok(subject) => all.push(subject),
            Err(error) => crate::terminal::warn(format_args!("{name} is left out: {error:#}")),
        }
    }
    Ok(all)
}

fn subject(
    name: &'static str,
    kind: Kind,
    program: PathBuf,
    version: &[&str],
) -> anyhow::Result<Subject> {
    let mut subject = Subject { name, version: String::new(), kind, program };
    let text = workspace::output(subject.program().args(version))?;
    text.lines().next().unwrap_or_default().trim().clone_into(&mut subject.version);
    Ok(subject)
}

impl Unpacked {
    /// The program, downloaded and unpacked when it is not there.
    fn ensure(&self, name: &str) -> anyhow::Result<PathBuf> {
        let root = testbed::components::cache_dir().join(name);
        let program = root.join(self.program);
        if program.exists() {
            return Ok(program);
        }
        std::fs::create_dir_all(&root)?;
        workspace::run(
            Command::new("apt-get").args(["-q", "download"]).args(self.packages).current_dir(&root),
        )?;
        for entry in std::fs::read_dir(&root)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                workspace::run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&root))?;
                std::fs::remove_file(&path)?;
            }
        }
        anyhow::ensure!(program.exists(), "its package has no {}", program.display());
        Ok(program)
    }
}

impl Subject {
    /// Its program; that of a package that was only unpacked finds its libraries there.
    fn program(&self) -> Command {
        let mut command = Command::new(&self.program);
        if matches!(self.kind, Kind::Rsyslog | Kind::SyslogNg) {
            let folders = LIBRARIES.map(|folder| self.unpacked(folder).display().to_string());
            command.env("LD_LIBRARY_PATH", folders.join(":"));
        }
        command
    }

    /// A folder beside a program that was unpacked.
    fn unpacked(&self, folder: &str) -> PathBuf {
        self.program.ancestors().nth(3).unwrap_or(Path::new("/")).join(folder)
    }

    /// The command that runs it with the config at `config`.
    pub(super) fn command(&self, config: &Path, state: &Path) -> Command {
        let mut command = self.program();
        match self.kind {
            Kind::Orlop => {
                // Called `orlop-agent`, it is the agent.
                command.args(["run", "--listen", "off", "--config"]).arg(config);
            }
            Kind::Collector => {
                command.arg("--config").arg(config);
            }
            Kind::Rsyslog => {
                let modules = self.unpacked("usr/lib/x86_64-linux-gnu/rsyslog");
                command.arg("-n").arg("-M").arg(modules).arg("-i");
                command.arg(state.join("pid")).arg("-f").arg(config);
            }
            Kind::SyslogNg => {
                let modules = self.unpacked("usr/lib/syslog-ng/3.38");
                command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(config);
                command.arg(format!("--module-path={}", modules.display()));
                command.arg("--persist-file").arg(state.join("persist"));
                command.arg("--pidfile").arg(state.join("pid"));
                command.arg("--control").arg(state.join("control"));
            }
        }
        command
    }

    /// Its config for a workload; nothing when it cannot do that.
    pub(super) fn config(&self, workload: Workload, places: &Places) -> Option<String> {
        match self.kind {
            Kind::Orlop => Some(orlop(workload, places)),
            Kind::Collector => collector(workload, places),
            Kind::Rsyslog => rsyslog_config(workload, places),
            Kind::SyslogNg => syslog_ng_config(workload, places),
        }
    }

    /// Whether it goes on where it was after it was killed. The Collector that is built here has no
    /// storage for that.
    pub(super) fn keeps_state(&self) -> bool {
        self.kind != Kind::Collector
    }

    /// How often the number of a line stands in a record: the Collector keeps the line as the body
    /// and its message as an attribute.
    pub(super) fn marks(&self) -> u64 {
        if self.kind == Kind::Collector { 2 } else { 1 }
    }

    /// What it does with many files, and its config for that: what speaks no OTLP copies lines to a
    /// file.
    pub(super) fn steady(&self, places: &Places) -> Option<(Workload, String)> {
        let workload = match self.kind {
            Kind::Orlop | Kind::Collector => Workload::Packed,
            Kind::Rsyslog | Kind::SyslogNg => Workload::Raw,
        };
        Some((workload, self.config(workload, places)?))
    }
}

fn orlop(workload: Workload, places: &Places) -> String {
    let mut text = format!(
        "state_dir: {}\nlisten: \"off\"\ninputs:\n  - type: files\n    name: in\n    paths: [\"{}\"]\n    \
         start_at: beginning\n",
        places.state.display(),
        places.input
    );
    if workload.is_container() {
        text.push_str("    framing: cri\n");
    }
    if workload == Workload::Raw {
        text.push_str("    parsers: []\n");
    } else {
        text.push_str("    parsers: [json]\n    fields: [status, path, took_ms]\n");
    }
    if matches!(workload, Workload::Json | Workload::Whole | Workload::Redacted) {
        // As the peers: the message and three fields, not the whole line again.
        text.push_str("    body: message\n");
    }
    if workload == Workload::Sampled {
        text.push_str("sampling: {keep_percent: 10}\n");
    }
    if workload == Workload::Redacted {
        text.push_str("redaction: {rules: [email, credit-card, ipv4]}\n");
    }
    text.push_str("sinks:\n");
    if workload.to_file() {
        let path = places.output.display();
        let format = match workload {
            Workload::Raw => "text",
            Workload::Whole => "json",
            // About what the peers' templates write.
            _ => "json, members: [time, body, attributes]",
        };
        let _ = writeln!(text, "  - {{type: file, path: {path}, fsync: false, format: {format}}}");
    } else {
        let compression = if workload == Workload::Otlp { "none" } else { "zstd" };
        let sink = &places.sink;
        let tls = places.tls();
        let _ = writeln!(
            text,
            "  - {{type: otlp_http, endpoint: \"{sink}\", compression: {compression}{tls}}}"
        );
    }
    text
}

/// filelog with its container and JSON parsers, to OTLP/HTTP. It has no exporter to files here, and
/// no sampling of logs.
fn collector(workload: Workload, places: &Places) -> Option<String> {
    let compression = match workload {
        Workload::Otlp => "none",
        Workload::Packed => "zstd",
        _ => return None,
    };
    Some(format!(
        "receivers:\n  filelog:\n    include: [\"{input}\"]\n    start_at: beginning\n    \
         include_file_path: true\n    operators:\n      - {{type: container, format: containerd, \
         add_metadata_from_filepath: false}}\n      - {{type: json_parser, parse_from: body}}\n\
         processors:\n  batch: {{send_batch_size: 8192}}\nexporters:\n  otlphttp:\n    \
         endpoint: {sink}\n    compression: {compression}\n{tls}service:\n  telemetry: {{metrics: \
         {{level: none}}, logs: {{level: error}}}}\n  pipelines:\n    logs: {{receivers: \
         [filelog], processors: [batch], exporters: [otlphttp]}}\n",
        input = places.input,
        sink = places.sink,
        tls = match places.tls() {
            tls if tls.is_empty() => tls,
            tls => format!("   {}\n", tls.trim_start_matches(',')),
        },
    ))
}

/// imfile to omfile; with mmjsonparse for the workload that keeps three fields.
fn rsyslog_config(workload: Workload, places: &Places) -> Option<String> {
    let output = places.output.display();
    let (parse, template) = match workload {
        Workload::Raw => ("", "string=\"%msg%\\n\""),
        Workload::Json => (
            "action(type=\"mmjsonparse\" cookie=\"\")\n",
            "string=\"%$!message% %$!status% %$!path%\\n\"",
        ),
        _ => return None,
    };
    Some(format!(
        "global(workDirectory=\"{state}\")\nmodule(load=\"imfile\")\nmodule(load=\"mmjsonparse\")\n\
         template(name=\"out\" type=\"string\" {template})\n\
         input(type=\"imfile\" File=\"{input}\" Tag=\"in\" ruleset=\"main\" \
         persistStateInterval=\"1000\")\n\
         ruleset(name=\"main\") {{\n{parse}action(type=\"omfile\" file=\"{output}\" \
         template=\"out\" ioBufferSize=\"256k\" flushOnTXEnd=\"off\")\n}}\n",
        state = places.state.display(),
        input = places.input,
    ))
}

/// Files to a file; with its JSON parser for the workload that keeps three fields.
fn syslog_ng_config(workload: Workload, places: &Places) -> Option<String> {
    let (parser, template) = match workload {
        Workload::Raw => ("", "${MSG}"),
        Workload::Json => (
            "parser { json-parser(prefix(\"j.\")); }; ",
            "${j.message} ${j.status} ${j.path} ${j.took_ms}",
        ),
        _ => return None,
    };
    let input = Path::new(&places.input);
    let (folder, pattern) = (input.parent()?.display(), input.file_name()?.display());
    let source = if places.input.contains('*') {
        format!(
            "wildcard-file(base-dir(\"{folder}\") filename-pattern(\"{pattern}\") max-files(20000)"
        )
    } else {
        format!("file(\"{}\"", places.input)
    };
    Some(format!(
        "@version: 3.38\noptions {{ stats-freq(0); log-fifo-size(100000); }};\n\
         source in {{ {source} flags(no-parse) follow-freq(1) log-fetch-limit(1000) \
         log-iw-size(100000)); }};\n\
         destination out {{ file(\"{output}\" template(\"{template}\\n\")); }};\n\
         log {{ source(in); {parser}destination(out); flags(flow-control); }};\n",
        output = places.output.display(),
    ))
}
