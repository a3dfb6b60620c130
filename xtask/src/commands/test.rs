//! `cargo xtask test`: sets up what is missing and runs every check and test.
//!
//! Cheap steps first, each with its name and time, so that a failure says where it is. Tests that
//! need an API server get the cluster called `test`; a test that lacks a piece of the host says
//! `SKIP name: reason`, and every skip is listed at the end.

use super::{Command, tidy};
use crate::{terminal, workspace};
use anyhow::{Context, bail};
use lexopt::prelude::{Long, Short, Value, ValueExt as _};
use model::{Exit, Span};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Instant;
use testbed::packages::{self, Outcome, Scope};
use testbed::{Cluster, Spec, Tier};

/// The cluster that tests share.
const CLUSTER: &str = "test";
/// The planes that are also built alone.
const PLANES: [&str; 2] = ["cli", "controller"];

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "test",
    about: "Set up what is missing and run every check and test",
    help: "\
Flags:
  -p, --package NAME   tests of one crate only, without the checks before them
  --no-cluster         do not raise a cluster: its tests are skipped, with the reason
  --keep               leave the cluster `test` running
  FILTER               run only tests whose name contains it

Set ORLOP_TEST_KUBECONFIG to run the cluster's tests on a cluster of your own.

Exit codes: 0 all passed, 1 something failed, 2 could not run.

Examples:
  cargo xtask test
  cargo xtask test -p objects quantity
",
    run,
};

/// What the command line says.
#[derive(Default)]
struct Asked {
    package: Option<String>,
    no_cluster: bool,
    keep: bool,
    filter: Option<OsString>,
}

/// Steps that have run: name, seconds, whether they passed.
#[derive(Default)]
struct Steps {
    rows: Vec<Vec<String>>,
    failed: bool,
    skips: Vec<String>,
}

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let asked = parse(words)?;
    let mut steps = Steps::default();
    steps.run("packages", set_up_packages);
    if asked.package.is_none() {
        steps.run("tidy", |_| Ok(tidy::check()? == 0));
        steps.run("format", |_| cargo(&["fmt", "--all", "--check"]));
        let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        steps.run("clippy", |_| cargo(&clippy));
        for plane in PLANES {
            let arguments =
                ["check", "--quiet", "-p", "app", "--no-default-features", "--features", plane];
            steps.run(&format!("plane {plane} alone"), |_| cargo(&arguments));
        }
    }
    let cluster = raise(&asked, &mut steps);
    steps.run("tests", |skips| tests(&asked, cluster.as_ref(), skips));
    if cluster.is_some() && !asked.keep {
        steps
            .run("cluster down", |_| Ok(Cluster::down(CLUSTER, &mut |line| terminal::warn(line))?));
    }
    Ok(steps.end())
}

fn parse(words: &[OsString]) -> anyhow::Result<Asked> {
    let mut asked = Asked::default();
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('p') | Long("package") => asked.package = Some(parser.value()?.string()?),
            Long("no-cluster") => asked.no_cluster = true,
            Long("keep") => asked.keep = true,
            Value(filter) if asked.filter.is_none() => asked.filter = Some(filter),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(asked)
}

/// Installs the Debian packages; without root the missing ones are listed as skips.
fn set_up_packages(skips: &mut Vec<String>) -> anyhow::Result<bool> {
    match packages::ensure(Scope::Tests, &mut |line| terminal::warn(line))? {
        Outcome::Ready { .. } => {}
        Outcome::Without { missing, reason } => {
            for package in missing {
                skips.push(format!("SKIP {}: {} ({reason})", package.name, package.without));
            }
        }
    }
    Ok(true)
}

/// Programs and kubeconfig that the tests are told of.
struct Raised {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
}

/// The cluster for the tests, with pods as root; none when the person brings one or wants none.
fn raise(asked: &Asked, steps: &mut Steps) -> Option<Raised> {
    if asked.no_cluster || std::env::var_os("ORLOP_TEST_KUBECONFIG").is_some() {
        return None;
    }
    let mut raised = None;
    steps.run("cluster up", |_| {
        let root = rustix::process::geteuid().is_root();
        let tier = if root { Tier::Full { nodes: 1 } } else { Tier::ControlPlane };
        let spec = Spec { name: CLUSTER.to_owned(), tier, audit: false };
        let (cluster, _) = Cluster::up(&spec, &mut |line| terminal::warn(line))?;
        raised = Some(Raised {
            kubectl: cluster.program_dir().join("kubectl"),
            kubeconfig: cluster.kubeconfig(),
        });
        Ok(true)
    });
    raised
}

/// Runs the tests, passes on what they print and collects the skips.
fn tests(asked: &Asked, raised: Option<&Raised>, skips: &mut Vec<String>) -> anyhow::Result<bool> {
    let mut command = workspace::cargo()?;
    command.args(["test", "--no-fail-fast"]);
    match &asked.package {
        Some(package) => command.args(["-p", package]),
        None => command.arg("--workspace"),
    };
    command.args(asked.filter.iter()).args(["--", "--show-output"]);
    if let Some(raised) = raised {
        command.env("ORLOP_TEST_KUBECONFIG", &raised.kubeconfig);
        command.env("ORLOP_KUBECTL", &raised.kubectl);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot run cargo test")?;
    let Some(output) = child.stdout.take() else { bail!("cargo test has no output") };
    let mut passed_output = false;
    for line in BufReader::new(output).lines() {
        let line = line?;
        // What passed tests print stands between these two lines; only skips matter there.
        match line.as_str() {
            "successes:" => passed_output = true,
            "failures:" => passed_output = false,
            text if text.starts_with("test result:") => passed_output = false,
            _ => {}
        }
        if line.starts_with("SKIP ") && !skips.contains(&line) {
            skips.push(line.clone());
        }
        if !passed_output {
            terminal::say(line);
        }
    }
    Ok(child.wait()?.success())
}

/// Runs cargo with these arguments and says whether it was content.
fn cargo(arguments: &[&str]) -> anyhow::Result<bool> {
    let status = workspace::cargo()?.args(arguments).status().context("cannot run cargo")?;
    Ok(status.success())
}

impl Steps {
    /// Runs one step; a failed one does not keep the others from running.
    fn run(&mut self, name: &str, step: impl FnOnce(&mut Vec<String>) -> anyhow::Result<bool>) {
        terminal::step(name);
        let start = Instant::now();
        let passed = step(&mut self.skips).unwrap_or_else(|error| {
            terminal::warn(model::report(error.as_ref(), None));
            false
        });
        self.failed |= !passed;
        let verdict = if passed { "ok" } else { "FAILED" };
        let time = Span(start.elapsed()).to_string();
        self.rows.push(vec![name.to_owned(), time, verdict.to_owned()]);
    }

    /// Prints the table and the skips.
    fn end(&self) -> ExitCode {
        terminal::say("");
        terminal::say(terminal::columns(&self.rows));
        if !self.skips.is_empty() {
            terminal::say(format_args!("\n{} skipped:", self.skips.len()));
            for skip in &self.skips {
                terminal::say(format_args!("  {skip}"));
            }
        }
        if self.failed { Exit::Findings.into() } else { Exit::Clean.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_remembered_and_the_next_one_still_runs() {
        let mut steps = Steps::default();
        steps.run("breaks", |_| bail!("no"));
        steps.run("works", |skips| {
            skips.push("SKIP x: y".to_owned());
            Ok(true)
        });
        assert!(steps.failed);
        assert_eq!(steps.rows.len(), 2);
        assert_eq!(steps.skips, ["SKIP x: y"]);
    }
}
