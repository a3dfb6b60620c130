//! `cargo xtask bench sync`: delivering many objects, next to kubectl and a bare PATCH loop.
//!
//! Each writer gets a control plane of its own, fresh, without nodes, so that none meets what
//! another left in the API server's caches. Requests are counted in the API server's audit log by
//! the writer's user agent. The objects are a mix as in real trees, none of which makes pods.

use super::{Bench, Settings, machine, markdown};
use crate::measure::{self, Cost};
use crate::{terminal, workspace};
use anyhow::Context;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use testbed::{Cluster, Spec, Tier};

/// The bench.
pub(crate) const BENCH: Bench = Bench {
    name: "sync",
    about: "orlop sync next to kubectl and a bare PATCH loop: apply, no-op, 1 % changed",
    run,
};

/// The private cluster.
pub(super) const CLUSTER: &str = "bench";
/// Documents in one file of the tree.
const FILE_DOCUMENTS: usize = 100;
/// One object in so many is changed.
const CHANGED_EVERY: usize = 100;
/// The columns of the table.
const HEADING: [&str; 7] =
    ["Objects", "What", "Wall", "CPU", "Peak RSS", "Objects/s", "Requests by verb"];

/// One measured command.
struct Case {
    what: String,
    command: Command,
    exits: &'static [i32],
    runs: usize,
    /// How its user agent begins in the audit log.
    agent: &'static str,
}

/// The programs that are compared.
struct Programs {
    orlop: PathBuf,
    patch_loop: PathBuf,
}

fn run(settings: &Settings) -> anyhow::Result<String> {
    let programs = build()?;
    let mut rows = vec![HEADING.map(str::to_owned).to_vec()];
    let mut kubectl_version = String::new();
    for objects in &settings.objects {
        let folder = workspace::target()?.join(format!("bench/sync-{objects}"));
        write_trees(&folder, *objects)?;
        for writer in [orlop, patch_loop, kubectl] {
            let cluster = fresh_cluster()?;
            if kubectl_version.is_empty() {
                let mut version = cluster.kubectl();
                kubectl_version = workspace::output(version.args(["version"]))?.replace('\n', ", ");
            }
            for case in writer(&programs, &cluster, &folder, settings.runs) {
                rows.push(measure_case(case, &cluster, *objects)?);
            }
            Cluster::down(CLUSTER, &mut |text| terminal::warn(text))?;
        }
    }
    let version = workspace::output(Command::new(&programs.orlop).arg("--version"))?;
    let mut text = String::new();
    let _ = writeln!(text, "Machine: {}.", machine());
    let _ = writeln!(text, "Orlop: {} (profile release).", version.lines().next().unwrap_or(""));
    let _ = writeln!(text, "Peer: {kubectl_version}.");
    let _ = writeln!(
        text,
        "Control plane without nodes, etcd without fsync, audit log on; each writer on a fresh one. \
         Median of {} runs where a run can be repeated, else one run.\n",
        settings.runs
    );
    text.push_str(&markdown(&rows));
    Ok(text)
}

/// Builds what is measured, optimised.
fn build() -> anyhow::Result<Programs> {
    terminal::step("building orlop and the PATCH loop (release)");
    let mut cargo = workspace::cargo()?;
    workspace::run(cargo.args(["build", "--release", "--package", "app"]))?;
    let mut cargo = workspace::cargo()?;
    let example = ["build", "--release", "--package", "cluster", "--example", "patch_loop"];
    workspace::run(cargo.args(example))?;
    let release = workspace::target()?.join("release");
    Ok(Programs { orlop: release.join("orlop"), patch_loop: release.join("examples/patch_loop") })
}

pub(super) fn fresh_cluster() -> anyhow::Result<Cluster> {
    let say = &mut |text: &str| terminal::warn(text);
    Cluster::down(CLUSTER, say)?;
    let spec = Spec { name: CLUSTER.to_owned(), tier: Tier::ControlPlane, audit: true };
    Ok(Cluster::up(&spec, say)?.0)
}

