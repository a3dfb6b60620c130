//! Where records go.

use super::defaults::*;
use super::inputs::Input;
use super::members::Members;
use super::path;
use super::section::{Placed, Section, name_of};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::TlsFiles;

/// One sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// Its name, in metrics and in the names of its files.
    pub name: String,
    /// Where to.
    pub kind: SinkKind,
    /// How records become batches.
    pub batch: Batch,
}

/// Where to.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkKind {
    /// OTLP over HTTP.
    OtlpHttp(Remote),
    /// OTLP over gRPC.
    OtlpGrpc(Remote),
    /// Loki's push.
    Loki(Remote, LokiLabels),
    /// JSON lines in a file.
    File(FileSink),
    /// JSON lines on standard output.
    Stdout(Members),
}

impl SinkKind {
    /// The file that it writes to.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(&file.path),
            Self::OtlpHttp(_) | Self::OtlpGrpc(_) | Self::Loki(..) | Self::Stdout(_) => None,
        }
    }
}

/// A server.
#[derive(Clone, PartialEq)]
pub struct Remote {
    /// Its address; OTLP and Loki put their path behind it when it has none.
    pub endpoint: String,
    /// How requests are compressed.
    pub compression: Compression,
    /// Whom to trust and who we are.
    pub tls: TlsFiles,
    /// Headers of every request.
    pub headers: Vec<(String, HeaderValue)>,
    /// A file with a token for `Authorization: Bearer`.
    pub bearer_file: Option<PathBuf>,
    /// Time for one request.
    pub timeout: Duration,
    /// The longest pause after failures in a row.
    pub backoff_max: Duration,
    /// Requests under way at once.
    pub in_flight: usize,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses and headers may hold what should not be shown.
        f.debug_struct("Remote").field("compression", &self.compression).finish_non_exhaustive()
    }
}

/// Where the value of a header comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// The config file.
    Text(String),
    /// A file, read again when it changes.
    File(PathBuf),
}

/// How requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Snappy, which is Loki's.
    Snappy,
}

/// Which attributes become labels of Loki.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LokiLabels {
    /// Attributes of the resource; everything else becomes structured metadata.
    pub from: Vec<String>,
    /// Fixed labels.
    pub fixed: Vec<(String, String)>,
}

/// How records are written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line, with these members.
    Json(Members),
    /// The body of each record and a line feed.
    Text,
}

/// A file of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSink {
    /// Its path.
    pub path: PathBuf,
    /// What a line is.
    pub format: Format,
    /// A new file is begun at this size, in bytes; 0 is never.
    pub rotate_bytes: u64,
    /// How many rotated files are kept.
    pub rotate_keep: u64,
    /// Whether what was written is on the disk before it counts as delivered.
    pub fsync: bool,
}

/// How records become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Most records.
    pub records: usize,
    /// Most bytes before compression.
    pub bytes: usize,
    /// How long it waits to be filled.
    pub wait: Duration,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            records: to_usize(BATCH_RECORDS_DEFAULT),
            bytes: to_usize(BATCH_BYTES_DEFAULT),
            wait: BATCH_WAIT_DEFAULT,
        }
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Sink {
    /// What is written to when no sink is named.
    pub(crate) fn standard() -> Self {
        Self {
            name: "stdout".to_owned(),
            kind: SinkKind::Stdout(Members::ALL),
            batch: Batch::default(),
        }
    }
}

/// The list of sinks.
pub(crate) fn read(root: &Section<'_>) -> Vec<Sink> {
    let sections = root.sections("sinks");
    if sections.is_empty() || sections.len() > SINKS_MAX {
        let message = format!("`sinks` must have 1 to {SINKS_MAX} entries");
        root.wrong(root.line_of("sinks"), message);
    }
    let mut sinks: Vec<Sink> = Vec::new();
    for section in sections.into_iter().take(SINKS_MAX) {
        let (line, line_of_path) = (section.line_of("name"), section.line_of("path"));
        let is_taken = |name: &str| sinks.iter().any(|other| other.name == name);
        let Some(sink) = sink(section, is_taken) else { continue };
        if is_taken(&sink.name) {
            root.wrong(line, format!("two sinks have the name `{}`", sink.name));
        }
        if let Some(path) = sink.kind.file()
            && sinks.iter().any(|other| other.kind.file() == Some(path))
        {
            root.wrong(line_of_path, format!("two sinks write to `{}`", path.display()));
        }
        sinks.push(sink);
    }
    sinks
}

