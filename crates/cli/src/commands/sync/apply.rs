//! `orlop sync apply`: deliver, and wait until everything is healthy.

use super::arguments::{
    ChangeArgs, ClusterArgs, DeliveryArgs, OutputArgs, SourceArgs, WaitArgs, read_file,
};
use super::plan::{self, Request};
use super::session::{self, Session};
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal::{self, OutputFormat};
use crate::{CliError, render};
use clap::{ArgMatches, Args, FromArgMatches, ValueHint};
use delivery::{LoadOptions, Report};
use model::Exit;
use std::path::{Path, PathBuf};
use sync::Plan;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "apply",
    clap: || {
        let about = "Deliver the tree and wait until it is healthy";
        ApplyArgs::augment_args(clap::Command::new("apply")).about(about)
    },
    exits: &[
        (Exit::Clean, "everything is delivered, whether or not anything had to change"),
        (Exit::Findings, "with --dry-run only: there are changes to make"),
        (Exit::CouldNot, "not everything could be delivered, or it is not healthy in time"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C; what was applied is on stderr"),
        (Exit::Terminated, "stopped by SIGTERM; what was applied is on stderr"),
    ],
    run,
};

#[derive(Args)]
struct ApplyArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    changes: ChangeArgs,
    /// Plan only, as `orlop sync plan`
    #[arg(long, help_heading = "Changes", conflicts_with = "plan")]
    dry_run: bool,
    /// Do exactly what this saved plan says, or nothing when tree or cluster moved on. The plan
    /// brings its own options
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        help_heading = "Changes",
        conflicts_with_all = [
            "force_conflicts", "ignore", "force_recreate", "prune", "prune_limit", "prune_empty",
            "prune_last", "prune_kind", "as_service_account",
        ]
    )]
    plan: Option<PathBuf>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = ApplyArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    let saved = args.plan.as_deref().map(load_plan).transpose()?;
    let mut request =
        Request::new(&args.source, &args.delivery, &args.cluster, &config, context.host)?;
    if let Some(saved) = &saved
        && args.delivery.name.is_none()
    {
        request.name = super::arguments::parse_name(&saved.delivery)?;
        request.name_was_made = false;
    }
    session::run(context, config, |session| async move {
        if args.dry_run {
            return dry_run(&session, &request, &args).await;
        }
        let report = deliver(&session, &request, &args, saved.as_ref()).await?;
        print_report(&report, args.output.format, &session)?;
        Ok(report.exit())
    })
}

fn load_plan(path: &Path) -> Result<Plan, CliError> {
    let bytes = read_file(path)?;
    Plan::from_json(&bytes).map_err(|source| CliError::Plan { path: path.to_owned(), source })
}

async fn dry_run(session: &Session, request: &Request, args: &ApplyArgs) -> Result<Exit, CliError> {
    let set = |options: &mut _| args.changes.put(options, &session.config);
    let plan = plan::make(session, request, set).await?;
    terminal::print_as(&plan, args.output.format, || render::plan::text(&plan, session.out))?;
    plan::tell_problems(session, &plan);
    Ok(plan.exit())
}

async fn deliver(
    session: &Session,
    request: &Request,
    args: &ApplyArgs,
    saved: Option<&Plan>,
) -> Result<Report, CliError> {
    if request.name_was_made {
        session.tell_name(&request.name);
    }
    let cancel = session.interrupt.token();
    let tree = delivery::load(&request.source, &LoadOptions::default(), cancel).await?;
    let client = session.connect(&request.settings).await?;
    let mut options = request.settings.options(request.name.clone(), client.default_namespace());
    match saved {
        Some(saved) => super::arguments::put_saved(&mut options, &saved.options),
        None => args.changes.put(&mut options, &session.config),
    }
    args.wait.put(&mut options, &session.config);
    let console = session.console();
    let report = delivery::apply(&client, &tree, &options, saved, &console, cancel).await;
    console.finish();
    Ok(report?)
}

/// The result on stdout, what went wrong on stderr.
pub(crate) fn print_report(
    report: &Report,
    format: OutputFormat,
    session: &Session,
) -> Result<(), CliError> {
    terminal::print_error(&render::report::troubles(report, session.err));
    terminal::print_as(report, format, || render::report::summary(report))
}
