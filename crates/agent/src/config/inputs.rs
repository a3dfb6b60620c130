//! What is read: files, the pods of this node, the journal.

use super::defaults::*;
use super::section::Section;
use super::{path, plain_pairs};
use std::path::PathBuf;
use std::time::Duration;

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name, in metrics and in the attribute `orlop.input`.
    pub name: String,
    /// Where its lines come from.
    pub kind: InputKind,
    /// How they are read.
    pub reading: Reading,
    /// Attributes of its records' resource.
    pub resource: Vec<(String, String)>,
}

/// Where lines come from.
#[derive(Debug, Clone, PartialEq)]
pub enum InputKind {
    /// Files that match patterns.
    Files {
        /// Patterns of absolute paths.
        paths: Vec<String>,
        /// Patterns of paths that are not read.
        exclude: Vec<String>,
        /// Whether links of the file's owner and of root are followed.
        follow_links: bool,
    },
    /// The pods of this node.
    Kubernetes(Kubernetes),
    /// The journal of systemd.
    Journald(Journald),
}

/// Pods as the kubelet lays out their logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    /// Where the kubelet puts them.
    pub root: PathBuf,
    /// Only these namespaces; all when empty.
    pub namespaces: Vec<String>,
    /// None of these namespaces.
    pub exclude_namespaces: Vec<String>,
    /// Patterns of paths that are not read.
    pub exclude: Vec<String>,
    /// Whether pods are looked up in the API.
    pub metadata: bool,
    /// The name of this node; none when it is that of `$NODE_NAME`.
    pub node_name: Option<String>,
    /// The address of the API server; none when it is that of the service account.
    pub api_server: Option<String>,
    /// The file with the token.
    pub token_file: PathBuf,
    /// The file with the certificates of the API server.
    pub ca_file: PathBuf,
    /// Labels of pods that become attributes; `*` is all.
    pub labels: Vec<String>,
    /// Annotations of pods that become attributes.
    pub annotations: Vec<String>,
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journald {
    /// Only these units; all when empty.
    pub units: Vec<String>,
    /// A folder with journal files; none when it is the system's.
    pub directory: Option<PathBuf>,
    /// The program that reads it.
    pub program: PathBuf,
}

/// How lines of an input are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Where a file that was never seen is begun.
    pub start_at: StartAt,
    /// The encoding of the files.
    pub encoding: Encoding,
    /// What a container runtime puts around each line.
    pub framing: Framing,
    /// How the text of a line becomes fields.
    pub parser: ParserKind,
    /// Which lines belong together.
    pub multiline: Option<Multiline>,
    /// A longer line is cut, in bytes.
    pub line_max_bytes: u64,
    /// How long a line without its end waits for the rest.
    pub partial_timeout: Duration,
    /// Names of the fields that are kept, with the line as the body; all when empty.
    pub fields: Vec<String>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            start_at: StartAt::End,
            encoding: Encoding::Utf8,
            framing: Framing::None,
            parser: ParserKind::Auto,
            multiline: None,
            line_max_bytes: LINE_MAX_BYTES_DEFAULT,
            partial_timeout: PARTIAL_TIMEOUT_DEFAULT,
            fields: Vec::new(),
        }
    }
}

/// Where a file that was never seen is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At its first byte.
    Beginning,
    /// At its end, when it was there before the agent.
    End,
}

/// The encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8; what is not is replaced.
    Utf8,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
    /// ISO 8859-1.
    Latin1,
}

/// What stands around each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing.
    None,
    /// Time, stream and tag, as the CRI writes them.
    Cri,
    /// A JSON object, as Docker's json-file writes it.
    Docker,
}

/// How text becomes fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParserKind {
    /// What each line looks like: JSON, logfmt, klog; other lines stay text.
    Auto,
    /// The line is the message.
    None,
    /// A JSON object.
    Json,
    /// `key=value`.
    Logfmt,
    /// The named groups of a pattern.
    Regex(String),
    /// nginx and Apache, common and combined.
    Access,
    /// RFC 3164 and RFC 5424.
    Syslog,
    /// klog and glog.
    Klog,
}

/// Which lines belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Multiline {
    /// How a first line is known.
    pub kind: MultilineKind,
    /// How long a group waits for its next line.
    pub timeout: Duration,
    /// A longer group is cut, in bytes.
    pub max_bytes: u64,
    /// A group with more lines is ended.
    pub max_lines: u64,
}

/// How a first line is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultilineKind {
    /// Stack traces of Java.
    Java,
    /// Panics of Go.
    Go,
    /// Tracebacks of Python.
    Python,
    /// Exceptions of .NET.
    Dotnet,
    /// Indented lines belong to the one before.
    Indented,
    /// A line that matches begins a group.
    FirstLine(String),
    /// A line that matches belongs to the one before.
    Continuation(String),
}

