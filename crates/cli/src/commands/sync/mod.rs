//! `orlop sync`: deliver a tree to a cluster. One file per verb; what they share is here and in
//! [`arguments`].

mod apply;
mod arguments;
mod delete;
mod describe;
mod diff;
mod get;
mod gitsync;
mod history;
mod list;
mod plan;
mod reconcile;
mod report;
mod resume;
mod rollback;
mod run;
mod session;
mod status;
mod suspend;
mod tree;

use super::{Command, Context};
use crate::{CliError, grammar};
use clap::ArgMatches;
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "sync",
    clap: || {
        clap::Command::new("sync")
            .about("Deliver a tree of manifests to a cluster")
            .after_help("`orlop help sync` explains deliveries.")
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommands(SUBCOMMANDS.iter().map(grammar::with_exits))
    },
    exits: &[],
    run,
};

/// The verbs, in the order of the help.
pub(crate) const SUBCOMMANDS: &[Command] = &[
    plan::COMMAND,
    apply::COMMAND,
    diff::COMMAND,
    status::COMMAND,
    list::COMMAND,
    delete::COMMAND,
    run::COMMAND,
    get::COMMAND,
    describe::COMMAND,
    tree::COMMAND,
    history::COMMAND,
    report::COMMAND,
    reconcile::COMMAND,
    suspend::COMMAND,
    resume::COMMAND,
    rollback::COMMAND,
];

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    match super::dispatch(SUBCOMMANDS, matches, context) {
        Some(result) => result,
        None => Err(CliError::usage("`orlop sync` needs a verb", "`orlop sync --help` lists them")),
    }
}
