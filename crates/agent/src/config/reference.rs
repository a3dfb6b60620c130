//! The list of all fields, and the page that is made of it.

use super::defaults::STANDARD_LOGS;
use crate::service::SYSLOG_FILES;
use std::fmt::Write as _;

/// One field, for the page and for the test that holds it equal to what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldDoc {
    /// Its path; `[]` stands for every entry of a list.
    pub path: &'static str,
    /// What may stand there.
    pub value: &'static str,
    /// What counts when it does not stand there; empty when it must.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

const fn field(
    path: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> FieldDoc {
    FieldDoc { path, value, default, help }
}

/// The table of fields, in the order of the page.
pub const FIELDS: &[FieldDoc] = &[
    field(
        "state_dir",
        "a path",
        "/var/lib/orlop/agent",
        "offsets, spilled bytes, refused records, the socket of `status` and `tap`; one agent for each",
    ),
    field("listen", "IP:PORT or off", "127.0.0.1:9464", "`/metrics`, `/healthz`, `/readyz`"),
    field(
        "memory_max_bytes",
        "a size, 8Mi to 16Gi",
        "64Mi",
        "memory of blocks and batches; with a dead sink reading stops here",
    ),
    field(
        "shutdown_timeout",
        "a duration, 100ms to 10m",
        "10s",
        "how long a stop delivers what was read; the rest is read again by the next start. What \
         starts the agent must wait longer: `TimeoutStopSec` of the unit and \
         `terminationGracePeriodSeconds` of the pod are 20 s as deployed",
    ),
    field(
        "checkpoint_interval",
        "a duration, 50ms to 1m",
        "1s",
        "how often acknowledged offsets are written down so that they outlive the machine; so that \
         they outlive the process, with each 4 MiB too",
    ),
    field(
        "dead_letter_bytes",
        "a size, 1Mi to 1Ti",
        "64Mi",
        "how much of what sinks refuse for good is kept in the state folder",
    ),
    field(
        "spill_bytes",
        "a size, 1Mi to 1Ti",
        "1Gi",
        "how much of files that vanish while no sink takes their lines is kept in the state folder",
    ),
    field(
        "backfill_bytes_per_second",
        "a size",
        "no bound",
        "how fast what was written before the start is read",
    ),
    field("resource", "a map of texts", "none", "attributes of every record's resource"),
    field("inputs", "a list", "the standard logs of a host", "what is read"),
    field(
        "inputs[].type",
        "files, kubernetes or journald",
        "",
        "where lines come from; a field below that names types before a colon is of these alone",
    ),
    field(
        "inputs[].name",
        "a text",
        "type and number",
        "in messages and checkpoints; must be unique; the number counts inputs of the type that have \
         no name",
    ),
    field("inputs[].resource", "a map of texts", "none", "attributes of its records' resource"),
    field(
        "inputs[].start_at",
        "beginning or end",
        "end; of kubernetes beginning",
        "where a file begins that was there before the agent and was never read by it; one \
         that is made while the agent is away or comes while it runs, also with a disk that is \
         mounted then, is read whole",
    ),
    field(
        "inputs[].paths",
        "a list of patterns",
        "",
        "files: what is read, such as `/var/log/**/*.log`",
    ),
    field("inputs[].exclude", "a list of patterns", "none", "files, kubernetes: what is not"),
    field(
        "inputs[].follow_links",
        "true or false",
        "true",
        "files: whether symbolic links that belong to root or to the owner of their target are followed",
    ),
    field(
        "inputs[].compressed",
        "true or false",
        "false",
        "files: whether rotated files that are compressed with gzip are read, too, as far as they were not read before",
    ),
    field(
        "inputs[].encoding",
        "a label such as utf-16le, latin1, shift_jis",
        "utf-8",
        "files, kubernetes: the encoding of the files",
    ),
    field(
        "inputs[].framing",
        "none, cri or docker",
        "none; of kubernetes cri",
        "files, kubernetes: what a container runtime puts around each line",
    ),
    field(
        "inputs[].parsers",
        "a list of json, logfmt, regex, access, syslog-rfc3164, syslog-rfc5424, klog",
        "json, klog, logfmt",
        "files, kubernetes: how text becomes fields, the first that fits; a line that fits none \
         stays the message and is counted. The first line of a journal's message is read with the \
         default ones for status, ids and a severity above the priority info that systemd gives, \
         and stays the message",
    ),
    field(
        "inputs[].pattern",
        "a regular expression",
        "",
        "files, kubernetes: with the parser regex: its named groups become fields",
    ),
    field(
        "inputs[].skip_empty_lines",
        "true or false",
        "false",
        "files, kubernetes: whether empty lines are passed over",
    ),
    field(
        "inputs[].fields",
        "a list of names",
        "all fields",
        "files, kubernetes: only these become attributes, and the HTTP status; a usual name of the time, severity, message, trace or status means the same whether it is listed or not",
    ),
    field(
        "inputs[].body",
        "message or line",
        "message; with fields: line",
        "files, kubernetes: what becomes the body; message is the field of that meaning, or the \
         line when there is none. With fields and message, fields that were not named are given up",
    ),
    field(
        "inputs[].line_max_bytes",
        "a size, 1Ki to 16Mi",
        "1Mi",
        "files, kubernetes: a longer line is cut, and says how long it was; of a secret that is \
         cut, redaction may leave the head",
    ),
    field(
        "inputs[].partial_timeout",
        "a duration, 50ms to 5m",
        "5s",
        "files, kubernetes: how long a last line without its line feed waits for the rest; then it \
         is a record, and the rest another one: redaction sees each alone, and a secret cut in two \
         in neither; the parts of a container's line wait for each other for a minute",
    ),
    field("inputs[].multiline", "a map", "none", "files, kubernetes: which lines are one record"),
    field(
        "inputs[].multiline.presets",
        "a list of java, go, python, dotnet",
        "",
        "how stack traces look; a trace joins the line before it when that speaks of an error, and one that says no severity is an error itself, which sampling never leaves out; or",
    ),
    field(
        "inputs[].multiline.first_line",
        "a regular expression",
        "",
        "a line that matches begins a record",
    ),
    field(
        "inputs[].multiline.timeout",
        "a duration, 50ms to 1m",
        "1s",
        "how long a record waits for its next line",
    ),
    field(
        "inputs[].multiline.max_lines",
        "a number, 1 to 100000",
        "2000",
        "a record with more lines is ended",
    ),
    field("inputs[].root", "a path", "/var/log/pods", "kubernetes: where the kubelet puts logs"),
    field("inputs[].namespaces", "a list of names", "all", "kubernetes: only these"),
    field("inputs[].exclude_namespaces", "a list of names", "none", "kubernetes: none of these"),
    field(
        "inputs[].metadata",
        "true or false",
        "true",
        "kubernetes: whether pods of this node are watched in the API; a line waits 2 s for its pod at most",
    ),
    field("inputs[].node_name", "a name", "$NODE_NAME", "kubernetes: the name of this node"),
    field(
        "inputs[].api_server",
        "an address",
        "that of the service account",
        "kubernetes: where the API is",
    ),
    field(
        "inputs[].token_file",
        "a path",
        "that of the service account",
        "kubernetes: read again when it changes",
    ),
    field("inputs[].ca_file", "a path", "that of the service account", "kubernetes: whom to trust"),
    field(
        "inputs[].labels",
        "a list of names, or `*`",
        "`*`",
        "kubernetes: labels that become attributes",
    ),
    field(
        "inputs[].annotations",
        "a list of names",
        "none",
        "kubernetes: annotations that become attributes",
    ),
    field("inputs[].units", "a list of names", "all", "journald: only these units"),
    field(
        "inputs[].directory",
        "a path",
        "the system's journal",
        "journald: a folder with journal files",
    ),
    field(
        "inputs[].program",
        "a path",
        "journalctl of the system",
        "journald: the program that reads it",
    ),
    field(
        "sampling",
        "a map",
        "everything is kept",
        "what is left out; errors and statuses from 500 on never are",
    ),
    field("sampling.hot_trace", "a map", "never", "thins a trace that logs a lot"),
    field(
        "sampling.hot_trace.lines_per_second",
        "a number",
        "5",
        "lines of a trace in a second that all pass",
    ),
    field(
        "sampling.hot_trace.keep_percent",
        "a share",
        "10",
        "how many of the further ones pass, as one of a whole number: 50, 33.3, 25, 20, 10 …",
    ),
    field("sampling.rate", "a map", "never", "thins what has one value of a field"),
    field(
        "sampling.rate.field",
        "a name",
        "",
        "the field: an attribute, or a usual name of the message (`msg`) or the severity (`level`); where the body is the line, that of a message must be in fields",
    ),
    field(
        "sampling.rate.lines_per_second",
        "a number",
        "5",
        "lines with one value in a second that all pass",
    ),
    field(
        "sampling.rate.keep_percent",
        "a share",
        "10",
        "how many of the further ones pass, as one of a whole number: 50, 33.3, 25, 20, 10 …",
    ),
    field(
        "sampling.keep_percent",
        "a share",
        "100",
        "how much of the rest is kept, the same traces by every agent",
    ),
    field(
        "sampling.rescue",
        "a map",
        "never",
        "gives the lines of a trace back when an error of it follows",
    ),
    field(
        "sampling.rescue.window",
        "a duration, 50ms to 10m",
        "30s",
        "how long they can be given back",
    ),
    field(
        "sampling.rescue.memory_bytes",
        "a size, 64Ki to 1Gi",
        "4Mi",
        "memory for where they are",
    ),
    field(
        "sampling.summary",
        "a duration, 1s to 1h",
        "1m",
        "how often records of our own say what each rule left out, with the keys of which most is missing",
    ),
    field(
        "redaction",
        "a map",
        "none",
        "what is made unreadable before anything is stored or sent: in lines, and in values of \
         labels and annotations of pods; names of files, hosts, Kubernetes objects and images \
         (`log.file.path`, `k8s.pod.name`, `service.name`) and what `resource` says stay",
    ),
    field("redaction.rules", "a list of names", "none", "built-in rules, such as email"),
    field("redaction.patterns", "a list", "none", "rules of one's own"),
    field("redaction.patterns[].name", "a text", "", "what stands in brackets where it matched"),
    field(
        "redaction.patterns[].pattern",
        "a regular expression",
        "",
        "what is replaced; `^` and `$` are the ends of the body or of a field, and it may begin with \
         a field's name, as in `password=\\S+`",
    ),
    field(
        "redaction.patterns[].contains",
        "a text",
        "none",
        "a text that every match has in it, which makes other lines cheap",
    ),
    field("redaction.show", "name, stars or hash", "name", "what stands there instead"),
    field(
        "redaction.key_file",
        "a path",
        "none",
        "the key of `show: hash`; texts can then be compared and not read",
    ),
    field(
        "sinks",
        "a list",
        "stdout",
        "where records go; a file moves on when every sink has taken its lines",
    ),
    field("sinks[].type", "otlp_http, otlp_grpc, loki, file or stdout", "", "where to"),
    field(
        "sinks[].name",
        "letters, digits, `-`, `_`",
        "type and number",
        "in metrics; must be unique; the number counts sinks of the type that have no name",
    ),
    field("sinks[].batch", "a map", "", "how records become requests"),
    field("sinks[].batch.records", "a number, 1 to 100000", "8192", "most records"),
    field("sinks[].batch.bytes", "a size, 64Ki to 64Mi", "2Mi", "most bytes before compression"),
    field(
        "sinks[].batch.wait",
        "a duration, to 1m",
        "200ms",
        "how long a batch waits to be filled; not at all when nothing will join it by then",
    ),
    field(
        "sinks[].endpoint",
        "http(s)://HOST:PORT",
        "",
        "remote sinks: the server; `/v1/logs` or Loki's path is put behind an address without one",
    ),
    field(
        "sinks[].compression",
        "zstd, gzip or none; loki: snappy",
        "zstd",
        "remote sinks: how requests are compressed",
    ),
    field(
        "sinks[].timeout",
        "a duration, 100ms to 10m",
        "30s",
        "remote sinks: time for one request",
    ),
    field(
        "sinks[].backoff_max",
        "a duration, 100ms to 10m",
        "30s",
        "remote sinks: the longest pause after failures in a row",
    ),
    field(
        "sinks[].in_flight",
        "a number, 1 to 16",
        "2",
        "remote sinks: requests under way at once; loki: batches, each of up to 8 requests",
    ),
    field(
        "sinks[].bearer_file",
        "a path",
        "none",
        "remote sinks: a token for `Authorization`, read again when it changes; https only",
    ),
    field("sinks[].headers", "a map of texts", "none", "remote sinks: headers without secrets"),
    field(
        "sinks[].headers_from_files",
        "a map of paths",
        "none",
        "remote sinks: headers whose value is a file's content; https only",
    ),
    field(
        "sinks[].tls",
        "a map",
        "the system's certificates",
        "remote sinks: whom to trust and who we are",
    ),
    field(
        "sinks[].tls.ca_file",
        "a path",
        "the system's",
        "trusted instead of the system's certificates",
    ),
    field("sinks[].tls.cert_file", "a path", "none", "our certificate"),
    field("sinks[].tls.key_file", "a path", "none", "its key"),
    field(
        "sinks[].tls.server_name",
        "a name",
        "the host of the endpoint",
        "the name in the server's certificate",
    ),
    field(
        "sinks[].labels_from",
        "a list of names",
        "service, namespace, container, deployment, host",
        "loki: attributes that become labels; everything else is structured metadata",
    ),
    field("sinks[].labels", "a map of texts", "none", "loki: fixed labels"),
    field("sinks[].path", "a path", "", "file: where to write, which no input reads"),
    field(
        "sinks[].format",
        "json or text",
        "json",
        "file: a JSON object a line, or the bodies alone as they are, control characters included",
    ),
    field(
        "sinks[].members",
        "some of time, severity, body, trace, attributes and resource",
        "all",
        "file of json and stdout: what a line has of a record, in this order",
    ),
    field("sinks[].rotate_bytes", "a size", "0, never", "file: a new file is begun at this size"),
    field("sinks[].rotate_keep", "a number", "5", "file: how many old ones are kept"),
    field(
        "sinks[].fsync",
        "true or false",
        "true",
        "file: whether lines are on the disk before they count as delivered",
    ),
];

/// A config that uses every kind of input, stage and sink; part of the page.
pub(crate) const EXAMPLE: &str = include_str!("example.yaml");

/// The page of the reference, in Markdown.
#[must_use]
pub fn page() -> String {
    let list = |paths: &[&str]| format!("`{}`", paths.join("`, `"));
    let (logs, syslog) = (list(&STANDARD_LOGS), list(&SYSLOG_FILES));
    let mut text = format!(
        "# The agent's config file\n\n\
         One YAML file, given as `orlop agent run --config FILE`. Without one the agent reads the \
         standard logs of the host ({logs}) and its journal, unless a syslog daemon that is \
         enabled, or has written within two days, writes that to one of {syslog}; it writes JSON \
         lines to stdout. `orlop agent \
         check-config FILE` tells every mistake with its line. Sizes are written as `64Mi`, \
         durations as `1m30s`. SIGHUP or a change of the file loads it again; a wrong one changes \
         nothing, and neither does one without the `inputs` or `sinks` that the one in use \
         has.\n\n\
         | Field | Value | Default | What it does |\n|---|---|---|---|\n",
    );
    for field in FIELDS {
        let default = if field.default.is_empty() { "–" } else { field.default };
        let value = field.value.replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {value} | {default} | {} |", field.path, field.help);
    }
    text.push_str("\n## Example\n\n```yaml\n");
    text.push_str(EXAMPLE);
    text.push_str("```\n");
    text
}
