//! `cargo xtask soak`: the tests that have a long form, in that form.
//!
//! The same tests run short in `cargo xtask test`; here `ORLOP_SOAK_SECONDS` says how long they go
//! on. Each raises control planes of its own and takes them down again. One after the other, so
//! that none is slowed down by another, unless a single one is named.

use super::{Command, UsageError};
use crate::{terminal, workspace};
use model::{Exit, Span};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use testbed::packages::{self, Scope};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "soak",
    about: "Run the tests that have a long form, in that form",
    help: "\
Soaks:
  api-server  the API server is killed and started again every 20 s while pushes go on:
              nothing is lost, made twice or pruned
  rest        1,000 objects with a mutating policy and an autoscaler: no write at all
  huge-file   a file of 10 GiB in the repository is refused in bounded memory, and other
              repositories go on; the file is zeros and takes 10 MB on the disk
  kills       the agent is killed at random points, 1,000 times at most: no line is lost, and
              no more than its window is repeated
  outage      the agent's sink is dead while lines are written on: memory stays flat, and then
              every line arrives once

All of them without a name. Each one but `huge-file` goes on for the time that is asked for.

Flags:
  --seconds N   how long (default 600)

Exit codes: 0 all passed, 1 something failed, 2 could not run.

Examples:
  cargo xtask soak
  cargo xtask soak rest --seconds 3600
",
    run,
};

/// How long without `--seconds`.
const SECONDS: u64 = 600;
/// The variable that the tests read.
const SECONDS_VARIABLE: &str = "ORLOP_SOAK_SECONDS";

/// One test with a long form.
struct Soak {
    name: &'static str,
    package: &'static str,
    /// The file in its folder `tests`.
    target: &'static str,
    test: &'static str,
}

const SOAKS: [Soak; 5] = [
    Soak {
        name: "api-server",
        package: "app",
        target: "git_sync",
        test: "surviving::gitops_20_the_api_server_is_killed_again_and_again_while_pushes_go_on",
    },
    Soak {
        name: "rest",
        package: "app",
        target: "git_sync",
        test: "surviving::gitops_5_many_objects_with_a_mutating_policy_and_an_autoscaler_rest_\
               without_a_write",
    },
    Soak {
        name: "huge-file",
        package: "app",
        target: "git_sync",
        test: "surviving::gitops_15_a_file_beyond_the_limit_is_refused_in_memory_that_does_not_\
               grow_with_it",
    },
    Soak {
        name: "kills",
        package: "agent",
        target: "process",
        test: "surviving::r19_an_agent_that_is_killed_at_any_point_loses_nothing_and_repeats_at_\
               most_its_window",
    },
    Soak {
        name: "outage",
        package: "agent",
        target: "process",
        test: "surviving::r20_a_dead_sink_stops_reading_with_flat_memory_and_everything_comes_\
               when_it_is_back",
    },
];

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let (soaks, seconds) = parse(words)?;
    packages::ensure(Scope::Tests, &mut |line| terminal::warn(line))?;
    let mut rows = vec![["Soak", "Time", "Verdict"].map(str::to_owned).to_vec()];
    let mut failed = false;
    for soak in soaks {
        terminal::step(format_args!("{} for {seconds} s: {}", soak.name, soak.test));
        let start = Instant::now();
        let mut cargo = workspace::cargo()?;
        cargo.args(["test", "--package", soak.package, "--test", soak.target, "--"]);
        cargo
            .args(["--exact", "--nocapture", soak.test])
            .env(SECONDS_VARIABLE, seconds.to_string());
        let passed = cargo.status()?.success();
        failed |= !passed;
        let took = Span(Duration::from_secs(start.elapsed().as_secs()));
        let verdict = if passed { "passed" } else { "FAILED" };
        rows.push(vec![soak.name.to_owned(), took.to_string(), verdict.to_owned()]);
    }
    terminal::say(terminal::columns(&rows));
    Ok(if failed { Exit::Findings } else { Exit::Clean }.into())
}

fn parse(words: &[OsString]) -> anyhow::Result<(Vec<&'static Soak>, u64)> {
    let (mut name, mut seconds) = (None, SECONDS);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => {
                let text = parser.value()?.to_string_lossy().into_owned();
                seconds = text
                    .parse()
                    .ok()
                    .filter(|seconds| *seconds > 0)
                    .ok_or_else(|| UsageError::new(format!("`{text}` is no number from 1")))?;
            }
            lexopt::Arg::Value(word) if name.is_none() => {
                name = Some(word.to_string_lossy().into_owned());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let soaks: Vec<&Soak> =
        SOAKS.iter().filter(|soak| name.as_ref().is_none_or(|name| name == soak.name)).collect();
    if soaks.is_empty() {
        let known = SOAKS.iter().map(|soak| soak.name).collect::<Vec<_>>().join(", ");
        let name = name.unwrap_or_default();
        return Err(UsageError::new(format!("there is no soak `{name}`, only {known}")).into());
    }
    Ok((soaks, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_soak_is_a_test_that_is_there() {
        let root = workspace::root().unwrap();
        for soak in &SOAKS {
            let (module, test) = soak.test.split_once("::").unwrap();
            let folder = root.join("crates").join(soak.package).join("tests").join(soak.target);
            let text = std::fs::read_to_string(folder.join(format!("{module}.rs"))).unwrap();
            assert!(text.contains(&format!("fn {test}()")), "{}", soak.test);
        }
    }

    #[test]
    fn one_soak_or_all_run_for_a_time_that_is_not_zero() {
        let parsed = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            parse(&words).map(|(soaks, seconds)| (soaks.len(), seconds)).ok()
        };
        assert_eq!(parsed(&[]), Some((SOAKS.len(), SECONDS)));
        assert_eq!(parsed(&["rest", "--seconds", "5"]), Some((1, 5)));
        assert_eq!(parsed(&["rust"]), None);
        assert_eq!(parsed(&["--seconds", "0"]), None);
    }
}
