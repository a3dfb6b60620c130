//! `orlop completions`: a completion script for a shell.

use super::{Command, Context};
use crate::{CliError, documents, terminal};
use clap::{ArgMatches, Args, FromArgMatches};
use clap_complete::Shell;
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "completions",
    clap: || {
        let command = clap::Command::new("completions")
            .about("Print a completion script for a shell")
            .long_about(
                "Print a completion script for a shell.\n\nbash: source <(orlop completions \
                 bash)\nzsh:  orlop completions zsh > \"${fpath[1]}/_orlop\"\nfish: orlop \
                 completions fish > ~/.config/fish/completions/orlop.fish",
            );
        CompletionsArgs::augment_args(command)
    },
    exits: &[],
    run,
};

#[derive(Args)]
struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = CompletionsArgs::from_arg_matches(matches).map_err(super::help::grammar_mistake)?;
    terminal::print(&documents::completions(args.shell, context.host))?;
    Ok(Exit::Clean)
}
