//! What is read: files, the pods of this node, the journal.

use super::defaults::*;
use super::section::{Section, name_of};
use super::{path, plain_pairs};
use host::tail;
use lines::{Body, Framing, Options, Plan, PlanError, Settings};
use std::path::{Path, PathBuf};
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
        /// Whether rotated files that are compressed with gzip are read, too.
        compressed: bool,
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
    /// The program that reads it; none when it is where systemd puts it.
    pub program: Option<PathBuf>,
}

/// How lines of an input are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Where a file that was never seen is begun.
    pub start_at: StartAt,
    /// The encoding of the files, a label of the WHATWG list.
    pub encoding: String,
    /// What a container runtime puts around each line.
    pub framing: Framing,
    /// The parsers that are tried, in this order.
    pub parsers: Vec<String>,
    /// The pattern of the parser `regex`.
    pub pattern: Option<String>,
    /// Names of the fields that are kept; all when empty.
    pub fields: Vec<String>,
    /// What becomes the body; the line when only some fields are kept, else the message.
    pub body: Option<Body>,
    /// Whether empty lines are passed over.
    pub skip_empty_lines: bool,
    /// Which lines belong together.
    pub multiline: Option<Multiline>,
    /// A longer line is cut, in bytes.
    pub line_max_bytes: u64,
    /// How long a line without its end waits for the rest.
    pub partial_timeout: Duration,
}

impl InputKind {
    /// Whether it is a journal.
    pub(crate) fn is_journal(&self) -> bool {
        matches!(self, Self::Journald(_))
    }
}

impl Input {
    /// Whether its patterns mean a file at this path. What is no pattern is told elsewhere.
    pub(crate) fn reads(&self, path: &Path) -> bool {
        let InputKind::Files { paths, exclude, .. } = &self.kind else { return false };
        let [include, exclude] =
            [paths, exclude].map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
        tail::Input::globs(&self.name, &include, &exclude).is_ok_and(|input| input.reads(path))
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            start_at: StartAt::End,
            encoding: "utf-8".to_owned(),
            framing: Framing::Raw,
            parsers: default_parsers(),
            pattern: None,
            fields: Vec::new(),
            body: None,
            skip_empty_lines: false,
            multiline: None,
            line_max_bytes: LINE_MAX_BYTES_DEFAULT,
            partial_timeout: PARTIAL_TIMEOUT_DEFAULT,
        }
    }
}

impl Reading {
    /// Whether its records have the message of this name, as their body or as an attribute.
    pub(crate) fn has_message(&self, name: &str) -> bool {
        let usual = if self.fields.is_empty() { Body::Message } else { Body::Line };
        self.body.unwrap_or(usual) == Body::Message || self.fields.iter().any(|one| one == name)
    }

    /// What to do with the lines.
    ///
    /// # Errors
    /// When a name, a pattern or a bound is wrong.
    pub fn plan(&self, redaction: Option<lines::Redaction>) -> Result<Plan, PlanError> {
        let mut options = if self.fields.is_empty() {
            Options::default()
        } else {
            Options::pick(self.fields.iter().map(String::as_str))?
        };
        options.body = self.body.unwrap_or(options.body);
        Plan::new(Settings {
            framing: self.framing,
            encoding: Some(self.encoding.clone()),
            line_bytes_max: Some(self.line_max_bytes),
            skip_empty_lines: self.skip_empty_lines,
            partial_after: Some(nanoseconds(self.partial_timeout)),
            multiline: self.multiline.as_ref().map(Multiline::plan).transpose()?,
            parsers: self.parsers.clone(),
            pattern: self.pattern.clone(),
            options,
            redaction,
        })
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Those of [`PARSERS_DEFAULT`] that there are.
fn default_parsers() -> Vec<String> {
    let known = lines::parsers::names();
    PARSERS_DEFAULT.iter().filter(|name| known.contains(name)).map(|name| (*name).into()).collect()
}

/// Where a file that was never seen is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At its first byte.
    Beginning,
    /// At its end, when it was there before the agent.
    End,
}

/// Which lines belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multiline {
    /// Stack traces of these kinds.
    pub presets: Vec<String>,
    /// A line that matches begins a group.
    pub first_line: Option<String>,
    /// How long a group waits for its next line.
    pub timeout: Duration,
    /// A group with more lines is ended.
    pub max_lines: u64,
}

