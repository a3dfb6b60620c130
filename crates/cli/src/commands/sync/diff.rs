//! `orlop sync diff`: the plan, field by field and whole.

use super::arguments::{ChangeArgs, ClusterArgs, DeliveryArgs, OutputArgs, SourceArgs};
use super::plan::{self, PLAN_EXITS, Request};
use super::session;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal;
use crate::{CliError, render};
use clap::{ArgMatches, Args, FromArgMatches};
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "diff",
    clap: || {
        let about = "Show every field that would change, with whole values";
        DiffArgs::augment_args(clap::Command::new("diff")).about(about)
    },
    exits: &PLAN_EXITS,
    run,
};

#[derive(Args)]
struct DiffArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    changes: ChangeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = DiffArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    let request = Request::new(&args.source, &args.delivery, &args.cluster, &config, context.host)?;
    session::run(context, config, |session| async move {
        let set = |options: &mut _| args.changes.put(options, &session.config);
        let plan = plan::make(&session, &request, set).await?;
        terminal::print_as(&plan, args.output.format, || render::diff::text(&plan, session.out))?;
        plan::tell_problems(&session, &plan);
        Ok(plan.exit())
    })
}
