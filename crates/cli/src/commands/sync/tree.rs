//! `orlop sync tree`: what a GitSync manages, with its health.

use super::gitsync::{LookArgs, Syncs};
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::render;
use crate::terminal;
use clap::{ArgMatches, Args, FromArgMatches};
use gitops::spec::InventorySummary;
use model::Exit;
use sync::DeliveryName;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "tree",
    clap: || {
        let about = "Show the objects of a GitSync as a tree with their health";
        LookArgs::augment_args(clap::Command::new("tree")).about(about)
    },
    exits: &[
        (Exit::Clean, "every object is healthy, or suspended on purpose"),
        (Exit::Findings, "something is not healthy"),
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
        let found = session
            .unless_stopped(async {
                let sync = syncs.get(&args.sync.name).await?;
                let summary = sync.status.and_then(|status| status.inventory);
                let (name, namespace) = inventory(summary, &args.sync.name)?;
                Ok(delivery::status(&syncs.client, &name, &namespace).await?)
            })
            .await?;
        let title = format!("{}/{}", syncs.namespace, args.sync.name);
        let text = || render::gitsync::tree(&title, &found, session.out);
        terminal::print_as(&found, args.output.format, text)?;
        Ok(found.exit())
    })
}

fn inventory(
    summary: Option<InventorySummary>,
    name: &str,
) -> Result<(DeliveryName, String), CliError> {
    let nothing = || CliError::NotNow {
        message: format!("{name} has delivered nothing yet"),
        hint: Some(model::Hint::new(format!("`orlop sync describe {name}` says why"))),
    };
    let summary = summary.ok_or_else(nothing)?;
    let delivery = summary.delivery.parse().map_err(|_| nothing())?;
    Ok((delivery, summary.namespace))
}
