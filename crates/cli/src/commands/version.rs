//! `orlop version`: what this binary was built from.

use super::{Command, Context};
use crate::CliError;
use crate::terminal::{self, OutputFormat};
use clap::{ArgMatches, Args, FromArgMatches};
use model::{Build, Exit};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "version",
    clap: || {
        let command = clap::Command::new("version").about("Print what this binary was built from");
        VersionArgs::augment_args(command)
    },
    exits: &[],
    run,
};

#[derive(Args)]
struct VersionArgs {
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: OutputFormat,
}

/// The one line of `--version`.
pub(crate) fn line(build: &Build) -> String {
    format!("{}\n", build.line())
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = VersionArgs::from_arg_matches(matches).map_err(super::help::grammar_mistake)?;
    let build = &context.host.build;
    terminal::print_as(build, args.output, || {
        format!(
            "orlop {}\ncommit:   {}\nfeatures: {}\nrustc:    {}\nprofile:  {}\ntarget:   {}\n",
            build.version,
            build.commit,
            build.features.join(", "),
            build.rustc,
            build.profile,
            build.target,
        )
    })?;
    Ok(Exit::Clean)
}