/// The standard logs of a host, when no input is named.
pub(crate) fn standard() -> Vec<Input> {
    let paths = STANDARD_LOGS.map(str::to_owned).to_vec();
    let kind = InputKind::Files { paths, exclude: Vec::new(), follow_links: true };
    let name = "host".to_owned();
    vec![Input { name, kind, reading: Reading::default(), resource: Vec::new() }]
}

/// The list of inputs.
pub(crate) fn read(root: &Section<'_>) -> Vec<Input> {
    let sections = root.sections("inputs");
    if sections.is_empty() || sections.len() > INPUTS_MAX {
        let message = format!("`inputs` must have 1 to {INPUTS_MAX} entries");
        root.wrong(root.line_of("inputs"), message);
    }
    let mut inputs: Vec<Input> = Vec::new();
    for (index, section) in sections.into_iter().take(INPUTS_MAX).enumerate() {
        let line = section.line_of("name");
        let wrong_name = |name: &str| format!("two inputs have the name `{name}`");
        let Some(input) = input(section, index) else { continue };
        if inputs.iter().any(|other| other.name == input.name) {
            root.wrong(line, wrong_name(&input.name));
        }
        inputs.push(input);
    }
    inputs
}

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Files,
    Kubernetes,
    Journald,
}

fn input(section: Section<'_>, index: usize) -> Option<Input> {
    section.required("type", "files, kubernetes or journald")?;
    let types = [
        ("files", Some(Type::Files)),
        ("kubernetes", Some(Type::Kubernetes)),
        ("journald", Some(Type::Journald)),
    ];
    let (kind, word) = match section.choice("type", &types, None)? {
        Type::Files => (files(&section), "files"),
        Type::Kubernetes => (InputKind::Kubernetes(kubernetes(&section)), "kubernetes"),
        Type::Journald => (InputKind::Journald(journald(&section)), "journald"),
    };
    let name = section.text("name").map(|placed| placed.value);
    let reading = match &kind {
        InputKind::Files { .. } => reading(&section, Framing::None),
        InputKind::Kubernetes(_) => reading(&section, Framing::Cri),
        InputKind::Journald(_) => Reading {
            start_at: start_at(&section),
            parser: ParserKind::Json,
            ..Reading::default()
        },
    };
    let name = name.unwrap_or_else(|| format!("{word}-{index}"));
    let resource = plain_pairs(&section, "resource");
    section.finish();
    Some(Input { name, kind, reading, resource })
}

fn files(section: &Section<'_>) -> InputKind {
    let paths = patterns(section, "paths");
    if paths.is_empty() {
        section.wrong(section.line, format!("`{}` is missing or empty", section.name("paths")));
    }
    InputKind::Files { paths, exclude: patterns(section, "exclude"),
        follow_links: section.flag("follow_links", true) }
}

/// Patterns of absolute paths.
fn patterns(section: &Section<'_>, key: &'static str) -> Vec<String> {
    let texts = section.texts(key);
    if texts.len() > PATTERNS_MAX {
        let message = format!("`{}` has more than {PATTERNS_MAX} entries", section.name(key));
        section.wrong(section.line_of(key), message);
    }
    for placed in texts.iter().filter(|placed| !placed.value.starts_with('/')) {
        let message =
            format!("`{}` must begin with `/`, not as `{}`", section.name(key), placed.value);
        section.wrong(placed.line, message);
    }
    texts.into_iter().take(PATTERNS_MAX).map(|placed| placed.value).collect()
}

fn kubernetes(section: &Section<'_>) -> Kubernetes {
    const SECRETS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let texts = |key| section.texts(key).into_iter().map(|placed| placed.value).collect();
    let secret = |name: &str| PathBuf::from(format!("{SECRETS}/{name}"));
    Kubernetes {
        root: path(section, "root").unwrap_or_else(|| PathBuf::from(PODS_ROOT_DEFAULT)),
        namespaces: texts("namespaces"),
        exclude_namespaces: texts("exclude_namespaces"),
        exclude: patterns(section, "exclude"),
        metadata: section.flag("metadata", true),
        node_name: section.text("node_name").map(|placed| placed.value),
        api_server: section.text("api_server").map(|placed| placed.value),
        token_file: path(section, "token_file").unwrap_or_else(|| secret("token")),
        ca_file: path(section, "ca_file").unwrap_or_else(|| secret("ca.crt")),
        labels: if section.has("labels") { texts("labels") } else { vec!["*".to_owned()] },
        annotations: texts("annotations"),
    }
}

fn journald(section: &Section<'_>) -> Journald {
    let units: Vec<String> = section.texts("units").into_iter().map(|text| text.value).collect();
    if units.iter().any(|unit| unit.starts_with('-')) {
        section.wrong(section.line_of("units"), "a unit does not begin with `-`");
    }
    Journald {
        units,
        directory: path(section, "directory"),
        program: path(section, "program").unwrap_or_else(|| PathBuf::from("/usr/bin/journalctl")),
    }
}

