//! `cargo xtask test`: sets up what is missing and runs every check and test.
//!
//! Cheap steps first, each with its name and time, so that a failure says where it is; a failed
//! step keeps only those from running that need its result. Tests that need an API server share
//! the cluster called `test`, as root one with pods; a test that lacks a piece of the host says
//! `SKIP name: reason`, and every skip is listed at the end. Nothing is left running.

use super::{Command, codegen, tidy};
use crate::{static_build, terminal, workspace};
use anyhow::{Context, bail};
use lexopt::prelude::{Long, Short, Value, ValueExt as _};
use model::{Exit, Span};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;
use testbed::components::{self, Need};
use testbed::packages::{self, Outcome, Scope};
use testbed::peers;
use testbed::probe::{self, Piece};
use testbed::{Cluster, Spec, Tier};

/// The cluster that tests share.
const CLUSTER: &str = "test";
/// Control planes of single tests are called this, a process number and a counter.
const PRIVATE_PREFIX: &str = "private-";
/// The planes that are also built alone.
const PLANES: [&str; 3] = ["cli", "controller", "agent"];
/// Tells testkit to raise no cluster.
const NO_CLUSTER_VARIABLE: &str = "ORLOP_NO_CLUSTER";
/// A cluster that the person brings.
const KUBECONFIG_VARIABLE: &str = "ORLOP_TEST_KUBECONFIG";

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "test",
    about: "Set up what is missing and run every check and test",
    help: "\
Steps: packages (installed as root), tidy, format, clippy, each plane alone, building the
tests, generated files fresh, components (built once), cluster, images, peers (built once),
tests, models of the lock-free ring, docs. A table with times and every skipped test with its
reason come last.

Flags:
  -p, --package NAME   tests of one crate only, without the other steps
  --no-cluster         raise no cluster: what needs one is skipped, with the reason
  --keep               leave the cluster `test` running
  FILTER               only tests whose name contains it, without the other steps

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

impl Asked {
    /// Whether only some tests are wanted.
    fn is_partial(&self) -> bool {
        self.package.is_some() || self.filter.is_some()
    }

    /// Whether clusters are raised by this run.
    fn raises(&self) -> bool {
        !self.no_cluster && std::env::var_os(KUBECONFIG_VARIABLE).is_none()
    }
}

/// Steps that have run: name, time, verdict.
#[derive(Default)]
struct Steps {
    rows: Vec<Vec<String>>,
    failed: bool,
    skips: Vec<String>,
}

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let asked = parse(words)?;
    let start = Instant::now();
    let mut steps = Steps::default();
    steps.run("packages", set_up_packages);
    if !asked.is_partial() {
        checks(&mut steps);
    }
    if steps.run("build tests", |_| Ok(test_command(&asked)?.arg("--no-run").status()?.success())) {
        if !asked.is_partial() {
            steps.run("generated", |_| Ok(codegen::stale(&workspace::orlop()?)? == 0));
            raise(&asked, &mut steps);
        }
        build_peers(&asked, &mut steps);
        steps.run("tests", |skips| tests(&asked, skips));
    }
    if !asked.is_partial() {
        steps.run("models", |_| models());
        steps.run("docs", |_| {
            let mut cargo = workspace::cargo()?;
            cargo.args(["doc", "--workspace", "--no-deps", "--quiet", "--locked"]);
            Ok(cargo.env("RUSTDOCFLAGS", "-D warnings").status()?.success())
        });
    }
    if asked.raises() && !asked.keep {
        steps.run("clusters down", |_| clear());
    }
    Ok(steps.end(start))
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

