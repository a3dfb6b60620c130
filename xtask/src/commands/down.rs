//! `cargo xtask down`: undoes `cargo xtask up`.

use super::{Command, up};
use crate::terminal;
use model::Exit;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use testbed::{Cluster, cluster::state_dir};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "down",
    about: "Undo up: the demo's cluster, its agent, its Git server, its delivery",
    help: "\
What `up --kubeconfig FILE` delivered to a cluster of your own is deleted there, but for the
Namespace and the CustomResourceDefinition: it says how to delete these as well.

Examples:
  cargo xtask down
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    if let Some(argument) = lexopt::Parser::from_args(words).next()? {
        return Err(argument.unexpected().into());
    }
    stop(&state_dir().join(up::DEMO))?;
    if !Cluster::down(up::DEMO, &mut |line| terminal::warn(line))? {
        terminal::say("there was no cluster of the demo");
    }
    // Last, because that cluster may not answer; then all of this is there for another try.
    let given = state_dir().join(".up");
    if given.exists() {
        up::take_back(&given)?;
        stop(&given)?;
        std::fs::remove_dir_all(&given)?;
    }
    Ok(Exit::Clean.into())
}

fn stop(dir: &Path) -> anyhow::Result<()> {
    if up::stop_agent(dir)? {
        terminal::say("the demo's agent is gone");
    }
    if up::stop_server(dir)? {
        terminal::say("the demo's Git server is gone");
    }
    Ok(())
}
