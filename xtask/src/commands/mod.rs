//! The table of commands. A new command is one file here and one line in [`COMMANDS`].

mod bench;
mod budget;
mod cluster;
mod codegen;
mod dist;
mod down;
mod image;
mod peers;
mod probe;
mod soak;
mod test;
mod tidy;
mod up;

use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

/// Every command, in the order in which `cargo xtask help` prints them.
pub(crate) const COMMANDS: &[Command] = &[
    up::COMMAND,
    down::COMMAND,
    test::COMMAND,
    soak::COMMAND,
    cluster::COMMAND,
    image::COMMAND,
    peers::COMMAND,
    probe::COMMAND,
    tidy::COMMAND,
    codegen::COMMAND,
    budget::COMMAND,
    bench::COMMAND,
    dist::COMMAND,
];

/// One verb of the tool.
pub(crate) struct Command {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// One line for the overview.
    pub(crate) about: &'static str,
    /// Flags and examples, below the about line on the help page.
    pub(crate) help: &'static str,
    /// Runs it with the words behind its name.
    pub(crate) run: fn(&[OsString]) -> anyhow::Result<ExitCode>,
}

impl Command {
    /// What `cargo xtask help NAME` prints.
    pub(crate) fn help_page(&self) -> String {
        format!("{}\n\n{}", self.about, self.help.trim_end())
    }
}

/// The command line was wrong; nothing was tried. Ends with exit code 64.
#[derive(Debug)]
pub(crate) struct UsageError(String);

impl UsageError {
    /// An error with this sentence.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// What `cargo xtask` without a command prints.
pub(crate) fn overview() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND [FLAGS]\n\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<10}{}\n", command.name, command.about));
    }
    text.push_str("\n`cargo xtask COMMAND --help` explains one and gives examples.");
    text
}