fn orlop(programs: &Programs, cluster: &Cluster, folder: &Path, runs: usize) -> Vec<Case> {
    let case = |what: &str, verb: &[&str], tree: &str, runs| {
        let mut command = Command::new(&programs.orlop);
        command.arg("sync").args(verb).arg(folder.join(tree)).args(["--name", "bench"]);
        command.args(["--timeout", "10m"]).env("KUBECONFIG", cluster.kubeconfig());
        Case { what: format!("orlop sync {what}"), command, exits: &[0], runs, agent: "orlop" }
    };
    vec![
        case("apply, first", &["apply", "--no-wait"], "tree", 1),
        case("apply, no-op", &["apply", "--no-wait"], "tree", runs),
        case("plan, no-op", &["plan"], "tree", runs),
        case("apply, 1 % changed", &["apply", "--no-wait"], "changed", 1),
    ]
}

fn patch_loop(programs: &Programs, cluster: &Cluster, folder: &Path, _: usize) -> Vec<Case> {
    let mut command = Command::new(&programs.patch_loop);
    command.arg(cluster.kubeconfig()).arg(folder.join("tree.jsonl"));
    let what = "bare PATCH loop, first".to_owned();
    vec![Case { what, command, exits: &[0], runs: 1, agent: "orlop" }]
}

fn kubectl(_: &Programs, cluster: &Cluster, folder: &Path, runs: usize) -> Vec<Case> {
    let case = |what: &str, verb: &str, tree: &str, runs| {
        let mut command = cluster.kubectl();
        command.args([verb, "--server-side", "--recursive", "--filename"]).arg(folder.join(tree));
        let what = format!("kubectl {verb} --server-side, {what}");
        Case { what, command, exits: &[0, 1], runs, agent: "kubectl" }
    };
    vec![
        case("first", "apply", "tree", 1),
        case("no-op", "apply", "tree", runs),
        case("no-op", "diff", "tree", 1),
        case("1 % changed", "apply", "changed", 1),
    ]
}

fn measure_case(case: Case, cluster: &Cluster, objects: usize) -> anyhow::Result<Vec<String>> {
    let Case { what, mut command, exits, runs, agent } = case;
    terminal::step(format_args!("{objects} objects: {what}"));
    let log = cluster.dir().join("logs/audit.log");
    let before = fs::metadata(&log).map_or(0, |file| file.len());
    let mut costs = Vec::new();
    for _ in 0..runs.max(1) {
        costs.push(measure::run(copy(&mut command), exits)?);
    }
    let requests = requests(&log, before, agent, runs.max(1))?;
    let cost = measure::median(costs).context("no run")?;
    Ok(row(objects, what, cost, requests))
}

/// A command can be started once only.
fn copy(command: &mut Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy
}

fn row(objects: usize, what: String, cost: Cost, requests: String) -> Vec<String> {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = objects as f64 / cost.wall.as_secs_f64();
    vec![
        objects.to_string(),
        what,
        format!("{:.2} s", cost.wall.as_secs_f64()),
        format!("{:.2} s", cost.cpu.as_secs_f64()),
        format!("{:.0} MiB", cost.peak_mib),
        format!("{rate:.0}"),
        requests,
    ]
}

/// Requests since `offset` by verb and whether they write, divided by `runs`.
fn requests(log: &Path, offset: u64, agent: &str, runs: usize) -> anyhow::Result<String> {
    let mut file = fs::File::open(log).with_context(|| format!("no {}", log.display()))?;
    file.seek(SeekFrom::Start(offset))?;
    let counts = count(BufReader::new(file), agent)?;
    let text: Vec<String> = counts
        .into_iter()
        .map(|(verb, count)| format!("{} {verb}", count.div_ceil(runs)))
        .collect();
    Ok(if text.is_empty() { "none".to_owned() } else { text.join(", ") })
}

/// Requests of `agent` in audit events by verb; one request can have several events.
fn count(log: impl BufRead, agent: &str) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut seen = BTreeSet::new();
    let mut counts = BTreeMap::new();
    for line in log.lines() {
        // The last line can be half written; it is the next case's.
        let Ok(event) = serde_json::from_str::<Value>(&line?) else { continue };
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        if !text("userAgent").starts_with(agent) || !seen.insert(text("auditID").to_owned()) {
            continue;
        }
        let dry = if text("requestURI").contains("dryRun=All") { " (dry run)" } else { "" };
        *counts.entry(format!("{}{dry}", text("verb"))).or_insert(0) += 1;
    }
    Ok(counts)
}

