//! `orlop sync suspend`: a GitSync rests.

use super::gitsync::{ChangeArgs, Syncs};
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal;
use clap::{ArgMatches, Args, FromArgMatches};
use model::Exit;
use serde_json::json;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "suspend",
    clap: || {
        let about = "Stop a GitSync: nothing is delivered or healed until it is resumed";
        ChangeArgs::augment_args(clap::Command::new("suspend")).about(about)
    },
    exits: &[
        (Exit::Clean, "done, or with --dry-run accepted by the server"),
        (Exit::CouldNot, "there is no such GitSync, or the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = ChangeArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    session::run(context, config, |session| async move {
        let syncs = Syncs::connect(&session, &args.cluster, args.sync.namespace.as_ref()).await?;
        let patch = json!({"spec": {"suspend": true}});
        let dry_run = args.change.dry_run;
        let sync = session.unless_stopped(syncs.patch(&args.sync.name, &patch, dry_run)).await?;
        let would = if dry_run { "would be " } else { "" };
        let text = || format!("{} {would}suspended\n", sync.key());
        terminal::print_as(&sync, args.output.format, text)?;
        Ok(Exit::Clean)
    })
}
