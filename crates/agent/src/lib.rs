//! The agent plane: logs of a node, read, sampled and delivered, each line at least once.
//!
//! ```text
//! files, pods, journal ──► reader ──► ring of blocks ──► sinks (one thread each)
//!                            ▲                             │
//!                        checkpoint ◄── offsets ◄── acknowledgements
//! ```
//!
//! One thread reads, one for each sink sends, one answers questions and watches pods. The README
//! says what is promised.

mod admin;
mod ask;
mod block;
pub mod config;
mod encode;
mod error;
pub mod fuzzing;
mod journal;
mod manifests;
mod numbers;
mod options;
mod packed;
pub mod pods;
mod reader;
mod run;
mod say;
mod service;
mod sink;
pub mod tap;
mod tracker;

pub use error::AgentError;
pub use manifests::{NAMESPACE_DEFAULT, deploy_files};
pub use options::{EXITS, VERBS, help};

use model::{Build, Exit};
use std::ffi::OsString;
use std::io::Write;

/// The first word of this plane's command lines.
pub const NAME: &str = "agent";
/// What it is for, in one line.
pub const ABOUT: &str = "Collect the logs of this node, losing none";

/// Whether a command line goes on until it is stopped, and so says what it does.
#[must_use]
pub fn goes_on(arguments: &[OsString]) -> bool {
    matches!(options::parse(arguments), Ok(options::Request::Run(_)))
}

/// Runs a command line; the arguments are those behind `orlop agent`.
///
/// # Errors
/// [`AgentError`]; it knows its exit code and its hint.
pub fn run(arguments: &[OsString], build: &Build) -> Result<Exit, AgentError> {
    match options::parse(arguments)? {
        options::Request::Help => print(&help()),
        options::Request::Reference => print(&config::page()),
        options::Request::Check(path) => check(&path),
        options::Request::Run(wanted) => run::run(&wanted, build),
        options::Request::Status { place, json } => ask::status(&place, json),
        options::Request::Tap { place, tap } => ask::tap(&place, &tap),
    }
}

/// Pages for `docs/reference/`: path and content.
#[must_use]
pub fn reference_pages() -> Vec<(String, String)> {
    vec![("agent-config.md".to_owned(), config::page())]
}

fn print(text: &str) -> Result<Exit, AgentError> {
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(AgentError::Output)?;
    Ok(Exit::Clean)
}

fn check(path: &std::path::Path) -> Result<Exit, AgentError> {
    match config::load(path) {
        Ok(config) => {
            let (inputs, sinks) = (config.inputs.len(), config.sinks.len());
            let path = path.display();
            let note =
                |field: &&str| format!("{path}:1: `{field}` is missing, its default counts\n");
            let notes: String = config.missing.iter().map(note).collect();
            print(&format!("{path}: valid, {inputs} inputs, {sinks} sinks\n{notes}"))
        }
        Err(error) => Err(AgentError::Config(error)),
    }
}
