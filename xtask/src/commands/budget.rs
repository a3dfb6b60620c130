//! `cargo xtask budget`: sizes and package counts against `budgets.toml`.

use super::Command;
use crate::dist::{self, FLAVOURS};
use crate::{terminal, workspace};
use anyhow::Context;
use model::Exit;
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "budget",
    about: "Measure binary sizes and package counts against budgets.toml",
    help: "\
Builds the shipped binary of each plane with a budget (several minutes: fat LTO) and prints
its size and the number of locked packages beside what budgets.toml allows.

Flags:
  --packages   only count packages, build nothing

Exit codes: 0 within the budgets, 1 over one, 2 could not run.

Examples:
  cargo xtask budget
  cargo xtask budget --packages
",
    run,
};

/// Bytes in a megabyte.
const MEGABYTE: f64 = 1e6;

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut build = true;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("packages") => build = false,
            other => return Err(other.unexpected().into()),
        }
    }
    let root = workspace::root()?;
    let budgets = fs::read_to_string(root.join("budgets.toml")).context("budgets.toml")?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
    let heading = ["WHAT", "IS", "ALLOWED", ""].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    let mut over = 0;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred packages")]
    let packages = packages(&lock) as f64;
    over += row(&mut rows, "locked packages", packages, limit(&budgets, "packages", "locked")?);
    for flavour in FLAVOURS.iter().filter(|_| build) {
        terminal::step(format_args!("building the shipped binary: {}", flavour.name));
        let file = dist::build(flavour)?;
        #[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
        let size = fs::metadata(&file)?.len() as f64 / MEGABYTE;
        let allowed = limit(&budgets, "size-mb", flavour.name)?;
        over += row(&mut rows, &format!("orlop ({}), MB", flavour.name), size, allowed);
    }
    terminal::say(terminal::columns(&rows));
    Ok(if over == 0 { Exit::Clean.into() } else { Exit::Findings.into() })
}

fn row(rows: &mut Vec<Vec<String>>, what: &str, is: f64, allowed: f64) -> usize {
    let verdict = if is <= allowed { "ok" } else { "OVER" };
    let number = |value: f64| format!("{value:.1}").trim_end_matches(".0").to_owned();
    rows.push(vec![what.to_owned(), number(is), number(allowed), verdict.to_owned()]);
    usize::from(is > allowed)
}

/// Entries of a lock file.
fn packages(lock: &str) -> usize {
    lock.lines().filter(|line| *line == "[[package]]").count()
}

/// `key = NUMBER` below `[section]`.
fn limit(budgets: &str, section: &str, key: &str) -> anyhow::Result<f64> {
    let mut inside = false;
    for line in budgets.lines() {
        if line.starts_with('[') {
            inside = line.trim() == format!("[{section}]");
        } else if inside
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            return value.trim().parse().with_context(|| format!("budgets.toml: {line}"));
        }
    }
    anyhow::bail!("budgets.toml has no `{key}` below [{section}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_read_from_its_section() {
        let text = "# sizes\n[size-mb]\nall = 40\n\n[packages]\nlocked = 400\nall = 1\n";
        assert_eq!(limit(text, "size-mb", "all").unwrap(), 40.0);
        assert_eq!(limit(text, "packages", "locked").unwrap(), 400.0);
        assert!(limit(text, "size-mb", "agent").is_err());
    }

    #[test]
    fn a_figure_at_its_budget_is_within_it_and_one_above_is_over() {
        let mut rows = Vec::new();
        assert_eq!(row(&mut rows, "a", 12.0, 12.0), 0);
        assert_eq!(row(&mut rows, "a", 12.1, 12.0), 1);
        assert_eq!(rows[1], ["a", "12.1", "12", "OVER"]);
    }

    #[test]
    fn packages_are_counted_in_the_lock_file() {
        assert_eq!(packages("version = 4\n[[package]]\nname = \"a\"\n[[package]]\n"), 2);
    }
}
