//! `orlop sync status`: what a delivery has in the cluster, with its health.

use super::arguments::{ClusterArgs, DeliveryArgs, OutputArgs, Settings, parse_name};
use super::session;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal;
use crate::{CliError, render};
use clap::{ArgMatches, Args, FromArgMatches};
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "status",
    clap: || {
        let about = "Show a delivery's objects with their health";
        StatusArgs::augment_args(clap::Command::new("status")).about(about)
    },
    exits: &[
        (Exit::Clean, "every object is healthy, or suspended on purpose"),
        (Exit::Findings, "something is not healthy"),
        (Exit::CouldNot, "there is no such delivery, or the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

#[derive(Args)]
struct StatusArgs {
    /// Name of the delivery, as --name
    #[arg(value_name = "NAME", conflicts_with = "name")]
    delivery_name: Option<String>,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = StatusArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    let settings = Settings::new(&args.cluster, Some(&args.delivery), &config)?;
    let name = named(args.delivery_name.as_deref(), &settings)?;
    session::run(context, config, |session| async move {
        let client = session.connect(&settings).await?;
        let options = settings.options(name, client.default_namespace());
        let status = session
            .unless_stopped(async {
                let namespace = options.inventory_namespace();
                Ok(delivery::status(&client, &options.name, namespace).await?)
            })
            .await?;
        let text = || render::status::status(&status, session.out);
        terminal::print_as(&status, args.output.format, text)?;
        Ok(status.exit())
    })
}

/// The name that was given in whatever way.
pub(crate) fn named(
    positional: Option<&str>,
    settings: &Settings,
) -> Result<sync::DeliveryName, CliError> {
    match (positional, &settings.name) {
        (Some(text), _) => parse_name(text),
        (None, Some(name)) => Ok(name.clone()),
        (None, None) => Err(CliError::usage(
            "the delivery's name is missing",
            "give it as NAME; `orlop sync list` shows all deliveries",
        )),
    }
}