/// Writes `tree/`, `changed/` and `tree.jsonl`.
pub(super) fn write_trees(folder: &Path, objects: usize) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(folder);
    for (name, changed) in [("tree", false), ("changed", true)] {
        let tree = folder.join(name);
        fs::create_dir_all(&tree).with_context(|| format!("cannot make {}", tree.display()))?;
        let all: Vec<String> =
            std::iter::once(namespace()).chain((1..objects).map(|n| object(n, changed))).collect();
        for (index, documents) in all.chunks(FILE_DOCUMENTS).enumerate() {
            // JSON is YAML; it keeps this free of a writer for either.
            let text = documents.join("\n---\n");
            fs::write(tree.join(format!("{index:04}.yaml")), text + "\n")?;
        }
        if !changed {
            fs::write(folder.join("tree.jsonl"), all.join("\n") + "\n")?;
        }
    }
    Ok(())
}

fn namespace() -> String {
    r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"bench"}}"#.to_owned()
}

/// Of twenty objects: ten ConfigMaps, three Services, three Deployments without replicas, two
/// Secrets, a Role and a ServiceAccount.
fn object(number: usize, changed: bool) -> String {
    let name = format!("object-{number:05}");
    let value = if changed && number.is_multiple_of(CHANGED_EVERY) { "new" } else { "old" };
    let labels = serde_json::json!({"app": name, "value": value});
    let metadata = serde_json::json!({"name": name, "namespace": "bench", "labels": labels});
    let pick = serde_json::json!({"app": name});
    let (kind, version, rest) = match number % 20 {
        0..10 => ("ConfigMap", "v1", serde_json::json!({"data": data(number)})),
        10..13 => (
            "Service",
            "v1",
            serde_json::json!({"spec": {"clusterIP": "None", "selector": pick,
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}),
        ),
        13..16 => ("Deployment", "apps/v1", serde_json::json!({"spec": deployment(&pick)})),
        16..18 => {
            ("Secret", "v1", serde_json::json!({"stringData": {"token": format!("t-{number}")}}))
        }
        18 => (
            "Role",
            "rbac.authorization.k8s.io/v1",
            serde_json::json!({"rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}),
        ),
        _ => ("ServiceAccount", "v1", serde_json::json!({})),
    };
    let mut object = rest;
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".into(), version.into());
        fields.insert("kind".into(), kind.into());
        fields.insert("metadata".into(), metadata);
    }
    object.to_string()
}

fn data(number: usize) -> BTreeMap<String, String> {
    (0..8).map(|key| (format!("key-{key}"), format!("value {key} of object {number}"))).collect()
}

fn deployment(pick: &Value) -> Value {
    serde_json::json!({
        "replicas": 0,
        "selector": {"matchLabels": pick},
        "template": {
            "metadata": {"labels": pick},
            "spec": {"containers": [{
                "name": "web",
                "image": "orlop.dev/demo-web:v1",
                "ports": [{"containerPort": 8080}],
                "env": [{"name": "MODE", "value": "quiet"}],
                "resources": {"limits": {"memory": "32Mi"}, "requests": {"cpu": "10m"}},
            }]},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_in_a_hundred_differs_between_the_trees() {
        let differ = (1..1000).filter(|n| object(*n, false) != object(*n, true)).count();
        assert_eq!(differ, 9);
    }

    #[test]
    fn requests_are_counted_once_by_verb_for_the_writer_alone() {
        let event = |id: &str, agent: &str, verb: &str, uri: &str| {
            serde_json::json!({"auditID": id, "userAgent": agent, "verb": verb, "requestURI": uri})
                .to_string()
        };
        let log = [
            event("1", "orlop/0.1", "patch", "/api/v1/a"),
            event("1", "orlop/0.1", "patch", "/api/v1/a"),
            event("2", "orlop/0.1", "patch", "/api/v1/a?dryRun=All"),
            event("3", "kube-controller-manager/v1", "update", "/api/v1/b"),
            event("4", "orlop/0.1", "list", "/api/v1/a"),
            "{\"half".to_owned(),
        ];
        let counts = count(log.join("\n").as_bytes(), "orlop").unwrap();
        let pairs: Vec<(String, usize)> = counts.into_iter().collect();
        let expected = [("list", 1), ("patch", 1), ("patch (dry run)", 1)];
        assert_eq!(pairs, expected.map(|(verb, count)| (verb.to_owned(), count)));
    }
}
