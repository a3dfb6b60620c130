//! The table of commands. A new one is a new file with `pub(crate) const COMMAND` and a line here.

pub(crate) mod completions;
pub(crate) mod generate;
pub(crate) mod help;
pub(crate) mod man;
pub(crate) mod sync;
pub(crate) mod version;

use crate::CliError;
use crate::config::{self, Config};
use crate::host::Host;
use crate::terminal::{ColorChoice, Painter};
use clap::ArgMatches;
use model::Exit;
use std::path::PathBuf;

/// One command.
pub(crate) struct Command {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// Its arguments and help.
    pub(crate) clap: fn() -> clap::Command,
    /// What its exit codes mean; for help and for the reference.
    pub(crate) exits: &'static [(Exit, &'static str)],
    /// The work.
    pub(crate) run: fn(&ArgMatches, &Context<'_>) -> Result<Exit, CliError>,
}

/// The commands, in the order of the help.
pub(crate) const COMMANDS: &[Command] = &[
    sync::COMMAND,
    help::COMMAND,
    completions::COMMAND,
    man::COMMAND,
    version::COMMAND,
    generate::COMMAND,
];

/// What every command gets beside its own arguments.
pub(crate) struct Context<'a> {
    /// The process around it.
    pub(crate) host: &'a Host,
    /// `--color`
    pub(crate) color: Option<ColorChoice>,
    /// `--config`
    pub(crate) config: Option<PathBuf>,
}

impl Context<'_> {
    /// Loads the config file; only commands that have defaults in it do.
    pub(crate) fn load_config(&self) -> Result<Config, CliError> {
        Ok(config::load(self.config.as_deref(), self.host)?)
    }

    /// Paints what goes to stdout.
    pub(crate) fn stdout_painter(&self, config: &Config) -> Painter {
        let choice = self.color.or(config.color).unwrap_or_default();
        Painter::new(choice, self.host, self.host.stdout_is_terminal)
    }

    /// Paints what goes to stderr.
    pub(crate) fn stderr_painter(&self, config: &Config) -> Painter {
        let choice = self.color.or(config.color).unwrap_or_default();
        Painter::new(choice, self.host, self.host.stderr_is_terminal)
    }
}

/// Runs the command of `table` that was named; `None` when none was.
pub(crate) fn dispatch(
    table: &[Command],
    matches: &ArgMatches,
    context: &Context<'_>,
) -> Option<Result<Exit, CliError>> {
    let (name, matches) = matches.subcommand()?;
    let command = table.iter().find(|command| command.name == name)?;
    Some((command.run)(matches, context))
}
