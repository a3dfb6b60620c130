//! The workstation plane: every subcommand, its arguments and its output.
//!
//! Data goes to stdout, everything else to stderr. A command is one file under `commands/` with
//! its arguments, its exit codes and its function, and one line in a table; help, man pages,
//! completions and the reference pages are made from that. Nothing that is slow to start (the
//! runtime, the client, the config file) is started before a command needs it.

mod commands;
mod config;
mod documents;
mod environment;
mod error;
mod grammar;
mod host;
mod interrupt;
mod progress;
mod render;
mod terminal;
#[cfg(test)]
mod tests;
mod topics;

pub use config::{
    CONCURRENCY_REQUESTS_MAX, CONFIG_BYTES_MAX, Concurrency, Config, ConfigError, FIELDS, Field,
    Mistake, PruneLimit, SyncDefaults,
};
pub use environment::{VARIABLES, Variable};
pub use error::CliError;
pub use host::{Environment, Host, Plane};
pub use terminal::{ColorChoice, OutputFormat};

use model::Exit;
use std::ffi::OsString;

/// Runs one command line; the first argument is the program's name.
///
/// # Errors
/// [`CliError`] when the command could not do its work; it knows its exit code and its hint.
/// Mistakes of the command line itself are printed here and end in [`Exit::Usage`].
pub fn run(arguments: &[OsString], host: &Host) -> Result<Exit, CliError> {
    if let [_, only] = arguments
        && (only == "--version" || only == "-V")
    {
        terminal::print(&commands::version::line(&host.build))?;
        return Ok(Exit::Clean);
    }
    match grammar::root(host).try_get_matches_from(arguments) {
        Ok(matches) => grammar::start(&matches, host),
        Err(answer) => match grammar::unknown_word(&answer, arguments, host) {
            Some(error) => Err(error),
            None => grammar::answer(&answer, host),
        },
    }
}
