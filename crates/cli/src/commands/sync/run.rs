//! `orlop sync run`: continuous delivery from this host.

use super::arguments::{cache_dir, read_file};
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::config::Config;
use clap::{ArgMatches, Args, FromArgMatches, ValueHint};
use model::Exit;
use std::path::PathBuf;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "run",
    clap: || {
        let about = "Deliver the GitSyncs of a file continuously, from this host";
        RunArgs::augment_args(clap::Command::new("run")).about(about)
    },
    exits: &[
        (Exit::CouldNot, "it could not begin"),
        (Exit::Usage, "the command line or the file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM); the next run goes on"),
    ],
    run,
};

#[derive(Args)]
struct RunArgs {
    /// File with GitSync documents, and at most one AgentConfig
    #[arg(
        id = "config",
        long = "config",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        required = true
    )]
    file: PathBuf,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = RunArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let bytes = read_file(&args.file)?;
    let read = gitops::file::read(&args.file.display().to_string(), &bytes);
    let file = read.map_err(|problems| CliError::GitSyncFile {
        path: args.file.clone(),
        problems: problems.iter().map(ToString::to_string).collect(),
    })?;
    let cache = cache_dir(context.host)?;
    let path = args.file.clone();
    session::run(context, Config::default(), |session| async move {
        let stop = session.interrupt.token().clone();
        let connect = cluster::ConnectOptions::default();
        let ran = reconcile::run_host(path, file, connect, cache, stop).await;
        ran.map_err(|error| CliError::Reconcile(Box::new(error)))?;
        Ok(Exit::Clean)
    })
}
