//! `cargo xtask tidy`: the rules of the house that no compiler checks.

use super::Command;
use crate::{terminal, tidy, workspace};
use model::Exit;
use std::ffi::OsString;
use std::process::ExitCode;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    about: "Check the rules of the house that no compiler checks",
    help: "\
Prints `file:line: what` for each place that breaks a rule. The rules are in
xtask/src/tidy/, one file each.

Flags:
  --list   print the rules instead

Exit codes: 0 tidy, 1 something to mend, 2 could not run.

Examples:
  cargo xtask tidy
  cargo xtask tidy --list
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut list = false;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("list") => list = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if list {
        let row = |check: &tidy::Check| vec![check.id.to_owned(), check.about.to_owned()];
        let rows: Vec<Vec<String>> = tidy::CHECKS.iter().map(row).collect();
        terminal::say(terminal::columns(&rows));
        return Ok(Exit::Clean.into());
    }
    let found = check()?;
    Ok(if found == 0 { Exit::Clean.into() } else { Exit::Findings.into() })
}

/// Runs every check, prints what it finds, and counts it.
pub(crate) fn check() -> anyhow::Result<usize> {
    let tree = tidy::Tree::read(&workspace::root()?, workspace::cargo()?)?;
    let mut found = 0;
    for check in tidy::CHECKS {
        for finding in tidy::run(check, &tree) {
            terminal::say(format_args!("{finding} [{}]", check.id));
            found += 1;
        }
    }
    if found == 0 {
        let (checks, files) = (tidy::CHECKS.len(), tree.files.len());
        terminal::say(format_args!("tidy: {checks} checks passed on {files} files"));
    } else {
        terminal::say(format_args!("tidy: {found} places to mend"));
    }
    Ok(found)
}
