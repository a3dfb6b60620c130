//! `orlop sync reconcile`: a look at the source now.

use super::gitsync::{ChangeArgs, Syncs, failed};
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal;
use clap::{ArgMatches, Args, FromArgMatches};
use cluster::{ListOptions, WatchEvent};
use gitops::spec::{GitSync, RECONCILE_ANNOTATION, condition};
use model::Exit;
use serde_json::json;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "reconcile",
    clap: || {
        let about = "Ask a GitSync for a run at once, and wait for its end";
        ReconcileArgs::augment_args(clap::Command::new("reconcile")).about(about)
    },
    exits: &[
        (Exit::Clean, "done, or with --dry-run accepted by the server"),
        (Exit::Findings, "the run was made, and the GitSync is not ready"),
        (Exit::CouldNot, "there is no such GitSync, or the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

#[derive(Args)]
struct ReconcileArgs {
    #[command(flatten)]
    on: ChangeArgs,
    /// Do not wait until the run was made
    #[arg(long, help_heading = "Waiting", conflicts_with = "dry_run")]
    no_wait: bool,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = ReconcileArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    session::run(context, config, |session| async move {
        let syncs =
            Syncs::connect(&session, &args.on.cluster, args.on.sync.namespace.as_ref()).await?;
        let (name, dry_run) = (&args.on.sync.name, args.on.change.dry_run);
        let asked = jiff::Timestamp::now().to_string();
        let patch = json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: asked}}});
        let sync = session
            .unless_stopped(async {
                let sync = syncs.patch(name, &patch, dry_run).await?;
                if dry_run || args.no_wait { Ok(sync) } else { wait(&syncs, name, &asked).await }
            })
            .await?;
        let text = || match (dry_run, args.no_wait) {
            (true, _) => format!("{} would be asked\n", sync.key()),
            (_, true) => format!("{} was asked\n", sync.key()),
            _ => format!("{}: {}\n", sync.key(), verdict(&sync)),
        };
        terminal::print_as(&sync, args.on.output.format, text)?;
        let failed = !dry_run && !args.no_wait && !is_ready(&sync);
        Ok(if failed { Exit::Findings } else { Exit::Clean })
    })
}

/// Waits until the wish was answered and the run has ended.
async fn wait(syncs: &Syncs, name: &str, asked: &str) -> Result<GitSync, CliError> {
    let namespace = syncs.namespace.clone();
    let options = ListOptions { namespace, ..ListOptions::default() };
    let mut watch = syncs.client.watch(syncs.kind()?, options);
    loop {
        let object = match watch.next().await.map_err(failed)? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => object,
            WatchEvent::Deleted(_) | WatchEvent::Synced => continue,
        };
        if object.name() != name {
            continue;
        }
        let sync = GitSync::from_value(object.into_value()).map_err(CliError::Json)?;
        let status = sync.status.clone().unwrap_or_default();
        let answered = status.last_handled_reconcile_at.as_deref() == Some(asked);
        let under_way = status.condition(condition::RECONCILING);
        if answered && under_way.is_some_and(|under_way| under_way.status != true.into()) {
            return Ok(sync);
        }
    }
}

fn is_ready(sync: &GitSync) -> bool {
    let ready = sync.status.as_ref().and_then(|status| status.condition(condition::READY));
    ready.is_some_and(|ready| ready.status == true.into())
}

fn verdict(sync: &GitSync) -> String {
    let ready = sync.status.as_ref().and_then(|status| status.condition(condition::READY));
    ready.map(|ready| format!("{}: {}", ready.reason, ready.message)).unwrap_or_default()
}