fn start_at(section: &Section<'_>) -> StartAt {
    let words = [("beginning", StartAt::Beginning), ("end", StartAt::End)];
    section.choice("start_at", &words, StartAt::End)
}

fn reading(section: &Section<'_>, framing: Framing) -> Reading {
    let sizes = LINE_MAX_BYTES_MIN..=LINE_MAX_BYTES_MAX;
    let encodings = [
        ("utf-8", Encoding::Utf8),
        ("utf-16le", Encoding::Utf16Le),
        ("utf-16be", Encoding::Utf16Be),
        ("latin1", Encoding::Latin1),
    ];
    let framings = [("none", Framing::None), ("cri", Framing::Cri), ("docker", Framing::Docker)];
    // A pod that begins while the agent is away has logged before the agent saw it.
    let start_at = match framing {
        Framing::None => start_at(section),
        Framing::Cri | Framing::Docker => {
            let words = [("beginning", StartAt::Beginning), ("end", StartAt::End)];
            section.choice("start_at", &words, StartAt::Beginning)
        }
    };
    Reading {
        start_at,
        encoding: section.choice("encoding", &encodings, Encoding::Utf8),
        framing: section.choice("framing", &framings, framing),
        parser: parser(section),
        multiline: section.section("multiline").map(multiline),
        line_max_bytes: section.size("line_max_bytes", sizes, LINE_MAX_BYTES_DEFAULT),
        partial_timeout: section.span(
            "partial_timeout",
            WAIT_MIN..=WAIT_MAX,
            PARTIAL_TIMEOUT_DEFAULT,
        ),
        fields: section.texts("fields").into_iter().map(|placed| placed.value).collect(),
    }
}

fn parser(section: &Section<'_>) -> ParserKind {
    let words = [
        ("auto", ParserKind::Auto),
        ("none", ParserKind::None),
        ("json", ParserKind::Json),
        ("logfmt", ParserKind::Logfmt),
        ("regex", ParserKind::Regex(String::new())),
        ("access", ParserKind::Access),
        ("syslog", ParserKind::Syslog),
        ("klog", ParserKind::Klog),
    ];
    let kind = section.choice("parser", &words, ParserKind::Auto);
    let pattern = pattern(section, "pattern");
    match (kind, pattern) {
        (ParserKind::Regex(_), Some(pattern)) => ParserKind::Regex(pattern),
        (ParserKind::Regex(_), None) => {
            let message = format!("`{}` is missing, with parser: regex", section.name("pattern"));
            section.wrong(section.line_of("parser"), message);
            ParserKind::None
        }
        (kind, Some(_)) => {
            let message = format!("`{}` needs parser: regex", section.name("pattern"));
            section.wrong(section.line_of("pattern"), message);
            kind
        }
        (kind, None) => kind,
    }
}

/// A regular expression that compiles.
pub(super) fn pattern(section: &Section<'_>, key: &'static str) -> Option<String> {
    let placed = section.text(key)?;
    if let Err(reason) = crate::patterns::check(&placed.value) {
        section.wrong(placed.line, format!("`{}`: {reason}", section.name(key)));
    }
    Some(placed.value)
}

fn multiline(section: Section<'_>) -> Multiline {
    let words = [
        ("java", MultilineKind::Java),
        ("go", MultilineKind::Go),
        ("python", MultilineKind::Python),
        ("dotnet", MultilineKind::Dotnet),
        ("indented", MultilineKind::Indented),
    ];
    let preset = section.has("preset").then(|| section.choice("preset", &words, MultilineKind::Java));
    let first = pattern(&section, "first_line").map(MultilineKind::FirstLine);
    let further = pattern(&section, "continuation").map(MultilineKind::Continuation);
    let given = usize::from(preset.is_some()) + usize::from(first.is_some());
    if given + usize::from(further.is_some()) != 1 {
        let message = format!(
            "`{}` needs exactly one of preset, first_line and continuation",
            section.name("").trim_end_matches('.')
        );
        section.wrong(section.line, message);
    }
    let sizes = LINE_MAX_BYTES_MIN..=LINE_MAX_BYTES_MAX;
    let group = Multiline {
        kind: preset.or(first).or(further).unwrap_or(MultilineKind::Indented),
        timeout: section.span("timeout", WAIT_MIN..=WAIT_MAX, MULTILINE_TIMEOUT_DEFAULT),
        max_bytes: section.size("max_bytes", sizes, MULTILINE_MAX_BYTES_DEFAULT),
        max_lines: section.number(
            "max_lines",
            1..=MULTILINE_MAX_LINES_MAX,
            MULTILINE_MAX_LINES_DEFAULT,
        ),
    };
    section.finish();
    group
}
