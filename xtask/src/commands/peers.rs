//! `cargo xtask peers`: builds the tools that tests and benches compare Orlop with.

use super::Command;
use crate::terminal;
use lexopt::prelude::{Value, ValueExt as _};
use model::Exit;
use std::ffi::OsString;
use std::process::ExitCode;
use testbed::peers;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "peers",
    about: "Build the tools that tests compare with, once, and print their paths",
    help: "\
Without a name: every one that cluster/peers/ pins.

Examples:
  cargo xtask peers
  cargo xtask peers kustomize
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut asked: Vec<String> = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(name) => asked.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if asked.is_empty() {
        asked = peers::names().into_iter().map(str::to_owned).collect();
    }
    for name in asked {
        let program = peers::ensure(&name, &mut |line| terminal::warn(line))?;
        terminal::say(program.display().to_string());
    }
    Ok(Exit::Clean.into())
}
