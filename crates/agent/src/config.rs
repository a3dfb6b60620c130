//! The agent's config file: one YAML document → what is valid, or every mistake in it at once,
//! each with its line and with what was probably meant.
//!
//! Two stages: `yaml` reads the text as a tree with places, `read` asks it for fields. The
//! fields, their defaults and bounds are listed in [`reference::FIELDS`], from which the page in
//! `docs/reference/` is made; a test holds both equal. No secret has a place in the file: it names
//! the files that hold them.

pub(crate) mod defaults;
pub(crate) mod fit;
mod inputs;
mod members;
mod reference;
mod section;
mod sinks;
mod stages;
#[cfg(test)]
mod tests;
mod yaml;

pub use defaults::*;
pub use inputs::{Input, InputKind, Journald, Kubernetes, Multiline, Reading, StartAt};
pub use members::Members;
pub use reference::{FIELDS, FieldDoc, page};
pub use section::MISTAKES_MAX;
pub use sinks::{
    Batch, Compression, FileSink, Format, HeaderValue, LokiLabels, Remote, Sink, SinkKind,
};
pub use stages::{KeyRate, Redaction, RedactionPattern, Sampling, Show};
pub use yaml::{CONFIG_BYTES_MAX, DEPTH_MAX, NODES_MAX};

use model::{Explain, Hint};
use section::{Book, Section};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where offsets, spilled bytes and refused records are kept, and the socket of `status`.
    pub state_dir: PathBuf,
    /// The address of metrics and probes; none when it is `off`.
    pub listen: Option<SocketAddr>,
    /// The memory of blocks and batches, in bytes.
    pub memory_max_bytes: u64,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// How often offsets are written down.
    pub checkpoint_interval: Duration,
    /// How much of what sinks refuse for good is kept, in bytes.
    pub dead_letter_bytes: u64,
    /// How much of vanishing files is kept while no sink takes it, in bytes.
    pub spill_bytes: u64,
    /// How fast old content is read, in bytes per second; none is without a bound.
    pub backfill_bytes_per_second: Option<u64>,
    /// Attributes of every record's resource.
    pub resource: Vec<(String, String)>,
    /// What is read.
    pub inputs: Vec<Input>,
    /// What is left out.
    pub sampling: Sampling,
    /// What is made unreadable.
    pub redaction: Redaction,
    /// Where records go.
    pub sinks: Vec<Sink>,
    /// Which of `inputs` and `sinks` the file does not have, so that the default counts.
    pub missing: Vec<&'static str>,
}

impl Config {
    /// What this one lacks of the one in use: a file that is half written is valid, but lines
    /// must not go to where nobody looks, nor be read from where nobody asked for.
    pub(crate) fn lost(&self, in_use: &Self) -> Vec<Mistake> {
        let is_lost = |field: &&&str| !in_use.missing.contains(*field);
        let mistake = |field: &&str| {
            let message =
                format!("`{field}` is missing: its default is for a start, the ones in use stay");
            Mistake { line: 1, message, near: None }
        };
        self.missing.iter().filter(is_lost).map(mistake).collect()
    }
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// The known word that was probably meant.
    pub near: Option<String>,
}

/// Why a config file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the config file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("the config file is wrong:{}", listed(path, mistakes))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong, in the order of the file.
        mistakes: Vec<Mistake>,
    },
}

fn listed(path: &Path, mistakes: &[Mistake]) -> String {
    let line =
        |mistake: &Mistake| format!("\n{}:{}: {}", path.display(), mistake.line, mistake.message);
    mistakes.iter().map(line).collect()
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Read { .. } => Hint::new("check its path, and who may read it"),
            Self::Wrong { .. } => Hint::new("`orlop agent config-reference` lists every field"),
        })
    }
}

/// Reads and checks a file.
///
/// # Errors
/// [`ConfigError`].
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = text_of(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    parse(&text).map_err(|mistakes| ConfigError::Wrong { path: path.into(), mistakes })
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let limit = CONFIG_BYTES_MAX as u64;
    std::fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() > CONFIG_BYTES_MAX {
        let limit = model::ByteSize(limit);
        return Err(std::io::Error::other(format!("it is larger than {limit}")));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
}

/// Reads and checks a text.
///
/// # Errors
/// Everything that is wrong, at most [`MISTAKES_MAX`].
pub fn parse(text: &str) -> Result<Config, Vec<Mistake>> {
    parse_asked(text).0
}

/// As [`parse`], with the fields that were asked for.
fn parse_asked(text: &str) -> (Result<Config, Vec<Mistake>>, BTreeSet<String>) {
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(mistakes) => return (Err(mistakes), BTreeSet::new()),
    };
    let book = RefCell::new(Book::default());
    let config = read(Section::root(&root, &book));
    let Book { mut mistakes, asked } = book.into_inner();
    mistakes.sort_by_key(|mistake| mistake.line);
    let result = if mistakes.is_empty() { Ok(config) } else { Err(mistakes) };
    (result, asked)
}

