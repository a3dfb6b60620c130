//! `orlop sync history`: what was delivered when, by whom, and what came of it.

use super::gitsync::{LookArgs, Syncs};
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::render;
use crate::terminal;
use clap::{ArgMatches, Args, FromArgMatches};
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "history",
    clap: || {
        let about = "Show the last operations of a GitSync";
        LookArgs::augment_args(clap::Command::new("history")).about(about)
    },
    exits: &[
        (Exit::Clean, "shown"),
        (Exit::CouldNot, "there is no such GitSync, or the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = LookArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    session::run(context, config, |session| async move {
        let syncs = Syncs::connect(&session, &args.cluster, args.sync.namespace.as_ref()).await?;
        let sync = session.unless_stopped(syncs.get(&args.sync.name)).await?;
        let history = sync.status.unwrap_or_default().history;
        let text = || render::gitsync::history(&history, session.out);
        terminal::print_as(&history, args.output.format, text)?;
        Ok(Exit::Clean)
    })
}
