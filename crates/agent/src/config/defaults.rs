//! Every default and every bound of the config file, with its unit.

use std::time::Duration;

/// Where the agent keeps its state.
pub const STATE_DIR_DEFAULT: &str = "/var/lib/orlop/agent";
/// Where metrics and probes are served: not to other machines.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:9464";
/// Memory of blocks and batches, in bytes.
pub const MEMORY_MAX_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Less would not hold a block for each of a few sinks.
pub const MEMORY_MAX_BYTES_MIN: u64 = 8 * 1024 * 1024;
/// More is a mistake: the files are the queue.
pub const MEMORY_MAX_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// How long a stop may take to deliver what was read.
pub const SHUTDOWN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// The shortest stop.
pub const SHUTDOWN_TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The longest stop.
pub const SHUTDOWN_TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// How often offsets are written down while they move.
pub const CHECKPOINT_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
/// More often costs the disk.
pub const CHECKPOINT_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// More rarely repeats a lot after a crash.
pub const CHECKPOINT_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Attributes that a config may add, of the whole or of one input.
pub const ATTRIBUTES_MAX: usize = 64;
/// Inputs of one agent.
pub const INPUTS_MAX: usize = 256;
/// Sinks of one agent.
pub const SINKS_MAX: usize = 16;
/// Patterns of one input.
pub const PATTERNS_MAX: usize = 1_024;

/// Where the kubelet puts the logs of pods.
pub const PODS_ROOT_DEFAULT: &str = "/var/log/pods";
/// What is read when no input is named: the logs of a host as distributions write them.
pub const STANDARD_LOGS: [&str; 6] = [
    "/var/log/syslog",
    "/var/log/messages",
    "/var/log/auth.log",
    "/var/log/secure",
    "/var/log/*.log",
    "/var/log/nginx/*.log",
];
/// A longer line is cut, in bytes.
pub const LINE_MAX_BYTES_DEFAULT: u64 = 1024 * 1024;
/// The shortest bound of a line.
pub const LINE_MAX_BYTES_MIN: u64 = 1024;
/// The longest bound of a line.
pub const LINE_MAX_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long a line without its end waits for the rest.
pub const PARTIAL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// How long a group of lines waits for its next line.
pub const MULTILINE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);
/// The shortest wait of either.
pub const WAIT_MIN: Duration = Duration::from_millis(50);
/// The longest wait of either.
pub const WAIT_MAX: Duration = Duration::from_secs(300);
/// The longest wait of a group.
pub const MULTILINE_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// A group with more lines is ended.
pub const MULTILINE_MAX_LINES_DEFAULT: u64 = 2_000;
/// The highest bound of a group's lines.
pub const MULTILINE_MAX_LINES_MAX: u64 = 100_000;
/// The parsers that are tried when none are named, as far as there are such.
pub const PARSERS_DEFAULT: [&str; 3] = ["json", "klog", "logfmt"];
/// The highest rate of a backfill that can be asked for, in bytes per second.
pub const BACKFILL_BYTES_MAX: u64 = 100 * 1024 * 1024 * 1024;

/// Lines of one trace in a second from which on it is thinned.
pub const HOT_TRACE_LINES_DEFAULT: u64 = 5;
/// Percent of a hot trace's further lines that are kept.
pub const HOT_TRACE_KEEP_DEFAULT: f64 = 10.0;
/// How long dropped lines of a trace may be asked back.
pub const RESCUE_WINDOW_DEFAULT: Duration = Duration::from_secs(30);
/// The longest such time.
pub const RESCUE_WINDOW_MAX: Duration = Duration::from_secs(600);
/// Memory for what was dropped and may be asked back, in bytes.
pub const RESCUE_MEMORY_BYTES_DEFAULT: u64 = 4 * 1024 * 1024;
/// The most memory for it.
pub const RESCUE_MEMORY_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Over how long what sampling left out is summed up.
pub const SUMMARY_DEFAULT: Duration = Duration::from_secs(60);
/// The shortest such time.
pub const SUMMARY_MIN: Duration = Duration::from_secs(1);
/// The longest such time.
pub const SUMMARY_MAX: Duration = Duration::from_secs(3_600);
/// The most lines in a second that a rate lets pass.
pub const RATE_LINES_MAX: u64 = pipeline::sampling::rate::RULE_MAX as u64;
/// Redaction patterns of one agent.
pub const REDACTION_PATTERNS_MAX: usize = 64;

/// Records of one batch.
pub const BATCH_RECORDS_DEFAULT: u64 = 8_192;
/// Most records of one batch.
pub const BATCH_RECORDS_MAX: u64 = 100_000;
/// Bytes of one batch before compression.
pub const BATCH_BYTES_DEFAULT: u64 = 2 * 1024 * 1024;
/// Fewest bytes of a batch.
pub const BATCH_BYTES_MIN: u64 = 64 * 1024;
/// Most bytes of a batch.
pub const BATCH_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long a batch waits to be filled.
pub const BATCH_WAIT_DEFAULT: Duration = Duration::from_millis(200);
/// The longest such wait.
pub const BATCH_WAIT_MAX: Duration = Duration::from_secs(60);
/// Time for one request.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The shortest such time.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The longest such time.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// The first pause after a failure.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// The longest pause after failures in a row.
pub const BACKOFF_MAX_DEFAULT: Duration = Duration::from_secs(30);
/// Requests of one sink under way at once.
pub const IN_FLIGHT_DEFAULT: u64 = 2;
/// Most requests of one sink under way at once.
pub const IN_FLIGHT_MAX: u64 = 16;
/// What sinks refuse for good is kept up to this many bytes.
pub const DEAD_LETTER_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Bytes of vanishing files are kept up to this many.
pub const SPILL_BYTES_DEFAULT: u64 = 1024 * 1024 * 1024;
/// The lowest bound of either.
pub const KEPT_BYTES_MIN: u64 = 1024 * 1024;
/// The highest bound of either.
pub const KEPT_BYTES_MAX: u64 = 1024 * 1024 * 1024 * 1024;
/// A file sink begins a new file at this size, in bytes; 0 is never.
pub const ROTATE_BYTES_DEFAULT: u64 = 0;
/// Rotated files of a file sink that are kept.
pub const ROTATE_KEEP_DEFAULT: u64 = 5;
/// Most rotated files.
pub const ROTATE_KEEP_MAX: u64 = 1_000;
/// Most bytes of one file of a file sink.
pub const ROTATE_BYTES_MAX: u64 = 1024 * 1024 * 1024 * 1024;
/// The level of zstd unless told otherwise.
pub const ZSTD_LEVEL: i32 = 1;
/// The level of gzip.
pub const GZIP_LEVEL: u32 = 1;