/// What a sink writes must not be read again (R31), as far as paths tell: no input reads its file,
/// or what a rotation makes of it.
pub(crate) fn not_read(root: &Section<'_>, sinks: &[Sink], inputs: &[Input]) {
    for (section, sink) in root.sections("sinks").iter().zip(sinks) {
        let SinkKind::File(file) = &sink.kind else { continue };
        let mut written = vec![file.path.clone()];
        if file.rotate_bytes > 0 && file.rotate_keep > 0 {
            written.push(PathBuf::from(format!("{}.1", file.path.display())));
        }
        for (number, input) in inputs.iter().enumerate() {
            let Some(path) = written.iter().find(|path| input.reads(path)) else { continue };
            let reader = match root.has("inputs") {
                true => format!("`inputs[{number}]`"),
                false => "the default of `inputs`".to_owned(),
            };
            let message = format!(
                "`{}`: {reader} would read `{}`, and what comes of it be written again: exclude it \
                 there, or write elsewhere",
                section.name("path"),
                path.display(),
            );
            section.wrong(section.line_of("path"), message);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Type {
    OtlpHttp,
    OtlpGrpc,
    Loki,
    File,
    Stdout,
}

const TYPES: [(&str, Option<Type>); 5] = [
    ("otlp_http", Some(Type::OtlpHttp)),
    ("otlp_grpc", Some(Type::OtlpGrpc)),
    ("loki", Some(Type::Loki)),
    ("file", Some(Type::File)),
    ("stdout", Some(Type::Stdout)),
];

fn sink(section: Section<'_>, is_taken: impl Fn(&str) -> bool) -> Option<Sink> {
    let word = section.required("type", "otlp_http, otlp_grpc, loki, file or stdout")?;
    if word.value == "kafka" {
        let message = "there is no sink `kafka`: send OTLP to an OpenTelemetry Collector with a \
                       Kafka exporter";
        section.wrong(word.line, message);
        return None;
    }
    let kind = match section.choice("type", &TYPES, None)? {
        Type::OtlpHttp => SinkKind::OtlpHttp(remote(&section, Type::OtlpHttp)?),
        Type::OtlpGrpc => SinkKind::OtlpGrpc(remote(&section, Type::OtlpGrpc)?),
        Type::Loki => SinkKind::Loki(remote(&section, Type::Loki)?, labels(&section)),
        Type::File => SinkKind::File(file(&section)?),
        Type::Stdout => SinkKind::Stdout(Members::read(&section)),
    };
    let name = section.text("name").filter(|placed| named(&section, placed));
    let batch = batch(&section);
    section.finish();
    let name = name.map_or_else(|| name_of(&word.value, is_taken), |placed| placed.value);
    Some(Sink { name, kind, batch })
}

/// A name is part of a file name.
fn named(section: &Section<'_>, placed: &Placed<String>) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let well = placed.value.len() <= 63 && placed.value.bytes().all(letters);
    if !well {
        let message = format!(
            "`{}` must have at most 63 letters, digits, `-` and `_`, not `{}`",
            section.name("name"),
            placed.value
        );
        section.wrong(placed.line, message);
    }
    well
}

fn batch(section: &Section<'_>) -> Batch {
    let Some(section) = section.section("batch") else { return Batch::default() };
    let batch = Batch {
        records: to_usize(section.number("records", 1..=BATCH_RECORDS_MAX, BATCH_RECORDS_DEFAULT)),
        bytes: to_usize(section.size(
            "bytes",
            BATCH_BYTES_MIN..=BATCH_BYTES_MAX,
            BATCH_BYTES_DEFAULT,
        )),
        wait: section.span("wait", Duration::ZERO..=BATCH_WAIT_MAX, BATCH_WAIT_DEFAULT),
    };
    section.finish();
    batch
}

fn remote(section: &Section<'_>, kind: Type) -> Option<Remote> {
    let endpoint = section.required("endpoint", "an address such as https://collector:4318");
    let (words, default): (&[(&str, Compression)], _) = match kind {
        Type::Loki => (&[("snappy", Compression::Snappy)], Compression::Snappy),
        _ => (
            &[
                ("zstd", Compression::Zstd),
                ("gzip", Compression::Gzip),
                ("none", Compression::None),
            ],
            Compression::Zstd,
        ),
    };
    let compression = section.choice("compression", words, default);
    let (tls, headers) = (tls(section), headers(section));
    let times = TIMEOUT_MIN..=TIMEOUT_MAX;
    let remote = Remote {
        endpoint: String::new(),
        compression,
        tls,
        headers,
        bearer_file: path(section, "bearer_file"),
        timeout: section.span("timeout", times.clone(), TIMEOUT_DEFAULT),
        backoff_max: section.span("backoff_max", times, BACKOFF_MAX_DEFAULT),
        in_flight: to_usize(section.number("in_flight", 1..=IN_FLIGHT_MAX, IN_FLIGHT_DEFAULT)),
    };
    let endpoint = endpoint?;
    if endpoint.value.contains(['?', '#']) {
        // What is behind them may be a secret and is not shown.
        let message = format!(
            "`{}` must have no `?` and no `#`: nothing behind them is sent; what the server has to \
             know goes into `headers`, a secret into `headers_from_files` or `bearer_file`",
            section.name("endpoint")
        );
        section.wrong(endpoint.line, message);
        return None;
    }
    let options = wire::ChannelOptions::to(endpoint.value.clone());
    let channel = match wire::Channel::new(options) {
        Ok(channel) => channel,
        Err(error) => {
            section.wrong(endpoint.line, format!("`{}`: {error}", section.name("endpoint")));
            return None;
        }
    };
    let proves = remote.bearer_file.is_some()
        || remote.headers.iter().any(|(_, value)| matches!(value, HeaderValue::File(_)));
    if channel.is_open_line() && proves {
        let message = format!(
            "`{}` must be https: what proves who we are would be readable on the way",
            section.name("endpoint")
        );
        section.wrong(endpoint.line, message);
    }
    Some(Remote { endpoint: endpoint.value, ..remote })
}

fn tls(section: &Section<'_>) -> TlsFiles {
    let Some(section) = section.section("tls") else { return TlsFiles::default() };
    let files = TlsFiles {
        ca: path(&section, "ca_file"),
        certificate: path(&section, "cert_file"),
        key: path(&section, "key_file"),
        server_name: server_name(&section),
    };
    if files.certificate.is_some() != files.key.is_some() {
        let message =
            format!("`{}` needs both cert_file and key_file, or neither", section.name("tls"));
        section.wrong(section.line, message.replace(".tls`", "`"));
    }
    section.finish();
    files
}

fn server_name(section: &Section<'_>) -> Option<String> {
    let Placed { line, value } = section.text("server_name")?;
    if !wire::is_server_name(&value) {
        let name = section.name("server_name");
        section.wrong(line, format!("`{name}` is no name of a server: `{value}`"));
    }
    Some(value)
}

/// Headers with such a name hold what must not stand in a file that everybody reads.
const SECRET_HEADERS: [&str; 10] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "api-key",
    "apikey",
    "api_key",
    "x-honeycomb-team",
    "uptrace-dsn",
];

fn is_secret(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    SECRET_HEADERS.iter().any(|secret| name.contains(secret))
}

fn headers(section: &Section<'_>) -> Vec<(String, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, placed) in section.pairs("headers") {
        if is_secret(&name) {
            let message = format!(
                "the header `{name}` holds a secret: name a file with it under headers_from_files"
            );
            section.wrong(placed.line, message);
        } else if http::HeaderValue::from_str(&placed.value).is_err() {
            section.wrong(placed.line, format!("the value of the header `{name}` is no header"));
        }
        headers.push((placed.line, name, HeaderValue::Text(placed.value)));
    }
    for (name, placed) in section.pairs("headers_from_files") {
        let file = PathBuf::from(&placed.value);
        if !file.is_absolute() {
            section.wrong(placed.line, format!("the file of the header `{name}` must be absolute"));
        }
        headers.push((placed.line, name, HeaderValue::File(file)));
    }
    for (line, name, _) in &headers {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            section.wrong(*line, format!("`{name}` is no name of a header"));
        }
    }
    headers.into_iter().map(|(_, name, value)| (name, value)).collect()
}

