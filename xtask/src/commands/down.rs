//! `cargo xtask down`: undoes `cargo xtask up`.

use super::{Command, up};
use crate::terminal;
use model::Exit;
use std::ffi::OsString;
use std::process::ExitCode;
use testbed::{Cluster, cluster::state_dir};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "down",
    about: "End the demo's cluster and its Git server",
    help: "\
What `up --kubeconfig FILE` delivered to a cluster of your own stays there:
`orlop sync delete --name demo` removes it.

Examples:
  cargo xtask down
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    if let Some(argument) = lexopt::Parser::from_args(words).next()? {
        return Err(argument.unexpected().into());
    }
    for dir in [state_dir().join(up::DEMO), state_dir().join(".up")] {
        if up::stop_server(&dir)? {
            terminal::say("the demo's Git server is gone");
        }
    }
    if !Cluster::down(up::DEMO, &mut |line| terminal::warn(line))? {
        terminal::say("there was no cluster of the demo");
    }
    Ok(Exit::Clean.into())
}
