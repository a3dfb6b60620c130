//! `cargo xtask bench`: figures next to peers in the same run, as Markdown.

use super::{Command, UsageError};
use crate::benches::{BENCHES, Settings};
use crate::{terminal, workspace};
use anyhow::Context;
use model::Exit;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "bench",
    about: "Measure Orlop next to its peers and print a table",
    help: "\
Benches:
  gitops a delivery that goes on, with ten times as many objects of others in the
         cluster: drift check, push to live, drift to reverted, memory
  gitsync     what ships, over http: a push that a webhook tells to the live object; a
         hundred repositories at rest
  schema checking objects against the cluster's schemas, next to kubeconform
  sync   1,000 and 10,000 objects: first apply, no-op, 1 % changed; next to
         `kubectl apply --server-side`, `kubectl diff` and a bare PATCH loop
  logs   the node agent next to rsyslog, syslog-ng and an OpenTelemetry Collector: files,
         OTLP, sampling, redaction, many files, a sink that is down
  kustomize   fifty overlays built in process, next to the kustomize program

Prints Markdown: machine, versions, wall time, CPU seconds (children included), peak RSS, API
requests by verb. Nothing else should run on the machine meanwhile.

Flags:
  --objects N[,N]   how many objects (default 1000,10000); logs: thousands of
                    lines, the first number counts
  --runs N          runs of what can be repeated, the median counts (default 3)
  --record          append the result to docs/benchmarks.md with today's date

Exit codes: 0 measured, 2 could not.

Examples:
  cargo xtask bench sync --objects 1000
  cargo xtask bench sync --record
",
    run,
};

/// Objects without `--objects`.
const OBJECTS: [usize; 2] = [1_000, 10_000];
/// Runs without `--runs`.
const RUNS: usize = 3;

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut settings = Settings { objects: OBJECTS.to_vec(), runs: RUNS };
    let (mut name, mut record) = (None, false);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("objects") => {
                settings.objects = numbers(&parser.value()?.to_string_lossy())?;
            }
            lexopt::Arg::Long("runs") => {
                let runs = numbers(&parser.value()?.to_string_lossy())?;
                settings.runs = runs.first().copied().unwrap_or(RUNS);
            }
            lexopt::Arg::Long("record") => record = true,
            lexopt::Arg::Value(word) if name.is_none() => {
                name = Some(word.to_string_lossy().into_owned());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let known = BENCHES.iter().map(|bench| bench.name).collect::<Vec<_>>().join(", ");
    let name = name.ok_or_else(|| UsageError::new(format!("say which bench: {known}")))?;
    let bench = BENCHES
        .iter()
        .find(|bench| bench.name == name)
        .ok_or_else(|| UsageError::new(format!("there is no bench `{name}`, only {known}")))?;
    terminal::step(bench.about);
    let text = (bench.run)(&settings)?;
    terminal::say(&text);
    if record {
        append(bench.name, &text)?;
    }
    Ok(Exit::Clean.into())
}

fn numbers(text: &str) -> anyhow::Result<Vec<usize>> {
    let number = |word: &str| match word.trim().replace('_', "").parse::<usize>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(UsageError::new(format!("`{word}` is not a number from 1")).into()),
    };
    text.split(',').map(number).collect()
}

/// Adds a section to `docs/benchmarks.md`, the newest last.
fn append(name: &str, text: &str) -> anyhow::Result<()> {
    let path = workspace::root()?.join("docs/benchmarks.md");
    let day = workspace::output(std::process::Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let new = !path.exists();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    if new {
        writeln!(file, "# Benchmarks\n\nWritten by `cargo xtask bench NAME --record`.")?;
    }
    writeln!(file, "\n## {name}, {day}\n\n{}", text.trim_end())?;
    terminal::warn(format_args!("recorded in {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_a_list_and_zero_is_refused() {
        assert_eq!(numbers("1000,10_000").unwrap(), [1000, 10_000]);
        assert!(numbers("0").is_err());
        assert!(numbers("many").is_err());
    }
}
