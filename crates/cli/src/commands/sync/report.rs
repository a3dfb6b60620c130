//! `orlop sync report`: the five delivery figures.

use super::arguments::{ClusterArgs, OutputArgs};
use super::gitsync::Syncs;
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal;
use clap::{ArgMatches, Args, FromArgMatches};
use gitops::history::Record;
use gitops::report::{COLUMNS, Input, Report};
use gitops::spec::{GitSync, SyncKey};
use jiff::Timestamp;
use model::{Exit, Span};
use std::collections::BTreeMap;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "report",
    clap: || {
        let about = "Show deployment frequency, failure rate, time to restore, duration, coverage";
        ReportArgs::augment_args(clap::Command::new("report")).about(about)
    },
    exits: &[
        (Exit::Clean, "shown"),
        (Exit::CouldNot, "the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

#[derive(Args)]
struct ReportArgs {
    /// The time up to now that is looked at; 1,000 operations of a GitSync are kept
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    window: Span,
    /// Namespace [default: the context's]
    #[arg(short, long)]
    namespace: Option<String>,
    /// GitSyncs of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = ReportArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    session::run(context, config, |session| async move {
        let syncs = Syncs::connect(&session, &args.cluster, args.namespace.as_ref()).await?;
        let (list, histories) = session
            .unless_stopped(async {
                let list = syncs.list(args.all_namespaces).await?;
                Ok((list, syncs.histories(args.all_namespaces).await?))
            })
            .await?;
        let to = Timestamp::now();
        let from = to.checked_sub(args.window.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let report = make(&list, &histories, from, to);
        terminal::print_as(&report, args.output.format, || table(&report))?;
        Ok(Exit::Clean)
    })
}

type Histories = BTreeMap<SyncKey, String>;

fn make(list: &[GitSync], histories: &Histories, from: Timestamp, to: Timestamp) -> Report {
    let known: Vec<(SyncKey, Vec<Record>, u32, u32)> =
        list.iter().map(|sync| facts(sync, histories)).collect();
    let inputs: Vec<Input<'_>> = known
        .iter()
        .map(|(key, records, managed, watched)| Input {
            key,
            records,
            managed: *managed,
            watched: *watched,
        })
        .collect();
    gitops::report::report(&inputs, from, to)
}

/// Records oldest first; what is managed, and what of it is seen by a watch.
fn facts(sync: &GitSync, histories: &Histories) -> (SyncKey, Vec<Record>, u32, u32) {
    let status = sync.status.clone().unwrap_or_default();
    let lines = histories.get(&sync.key()).map(String::as_str).unwrap_or_default();
    let records = reconcile::whole_history(lines, &status).records().cloned().collect();
    let inventory = status.inventory.unwrap_or_default();
    let watched = if sync.spec.suspend {
        0
    } else {
        inventory.objects.saturating_sub(inventory.health.unknown)
    };
    (sync.key(), records, inventory.objects, watched)
}

fn table(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report.rows().into_iter().map(|row| row.to_vec()).collect();
    terminal::table(&COLUMNS, &rows)
}
