//! `orlop sync plan`: what a delivery would do.

use super::arguments::{ChangeArgs, ClusterArgs, DeliveryArgs, OutputArgs, Settings, SourceArgs};
use super::session::{self, Session};
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::config::Config;
use crate::host::Host;
use crate::terminal;
use crate::{CliError, render};
use clap::{ArgMatches, Args, FromArgMatches, ValueHint};
use delivery::{DeliveryOptions, LoadOptions, Source};
use model::Exit;
use std::path::{Path, PathBuf};
use sync::Plan;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "plan",
    clap: || PlanArgs::augment_args(clap::Command::new("plan")).about("Show what would be done"),
    exits: &PLAN_EXITS,
    run,
};

/// The exit codes of a plan; `apply --dry-run` and `diff` have the same.
pub(crate) const PLAN_EXITS: [(Exit, &str); 5] = [
    (Exit::Clean, "nothing to do: the cluster is as the tree says"),
    (Exit::Findings, "there are changes to make"),
    (Exit::CouldNot, "something cannot be delivered, or the plan could not be made"),
    (Exit::Usage, "the command line or the config file is wrong"),
    (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM); nothing was changed"),
];

#[derive(Args)]
struct PlanArgs {
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
    /// Also write the plan to a file, for `apply --plan`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    out: Option<PathBuf>,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = PlanArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    let request = Request::new(&args.source, &args.delivery, &args.cluster, &config, context.host)?;
    session::run(context, config, |session| async move {
        let plan =
            make(&session, &request, |options| args.changes.put(options, &session.config)).await?;
        if let Some(path) = &args.out {
            save(&plan, path)?;
        }
        terminal::print_as(&plan, args.output.format, || render::plan::text(&plan, session.out))?;
        tell_problems(&session, &plan);
        Ok(plan.exit())
    })
}

/// Source, name and cluster of one run.
pub(crate) struct Request {
    pub(crate) source: Source,
    pub(crate) settings: Settings,
    pub(crate) name: sync::DeliveryName,
    pub(crate) name_was_made: bool,
}

impl Request {
    /// From the flags that all verbs with a source have.
    pub(crate) fn new(
        source: &SourceArgs,
        delivery: &DeliveryArgs,
        cluster: &ClusterArgs,
        config: &Config,
        host: &Host,
    ) -> Result<Self, CliError> {
        let settings = Settings::new(cluster, Some(delivery), config)?;
        let (name, name_was_made) = settings.name_for(source)?;
        Ok(Self { source: source.source(host)?, settings, name, name_was_made })
    }
}

/// Reads the tree, connects and plans.
pub(crate) async fn make(
    session: &Session,
    request: &Request,
    set: impl FnOnce(&mut DeliveryOptions),
) -> Result<Plan, CliError> {
    if request.name_was_made {
        session.tell_name(&request.name);
    }
    let cancel = session.interrupt.token();
    let tree = delivery::load(&request.source, &LoadOptions::default(), cancel).await?;
    let client = session.connect(&request.settings).await?;
    let mut options = request.settings.options(request.name.clone(), client.default_namespace());
    set(&mut options);
    let console = session.console();
    let plan = delivery::plan(&client, &tree, &options, &console, cancel).await;
    console.finish();
    Ok(plan?)
}

/// What stands in the way goes to stderr.
pub(crate) fn tell_problems(session: &Session, plan: &Plan) {
    let (problems, refusals, warnings) = (&plan.problems, &plan.refusals, &plan.warnings);
    terminal::print_error(&render::all_problems(session.err, problems, refusals, warnings));
}

/// Written beside the target first, so that a reader never sees half a plan.
fn save(plan: &Plan, path: &Path) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(plan).map_err(CliError::Json)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    std::fs::write(&beside, json + "\n").and_then(|()| std::fs::rename(&beside, path)).map_err(
        |source| {
            // What is left of a failed write is of no use; that it stays is no second failure.
            let _ = std::fs::remove_file(&beside);
            CliError::Write { path: path.to_owned(), source }
        },
    )
}