fn labels(section: &Section<'_>) -> LokiLabels {
    const USUAL: [&str; 5] = [
        "service.name",
        "k8s.namespace.name",
        "k8s.container.name",
        "k8s.deployment.name",
        "host.name",
    ];
    let from: Vec<String> =
        section.texts("labels_from").into_iter().map(|placed| placed.value).collect();
    let usual = || USUAL.map(str::to_owned).to_vec();
    LokiLabels {
        from: if section.has("labels_from") { from } else { usual() },
        fixed: super::plain_pairs(section, "labels"),
    }
}

fn file(section: &Section<'_>) -> Option<FileSink> {
    if !section.has("path") {
        let message = format!("`{}` is missing: it is where to write", section.name("path"));
        section.wrong(section.line, message);
    }
    let json = Format::Json(Members::read(section));
    let format = section.choice("format", &[("json", json), ("text", Format::Text)], json);
    if format == Format::Text && section.has("members") {
        let message = format!("`{}` is for the format json", section.name("members"));
        section.wrong(section.line_of("members"), message);
    }
    let file = FileSink {
        path: path(section, "path").unwrap_or_default(),
        format,
        rotate_bytes: section.size("rotate_bytes", 0..=ROTATE_BYTES_MAX, ROTATE_BYTES_DEFAULT),
        rotate_keep: section.number("rotate_keep", 0..=ROTATE_KEEP_MAX, ROTATE_KEEP_DEFAULT),
        fsync: section.flag("fsync", true),
    };
    Some(file)
}