impl Multiline {
    fn plan(&self) -> Result<lines::Multiline, PlanError> {
        let made = match &self.first_line {
            Some(pattern) => lines::Multiline::starting_with(pattern)?,
            None => lines::Multiline::presets(self.presets.iter().map(String::as_str))?,
        };
        let lines = usize::try_from(self.max_lines).unwrap_or(usize::MAX);
        made.with_lines(lines).with_pause(nanoseconds(self.timeout))
    }
}

/// The standard logs of a host, when no input is named.
pub(crate) fn standard() -> Vec<Input> {
    let paths = STANDARD_LOGS.map(str::to_owned).to_vec();
    let kind =
        InputKind::Files { paths, exclude: Vec::new(), follow_links: true, compressed: false };
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
    for section in sections.into_iter().take(INPUTS_MAX) {
        let line = section.line_of("name");
        let is_taken = |name: &str| inputs.iter().any(|other| other.name == name);
        let Some(input) = input(section, is_taken) else { continue };
        if is_taken(&input.name) {
            root.wrong(line, format!("two inputs have the name `{}`", input.name));
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

fn input(section: Section<'_>, is_taken: impl Fn(&str) -> bool) -> Option<Input> {
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
        InputKind::Files { .. } => reading(&section, Framing::Raw),
        InputKind::Kubernetes(_) => reading(&section, Framing::Cri),
        InputKind::Journald(_) => Reading {
            start_at: start_at(&section),
            parsers: vec!["json".to_owned()],
            ..Reading::default()
        },
    };
    let name = name.unwrap_or_else(|| name_of(word, is_taken));
    let resource = plain_pairs(&section, "resource");
    section.finish();
    Some(Input { name, kind, reading, resource })
}

fn files(section: &Section<'_>) -> InputKind {
    let paths = patterns(section, "paths");
    if paths.is_empty() {
        section.wrong(section.line, format!("`{}` is missing or empty", section.name("paths")));
    }
    InputKind::Files {
        paths,
        exclude: patterns(section, "exclude"),
        follow_links: section.flag("follow_links", true),
        compressed: section.flag("compressed", false),
    }
}

/// Patterns of absolute paths.
fn patterns(section: &Section<'_>, key: &'static str) -> Vec<String> {
    let texts = section.texts(key);
    if texts.len() > PATTERNS_MAX {
        let message = format!("`{}` has more than {PATTERNS_MAX} entries", section.name(key));
        section.wrong(section.line_of(key), message);
    }
    for placed in &texts {
        let (name, text) = (section.name(key), &placed.value);
        if !text.starts_with('/') {
            section.wrong(placed.line, format!("`{name}` must begin with `/`, not as `{text}`"));
        } else if let Err(error) = tail::Pattern::parse(text) {
            section.wrong(placed.line, format!("`{name}`: {error}"));
        }
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
    Journald { units, directory: path(section, "directory"), program: path(section, "program") }
}

fn start_at(section: &Section<'_>) -> StartAt {
    let words = [("beginning", StartAt::Beginning), ("end", StartAt::End)];
    section.choice("start_at", &words, StartAt::End)
}

fn reading(section: &Section<'_>, framing: Framing) -> Reading {
    let sizes = LINE_MAX_BYTES_MIN..=LINE_MAX_BYTES_MAX;
    let bodies = [("message", Some(Body::Message)), ("line", Some(Body::Line))];
    let framings = [("none", Framing::Raw), ("cri", Framing::Cri), ("docker", Framing::Docker)];
    let texts = |key| section.texts(key).into_iter().map(|text| text.value).collect::<Vec<_>>();
    // A pod that begins while the agent is away has logged before the agent saw it.
    let start_at = match framing {
        Framing::Raw => start_at(section),
        Framing::Cri | Framing::Docker => {
            let words = [("beginning", StartAt::Beginning), ("end", StartAt::End)];
            section.choice("start_at", &words, StartAt::Beginning)
        }
    };
    let reading = Reading {
        start_at,
        encoding: section.text("encoding").map_or_else(|| "utf-8".to_owned(), |text| text.value),
        framing: section.choice("framing", &framings, framing),
        parsers: if section.has("parsers") { texts("parsers") } else { default_parsers() },
        pattern: section.text("pattern").map(|text| text.value),
        fields: texts("fields"),
        body: section.choice("body", &bodies, None),
        skip_empty_lines: section.flag("skip_empty_lines", false),
        multiline: section.section("multiline").and_then(multiline),
        line_max_bytes: section.size("line_max_bytes", sizes, LINE_MAX_BYTES_DEFAULT),
        partial_timeout: section.span(
            "partial_timeout",
            WAIT_MIN..=WAIT_MAX,
            PARTIAL_TIMEOUT_DEFAULT,
        ),
    };
    check(section, &reading);
    reading
}

/// What `lines` itself has against it, at the line of the field that it is about.
fn check(section: &Section<'_>, reading: &Reading) {
    let regex = reading.parsers.iter().any(|name| name == "regex");
    if regex != reading.pattern.is_some() {
        let message =
            format!("`{}` and the parser `regex` need each other", section.name("pattern"));
        section.wrong(section.line_of(if regex { "parsers" } else { "pattern" }), message);
        return;
    }
    let Err(error) = reading.plan(None) else { return };
    let (key, near) = match &error {
        PlanError::Pattern { .. } | PlanError::NoGroups { .. } => ("pattern", None),
        PlanError::Encoding { .. } => ("encoding", None),
        PlanError::Parser { name } => ("parsers", nearest(name, &lines::parsers::names())),
        PlanError::Preset { name } => {
            ("multiline", nearest(name, &lines::multiline::preset_names()))
        }
        PlanError::ManyNames { .. } | PlanError::LongName { .. } => ("fields", None),
        _ => ("type", None),
    };
    section.wrong(section.line_of(key), with_hint(&error, near));
}

fn nearest(name: &str, known: &[&'static str]) -> Option<String> {
    let all = known.join(", ");
    Some(match model::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {all}"),
    })
}

/// One line: the error, its causes, what was meant.
pub(super) fn with_hint(error: &PlanError, near: Option<String>) -> String {
    let mut text = error.to_string();
    if let PlanError::Pattern { source, .. } = error {
        // The parser draws the pattern with a marker below it; the last line says what is wrong.
        let reason = source.to_string();
        text.push_str(": ");
        text.push_str(reason.lines().last().unwrap_or_default().trim());
    }
    if let Some(near) = near {
        text.push_str("; ");
        text.push_str(&near);
    }
    text
}

fn multiline(section: Section<'_>) -> Option<Multiline> {
    let presets: Vec<String> =
        section.texts("presets").into_iter().map(|text| text.value).collect();
    let first_line = section.text("first_line").map(|text| text.value);
    if presets.is_empty() == first_line.is_none() {
        let message =
            format!("`{}` or `first_line` is needed, and not both", section.name("presets"));
        section.wrong(section.line, message);
    }
    let group = Multiline {
        presets,
        first_line,
        timeout: section.span(
            "timeout",
            WAIT_MIN..=MULTILINE_TIMEOUT_MAX,
            MULTILINE_TIMEOUT_DEFAULT,
        ),
        max_lines: section.number(
            "max_lines",
            1..=MULTILINE_MAX_LINES_MAX,
            MULTILINE_MAX_LINES_DEFAULT,
        ),
    };
    section.finish();
    Some(group)
}