/// Runs the ring's models, every interleaving of them, in half a minute.
fn models() -> anyhow::Result<bool> {
    let mut cargo = workspace::cargo()?;
    cargo.args(["run", "--quiet", "--locked", "--manifest-path", "loom/Cargo.toml"]);
    Ok(cargo.args(["--target-dir", "target/loom"]).status()?.success())
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

/// What needs no cluster and no test binary.
fn checks(steps: &mut Steps) {
    steps.run("tidy", |_| Ok(tidy::check()? == 0));
    steps.run("format", |_| cargo(&["fmt", "--all", "--check"]));
    steps.run("clippy", |_| {
        let all = ["clippy", "--workspace", "--all-targets", "--quiet", "--locked"];
        cargo(&[all.as_slice(), &["--", "-D", "warnings"]].concat())
    });
    for plane in PLANES {
        let alone = ["check", "--quiet", "--locked", "-p", "app", "--no-default-features"];
        steps.run(&format!("plane {plane} alone"), |_| {
            cargo(&[alone.as_slice(), &["--features", plane]].concat())
        });
    }
}

/// Raises the cluster for the tests, with pods where the host can have them.
fn raise(asked: &Asked, steps: &mut Steps) {
    if !asked.raises() {
        return;
    }
    let lacking = lacking_for_pods();
    if let Some(reason) = &lacking {
        steps.skips.push(format!("SKIP everything with pods: {reason}"));
    }
    let (need, tier) = match lacking {
        None => (Need::Nodes, Tier::Full { nodes: 1 }),
        Some(_) => (Need::ControlPlane, Tier::ControlPlane),
    };
    let say = |line: &str| terminal::warn(line);
    let built = steps.run("components", |_| {
        components::ensure(need, &mut { say })?;
        Ok(true)
    });
    let raised = built
        && steps.run("cluster up", |_| {
            let spec = Spec { name: CLUSTER.to_owned(), tier, audit: false };
            Cluster::up(&spec, &mut { say })?;
            Ok(true)
        });
    if raised && need == Need::Nodes {
        steps.run("images", |_| {
            let image = static_build::image("web", &mut { say })?;
            let cluster = Cluster::attach(CLUSTER)?.context("the cluster ended")?;
            cluster.load(&image.archive)?;
            Ok(true)
        });
    }
}

/// Builds the tools that the asked tests compare with. One that cannot be had is a skip.
fn build_peers(asked: &Asked, steps: &mut Steps) {
    let names = match &asked.package {
        Some(package) => peers::used_by(package),
        None if asked.is_partial() => Vec::new(),
        None => peers::names(),
    };
    if names.is_empty() {
        return;
    }
    steps.run("peers", |skips| {
        for name in names {
            if let Err(error) = peers::ensure(name, &mut |line| terminal::warn(line)) {
                skips.push(format!("SKIP everything with the peer {name}: {error}"));
            }
        }
        Ok(true)
    });
}

/// Why there can be no pods on this host, if there cannot.
fn lacking_for_pods() -> Option<String> {
    if let Some(package) = packages::missing(Scope::Nodes).first() {
        return Some(format!("{} is not installed: {}", package.name, package.without));
    }
    [Piece::Root, Piece::Namespaces, Piece::CgroupControllers, Piece::Overlayfs]
        .into_iter()
        .find_map(|piece| probe::require(piece).err())
        .map(|missing| missing.to_string())
}

/// Ends the shared cluster and the private ones of test processes that are gone.
fn clear() -> anyhow::Result<bool> {
    for name in Cluster::names() {
        let process = name.strip_prefix(PRIVATE_PREFIX).and_then(|rest| rest.split('-').next());
        let is_orphan = process.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if name == CLUSTER || is_orphan {
            Cluster::down(&name, &mut |line| terminal::warn(line))?;
        }
    }
    Ok(true)
}

/// `cargo test` for what was asked.
fn test_command(asked: &Asked) -> anyhow::Result<std::process::Command> {
    let mut command = workspace::cargo()?;
    command.args(["test", "--locked", "--no-fail-fast"]);
    match &asked.package {
        Some(package) => command.args(["--package", package]),
        None => command.arg("--workspace"),
    };
    if asked.no_cluster {
        command.env(NO_CLUSTER_VARIABLE, "`--no-cluster` was given");
    }
    Ok(command)
}

/// Runs the tests, passes on what they print and collects the skips.
fn tests(asked: &Asked, skips: &mut Vec<String>) -> anyhow::Result<bool> {
    let mut command = test_command(asked)?;
    command.args(asked.filter.iter()).args(["--", "--show-output"]);
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
    /// Runs one step and says whether it passed.
    fn run(
        &mut self,
        name: &str,
        step: impl FnOnce(&mut Vec<String>) -> anyhow::Result<bool>,
    ) -> bool {
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
        passed
    }

    /// Prints the table and the skips.
    fn end(&mut self, start: Instant) -> ExitCode {
        let verdict = if self.failed { "FAILED" } else { "ok" };
        let total = Span(start.elapsed()).to_string();
        self.rows.push(vec!["all of it".to_owned(), total, verdict.to_owned()]);
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
        assert!(!steps.run("breaks", |_| bail!("no")));
        assert!(steps.run("works", |skips| {
            skips.push("SKIP x: y".to_owned());
            Ok(true)
        }));
        assert!(steps.failed);
        assert_eq!(steps.rows.len(), 2);
        assert_eq!(steps.skips, ["SKIP x: y"]);
    }
}
