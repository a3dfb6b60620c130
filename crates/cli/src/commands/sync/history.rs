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

/// Operations that are shown unless told otherwise.
const SHOWN_DEFAULT: usize = 20;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "history",
    clap: || {
        let about = "Show the last operations of a GitSync";
        HistoryArgs::augment_args(clap::Command::new("history")).about(about)
    },
    exits: &[
        (Exit::Clean, "shown"),
        (Exit::CouldNot, "there is no such GitSync, or the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

#[derive(Args)]
struct HistoryArgs {
    #[command(flatten)]
    on: LookArgs,
    /// How many operations are shown, newest first; up to 1,000 are kept
    #[arg(long, value_name = "N", default_value_t = SHOWN_DEFAULT)]
    limit: usize,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = HistoryArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    session::run(context, config, |session| async move {
        let LookArgs { sync, cluster, output } = args.on;
        let syncs = Syncs::connect(&session, &cluster, sync.namespace.as_ref()).await?;
        let history = session.unless_stopped(async {
            let sync = syncs.get(&sync.name).await?;
            syncs.past(&sync).await
        });
        let mut history = history.await?;
        history.truncate(args.limit);
        let text = || render::gitsync::history(&history, session.out);
        terminal::print_as(&history, output.format, text)?;
        Ok(Exit::Clean)
    })
}
