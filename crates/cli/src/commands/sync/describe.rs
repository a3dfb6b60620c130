//! `orlop sync describe`: one GitSync in full.

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
    name: "describe",
    clap: || {
        let about = "Show a GitSync: what it wants, what it did, what keeps it";
        LookArgs::augment_args(clap::Command::new("describe")).about(about)
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
        let text = || render::gitsync::describe(&sync, session.out);
        terminal::print_as(&sync, args.output.format, text)?;
        Ok(Exit::Clean)
    })
}
