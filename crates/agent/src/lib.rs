//! The agent plane: logs of a node, read, sampled and delivered, each line at least once.

pub mod config;
mod error;
mod options;
pub mod pods;
mod tap;

pub use error::AgentError;
pub use options::{OptionDoc, VERBS, Verb, help};

/// The first word of this plane's command lines.
pub const NAME: &str = "agent";
/// What it is for, in one line.
pub const ABOUT: &str = "Collect the logs of this node, losing none";
