//! `orlop sync resume`: a GitSync goes on.

use super::gitsync::{ChangeArgs, ROLLBACK_FROM, ROLLBACK_REASON, Syncs};
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::terminal;
use clap::{ArgMatches, Args, FromArgMatches};
use gitops::spec::{GitSync, RefSpec};
use model::Exit;
use serde_json::{Value, json};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "resume",
    clap: || {
        let about = "Let a GitSync go on after `suspend` or `rollback`";
        ChangeArgs::augment_args(clap::Command::new("resume")).about(about)
    },
    exits: &[
        (Exit::Clean, "done, or with --dry-run accepted by the server"),
        (Exit::CouldNot, "there is no such GitSync, or the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = ChangeArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    session::run(context, config, |session| async move {
        let syncs = Syncs::connect(&session, &args.cluster, args.sync.namespace.as_ref()).await?;
        let dry_run = args.change.dry_run;
        let sync = session
            .unless_stopped(async {
                let patch = patch(&syncs.get(&args.sync.name).await?);
                syncs.patch(&args.sync.name, &patch, dry_run).await
            })
            .await?;
        let would = if dry_run { "would be " } else { "" };
        let text = || format!("{} {would}resumed\n", sync.key());
        terminal::print_as(&sync, args.output.format, text)?;
        Ok(Exit::Clean)
    })
}

/// Ends the suspension, and puts back what a rollback replaced.
fn patch(sync: &GitSync) -> Value {
    let mut spec = json!({"suspend": false});
    let mut patch = json!({});
    let before = sync.metadata.annotations.get(ROLLBACK_FROM);
    if let Some(before) = before.and_then(|text| serde_json::from_str::<RefSpec>(text).ok()) {
        // A merge patch removes what it names as null.
        let reference = json!({
            "branch": before.branch, "tag": before.tag,
            "semver": before.semver, "commit": before.commit,
        });
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("source".to_owned(), json!({"ref": reference}));
        }
        let gone = json!({"annotations": {ROLLBACK_FROM: null, ROLLBACK_REASON: null}});
        patch = json!({"metadata": gone});
    }
    if let Some(patch) = patch.as_object_mut() {
        patch.insert("spec".to_owned(), spec);
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_is_undone_to_the_last_field() {
        let mut sync = GitSync::default();
        assert_eq!(patch(&sync), json!({"spec": {"suspend": false}}));
        let before = (ROLLBACK_FROM.to_owned(), "{\"branch\":\"main\"}".to_owned());
        sync.metadata.annotations.extend([before]);
        let patch = patch(&sync);
        let reference = json!({"branch": "main", "tag": null, "semver": null, "commit": null});
        assert_eq!(patch["spec"]["source"]["ref"], reference);
        assert_eq!(patch["metadata"]["annotations"][ROLLBACK_FROM], Value::Null);
    }
}
