//! `cargo xtask tidy`: the rules of the house that no compiler checks.

use super::Command;
use crate::{terminal, workspace};
use std::ffi::OsString;
use std::process::ExitCode;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    about: "Check the rules of the house that no compiler checks",
    help: "\
Examples:
  cargo xtask tidy
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        return Err(arg.unexpected().into());
    }
    terminal::say(workspace::root()?.display());
    Ok(ExitCode::SUCCESS)
}
