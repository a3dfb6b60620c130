//! `orlop generate`: every page and manifest that is made from the code, for `cargo xtask codegen`.

use super::{Command, Context};
use crate::{CliError, documents};
use clap::{ArgMatches, Args, FromArgMatches};
use model::Exit;
use std::path::PathBuf;

/// The command; hidden, because it is for the build.
pub(crate) const COMMAND: Command = Command {
    name: "generate",
    clap: || {
        let command = clap::Command::new("generate")
            .about("Write the reference pages, man pages, completions and deploy manifests")
            .hide(true);
        GenerateArgs::augment_args(command)
    },
    exits: &[],
    run,
};

#[derive(Args)]
struct GenerateArgs {
    /// Folder to write to
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = GenerateArgs::from_arg_matches(matches).map_err(super::help::grammar_mistake)?;
    documents::write_all(&args.dir, &documents::all(context.host))?;
    Ok(Exit::Clean)
}
