//! `orlop man`: the manual pages.

use super::{Command, Context};
use crate::{CliError, documents, terminal};
use clap::{ArgMatches, Args, FromArgMatches, ValueHint};
use model::Exit;
use std::path::PathBuf;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "man",
    clap: || {
        let command = clap::Command::new("man")
            .about("Print the manual page, or write every page to a folder");
        ManArgs::augment_args(command)
    },
    exits: &[],
    run,
};

#[derive(Args)]
struct ManArgs {
    /// Folder for one page per command; without it the main page goes to stdout
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = ManArgs::from_arg_matches(matches).map_err(super::help::grammar_mistake)?;
    let pages = documents::man_pages(context.host);
    match args.dir {
        Some(dir) => documents::write_all(&dir, &pages)?,
        None => {
            if let Some((_, page)) = pages.first() {
                terminal::print(page)?;
            }
        }
    }
    Ok(Exit::Clean)
}