fn read(root: Section<'_>) -> Config {
    let inputs = if root.has("inputs") { inputs::read(&root) } else { inputs::standard() };
    let sinks = if root.has("sinks") { sinks::read(&root) } else { vec![Sink::standard()] };
    let config = Config {
        state_dir: path(&root, "state_dir").unwrap_or_else(|| PathBuf::from(STATE_DIR_DEFAULT)),
        listen: listen(&root),
        memory_max_bytes: root.size(
            "memory_max_bytes",
            MEMORY_MAX_BYTES_MIN..=MEMORY_MAX_BYTES_MAX,
            MEMORY_MAX_BYTES_DEFAULT,
        ),
        shutdown_timeout: root.span(
            "shutdown_timeout",
            SHUTDOWN_TIMEOUT_MIN..=SHUTDOWN_TIMEOUT_MAX,
            SHUTDOWN_TIMEOUT_DEFAULT,
        ),
        checkpoint_interval: root.span(
            "checkpoint_interval",
            CHECKPOINT_INTERVAL_MIN..=CHECKPOINT_INTERVAL_MAX,
            CHECKPOINT_INTERVAL_DEFAULT,
        ),
        dead_letter_bytes: root.size(
            "dead_letter_bytes",
            KEPT_BYTES_MIN..=KEPT_BYTES_MAX,
            DEAD_LETTER_BYTES_DEFAULT,
        ),
        spill_bytes: root.size("spill_bytes", KEPT_BYTES_MIN..=KEPT_BYTES_MAX, SPILL_BYTES_DEFAULT),
        backfill_bytes_per_second: root.has("backfill_bytes_per_second").then(|| {
            let rates = 1..=BACKFILL_BYTES_MAX;
            root.size("backfill_bytes_per_second", rates, BACKFILL_BYTES_MAX)
        }),
        resource: plain_pairs(&root, "resource"),
        inputs,
        sampling: stages::sampling(&root),
        redaction: stages::redaction(&root),
        sinks,
        missing: ["inputs", "sinks"].into_iter().filter(|field| !root.has(field)).collect(),
    };
    if root.is_well() {
        let place = if root.has("memory_max_bytes") { "memory_max_bytes" } else { "sinks" };
        for misfit in fit::misfits(&config) {
            root.wrong(root.line_of(place), misfit.reason);
        }
        sinks::not_read(&root, &config.sinks, &config.inputs);
        stages::no_message(&root, &config);
    }
    root.finish();
    config
}

fn listen(root: &Section<'_>) -> Option<SocketAddr> {
    let Some(placed) = root.text("listen") else { return LISTEN_DEFAULT.parse().ok() };
    if placed.value == "off" {
        return None;
    }
    let address = placed.value.parse().ok();
    if address.is_none() {
        let message = format!(
            "`listen` must be an address with a port such as {LISTEN_DEFAULT}, or off, not `{}`",
            placed.value
        );
        root.wrong(placed.line, message);
    }
    address
}

/// An absolute path.
fn path(section: &Section<'_>, key: &'static str) -> Option<PathBuf> {
    let placed = section.text(key)?;
    let path = PathBuf::from(&placed.value);
    if !path.is_absolute() {
        let message = format!("`{}` must be an absolute path", section.name(key));
        section.wrong(placed.line, message);
    }
    Some(path)
}

/// Attribute names and values.
fn plain_pairs(section: &Section<'_>, key: &'static str) -> Vec<(String, String)> {
    let pairs = section.pairs(key);
    if pairs.len() > ATTRIBUTES_MAX {
        let message = format!("`{}` has more than {ATTRIBUTES_MAX} fields", section.name(key));
        section.wrong(section.line_of(key), message);
    }
    pairs.into_iter().map(|(name, placed)| (name, placed.value)).collect()
}
