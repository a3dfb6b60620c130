//! `orlop sync delete`: end a delivery, with its objects or without them.

use super::apply::print_report;
use super::arguments::{ClusterArgs, DeliveryArgs, OutputArgs, Settings, WaitArgs};
use super::session;
use super::status::named;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use clap::{ArgMatches, Args, FromArgMatches};
use delivery::DeletePolicy;
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "delete",
    clap: || {
        let about = "Delete a delivery's objects, or let go of them with --orphan";
        DeleteArgs::augment_args(clap::Command::new("delete")).about(about)
    },
    exits: &[
        (
            Exit::Clean,
            "every object is gone, released with --orphan, or left alone for a stated reason",
        ),
        (Exit::CouldNot, "there is no such delivery, or something could not be deleted"),
        (Exit::Usage, "the command line or the config file is wrong, or --yes is missing"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM); a rerun goes on"),
    ],
    run,
};

#[derive(Args)]
struct DeleteArgs {
    /// Name of the delivery, as --name
    #[arg(value_name = "NAME", conflicts_with = "name")]
    delivery_name: Option<String>,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Leave the objects and only remove labels and inventory
    #[arg(long, help_heading = "Changes")]
    orphan: bool,
    /// Delete without asking; needed unless --orphan is given
    #[arg(long, help_heading = "Changes")]
    yes: bool,
    /// Delete also objects of this guarded kind, as in Namespace; may be repeated
    #[arg(long, value_name = "KIND[.GROUP]", help_heading = "Changes")]
    prune_kind: Vec<String>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = DeleteArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    let settings = Settings::new(&args.cluster, Some(&args.delivery), &config)?;
    let name = named(args.delivery_name.as_deref(), &settings)?;
    if !args.orphan && !args.yes {
        return Err(CliError::usage(
            format!("deleting `{}` deletes its objects", name.as_str()),
            "add --yes to delete them, or --orphan to leave them in the cluster",
        ));
    }
    let policy = if args.orphan { DeletePolicy::Orphan } else { DeletePolicy::Delete };
    session::run(context, config, |session| async move {
        let client = session.connect(&settings).await?;
        let mut options = settings.options(name, client.default_namespace());
        options.guards.kinds = super::arguments::kinds(&args.prune_kind);
        args.wait.put(&mut options, &session.config);
        let console = session.console();
        let cancel = session.interrupt.token();
        let report = delivery::delete(&client, &options, policy, &console, cancel).await;
        console.finish();
        let report = report?;
        print_report(&report, args.output.format, &session)?;
        Ok(report.exit())
    })
}
