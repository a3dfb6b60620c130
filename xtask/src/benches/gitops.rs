//! `cargo xtask bench gitops`: a delivery that goes on, in a cluster full of other objects.
//!
//! The objects are those of the bench `sync`, delivered from a Git repository; ten times as many
//! that nobody delivers are beside them. One process follows the delivery and measures itself:
//! the time of a drift check and what it asks for, from a push to the object, from a change by
//! hand to its reversal, and its own memory.

use super::{Bench, Settings, machine, markdown, sync};
use crate::{terminal, workspace};
use anyhow::Context;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use testbed::Cluster;

/// The bench.
pub(crate) const BENCH: Bench = Bench {
    name: "gitops",
    about: "a delivery that goes on: drift check, push to live, drift to reverted, memory",
    run,
};

/// Objects of others for each delivered one.
const OTHERS_FOR_EACH: usize = 10;
/// What `orlop sync run` and `orlop controller run` ask of glibc by themselves.
const ALLOCATOR: [(&str, &str); 2] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "131072")];
/// A push or a drift is repeated so often for each run that was asked for.
const REPEATS: usize = 20;

fn run(settings: &Settings) -> anyhow::Result<String> {
    terminal::step("building the program that measures (release)");
    let mut cargo = workspace::cargo()?;
    let example = ["build", "--release", "--package", "delivery", "--example", "live"];
    workspace::run(cargo.args(example))?;
    let program = workspace::target()?.join("release/examples/live");
    let mut rows = vec![["Objects", "Others", "What", "Value"].map(str::to_owned).to_vec()];
    for objects in &settings.objects {
        let folder = workspace::target()?.join(format!("bench/gitops-{objects}"));
        sync::write_trees(&folder, *objects)?;
        let cluster = sync::fresh_cluster()?;
        let others = objects * OTHERS_FOR_EACH;
        let measured = measure(&program, &cluster, &folder, others, settings.runs * REPEATS)?;
        for (what, value) in measures(&measured) {
            let cells = [objects.to_string(), others.to_string(), what, value];
            rows.push(cells.to_vec());
        }
        Cluster::down(sync::CLUSTER, &mut |text| terminal::warn(text))?;
    }
    let mut text = String::new();
    let _ = writeln!(text, "Machine: {}.", machine());
    let _ = writeln!(
        text,
        "Control plane without nodes, etcd without fsync, audit log on, on the same machine. \
         {} repeats of each measure.\n",
        settings.runs * REPEATS
    );
    text.push_str(&markdown(&rows));
    Ok(text)
}

/// Fills the cluster and gives what the measuring process prints.
fn measure(
    program: &Path,
    cluster: &Cluster,
    folder: &Path,
    others: usize,
    repeats: usize,
) -> anyhow::Result<String> {
    let tree = folder.join("tree");
    let step = |verb: &str, words: &[&str]| {
        terminal::step(format_args!("{}: {verb}", folder.display()));
        let mut command = Command::new(program);
        command.arg(verb).arg(cluster.kubeconfig()).args(words).envs(ALLOCATOR);
        workspace::output(&mut command).with_context(|| format!("the step `{verb}`"))
    };
    let tree = tree.to_str().context("the target folder has an odd name")?;
    step("apply", &[tree])?;
    step("fill", &[&others.to_string()])?;
    step("measure", &[tree, &repeats.to_string()])
}

/// Name and value of each line.
fn measures(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (what, value) = line.split_once('\t')?;
        Some((what.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_is_a_name_and_a_value() {
        let pair = ("memory".to_owned(), "30 MiB".to_owned());
        assert_eq!(measures("memory\t30 MiB\nnoise\n"), [pair]);
    }
}
