//! `cargo xtask probe`: what this host can do for the test cluster, and how that was found out.

use super::Command;
use crate::terminal;
use std::ffi::OsString;
use std::process::ExitCode;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "probe",
    about: "Report what this host offers the cluster: limits, cgroups, kernel",
    help: "\
Flags:
  --json   the same as JSON

Examples:
  cargo xtask probe
  cargo xtask probe --json
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        return Err(arg.unexpected().into());
    }
    terminal::say("nofile");
    Ok(ExitCode::SUCCESS)
}
