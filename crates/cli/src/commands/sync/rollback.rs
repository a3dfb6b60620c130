//! `orlop sync rollback`: back to a revision that was healthy.

use super::gitsync::{ChangeArgs, ROLLBACK_FROM, ROLLBACK_REASON, Syncs};
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal;
use clap::{ArgMatches, Args, FromArgMatches};
use gitops::spec::{GitSync, Operation};
use model::Exit;
use model::Hint;
use serde_json::{Value, json};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "rollback",
    clap: || {
        let about = "Deliver a revision of the history that was healthy, until `resume`";
        RollbackArgs::augment_args(clap::Command::new("rollback")).about(about)
    },
    exits: &[
        (Exit::Clean, "done, or with --dry-run accepted by the server"),
        (Exit::CouldNot, "there is no such GitSync, or the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

#[derive(Args)]
struct RollbackArgs {
    #[command(flatten)]
    on: ChangeArgs,
    /// Why; kept on the GitSync
    #[arg(long, value_name = "TEXT", help_heading = "Changes")]
    reason: String,
    /// The revision [default: the newest healthy one before the present one]
    #[arg(long, value_name = "COMMIT", help_heading = "Changes")]
    to: Option<String>,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = RollbackArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    session::run(context, config, |session| async move {
        let syncs =
            Syncs::connect(&session, &args.on.cluster, args.on.sync.namespace.as_ref()).await?;
        let dry_run = args.on.change.dry_run;
        let (sync, revision) = session
            .unless_stopped(async {
                let sync = syncs.get(&args.on.sync.name).await?;
                let past = syncs.past(&sync).await?;
                let revision = target(&sync, &past, args.to.as_deref())?;
                let patch = patch(&sync, &revision, &args.reason)?;
                Ok((syncs.patch(&args.on.sync.name, &patch, dry_run).await?, revision))
            })
            .await?;
        let verb = if dry_run { "would deliver" } else { "delivers" };
        let text = || format!("{} {verb} {revision} until `orlop sync resume`\n", sync.key());
        terminal::print_as(&sync, args.on.output.format, text)?;
        Ok(Exit::Clean)
    })
}

/// The revision to go back to: one of the history that became healthy.
fn target(sync: &GitSync, past: &[Operation], wanted: Option<&str>) -> Result<String, CliError> {
    let status = sync.status.clone().unwrap_or_default();
    let current = status.last_operation.as_ref().map(|last| last.revision.clone());
    let healthy: Vec<&Operation> =
        past.iter().filter(|operation| operation.healthy_at.is_some()).collect();
    let found = match wanted {
        Some(wanted) => healthy.iter().find(|operation| operation.revision.starts_with(wanted)),
        None => healthy.iter().find(|operation| Some(&operation.revision) != current.as_ref()),
    };
    match found {
        Some(operation) => Ok(operation.revision.clone()),
        None => {
            let message = match wanted {
                Some(wanted) => {
                    format!("`{wanted}` is no revision of the history that was healthy")
                }
                None => "the history has no other revision that was healthy".to_owned(),
            };
            let hint = format!("`orlop sync history {}` lists them", sync.metadata.name);
            Err(CliError::NotNow { message, hint: Some(Hint::new(hint)) })
        }
    }
}

fn patch(sync: &GitSync, revision: &str, reason: &str) -> Result<Value, CliError> {
    let known = sync.metadata.annotations.get(ROLLBACK_FROM).cloned();
    // A second rollback keeps what the first one replaced.
    let before = match known {
        Some(known) => known,
        None => serde_json::to_string(&sync.spec.source.r#ref).map_err(CliError::Json)?,
    };
    Ok(json!({
        "metadata": {"annotations": {ROLLBACK_FROM: before, ROLLBACK_REASON: reason}},
        "spec": {"source": {"ref": {
            "branch": null, "tag": null, "semver": null, "commit": revision,
        }}},
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gitops::spec::Status;

    fn sync() -> GitSync {
        let operation = |revision: &str, healthy: bool| Operation {
            revision: revision.repeat(40),
            healthy_at: healthy.then_some(jiff::Timestamp::UNIX_EPOCH),
            ..Operation::default()
        };
        let history = vec![operation("c", true), operation("b", false), operation("a", true)];
        let last_operation = history.first().cloned();
        let status = Status { history, last_operation, ..Status::default() };
        let mut sync = GitSync { status: Some(status), ..GitSync::default() };
        sync.spec.source.r#ref.branch = Some("main".to_owned());
        sync
    }

    #[test]
    fn only_a_revision_that_was_healthy_is_gone_back_to() {
        let sync = sync();
        let past = sync.status.clone().unwrap().history;
        assert_eq!(target(&sync, &past, None).unwrap(), "a".repeat(40));
        assert_eq!(target(&sync, &past, Some("aaa")).unwrap(), "a".repeat(40));
        assert!(target(&sync, &past, Some("bbb")).is_err());
        assert!(target(&GitSync::default(), &[], None).is_err());
    }

    #[test]
    fn a_second_rollback_keeps_what_the_first_one_replaced() {
        let mut sync = sync();
        let first = patch(&sync, "a", "bad").unwrap();
        let kept = first["metadata"]["annotations"][ROLLBACK_FROM].as_str().unwrap().to_owned();
        assert_eq!(kept, "{\"branch\":\"main\"}");
        sync.metadata.annotations.insert(ROLLBACK_FROM.to_owned(), kept.clone());
        sync.spec.source.r#ref.branch = None;
        let second = patch(&sync, "b", "worse").unwrap();
        assert_eq!(second["metadata"]["annotations"][ROLLBACK_FROM], kept.as_str());
    }
}
