//! `orlop sync list`: all deliveries of a cluster.

use super::arguments::{ClusterArgs, OutputArgs, Settings};
use super::session;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal;
use crate::{CliError, render};
use clap::{ArgMatches, Args, FromArgMatches};
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "list",
    clap: || {
        let about = "List the deliveries of a cluster";
        ListArgs::augment_args(clap::Command::new("list")).about(about)
    },
    exits: &[
        (Exit::Clean, "listed, also when there are none"),
        (Exit::CouldNot, "the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = ListArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    let settings = Settings::new(&args.cluster, None, &config)?;
    session::run(context, config, |session| async move {
        let client = session.connect(&settings).await?;
        // Who may not look everywhere sees the deliveries of one namespace.
        let namespace = settings.namespace.as_deref().unwrap_or(client.default_namespace());
        let list =
            session.unless_stopped(async { Ok(delivery::list(&client, namespace).await?) }).await?;
        terminal::print_as(&list, args.output.format, || render::status::deliveries(&list))?;
        Ok(Exit::Clean)
    })
}
