//! `cargo xtask bench schema`: checking objects against schemas, next to kubeconform.
//!
//! The schemas are those of a fresh control plane. Orlop compiles the server's own documents;
//! kubeconform needs a standalone JSON schema for each kind, which [`standalone`] makes of the same
//! documents. kubeconform is a pinned peer (`cargo xtask peers`). The objects are good ones of
//! twelve kinds, one document per line for Orlop, files of a hundred documents for kubeconform.

use super::{Bench, Settings, machine, markdown};
use crate::measure::{self, Cost};
use crate::{terminal, workspace};
use anyhow::Context;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testbed::{Cluster, Spec, Tier};

/// The bench.
pub(crate) const BENCH: Bench = Bench {
    name: "schema",
    about: "checking objects against the cluster's schemas, next to kubeconform",
    run,
};

/// The private cluster.
const CLUSTER: &str = "bench";
/// Documents in one file of the tree.
const FILE_DOCUMENTS: usize = 100;
/// The peer.
const PEER: &str = "kubeconform";
/// The columns of the table.
const HEADING: [&str; 7] =
    ["Objects", "What", "Wall", "CPU", "CPU per object", "Peak RSS", "It says"];
/// Group versions of the objects, as the server's paths name them.
const GROUP_VERSIONS: [&str; 7] = [
    "api/v1",
    "apis/apps/v1",
    "apis/autoscaling/v2",
    "apis/batch/v1",
    "apis/networking.k8s.io/v1",
    "apis/policy/v1",
    "apis/rbac.authorization.k8s.io/v1",
];
/// How a reference to another definition begins.
const REFERENCE: &str = "#/components/schemas/";

fn run(settings: &Settings) -> anyhow::Result<String> {
    let peer = testbed::peers::ensure(PEER, &mut |text| terminal::step(text))?;
    terminal::step("building the example of the schema crate (release)");
    let mut cargo = workspace::cargo()?;
    let example = ["build", "--release", "--package", "schema", "--example", "check_objects"];
    workspace::run(cargo.args(example))?;
    let ours = workspace::target()?.join("release/examples/check_objects");
    let folder = workspace::target()?.join("bench/schema");
    let _ = fs::remove_dir_all(&folder);
    documents(&folder)?;
    let mut rows = vec![HEADING.map(str::to_owned).to_vec()];
    for objects in &settings.objects {
        let tree = folder.join(format!("tree-{objects}"));
        write_tree(&folder, &tree, *objects)?;
        for (what, rounds) in [("orlop, read and check", "1"), ("orlop, read only", "0")] {
            let mut command = Command::new(&ours);
            command.arg(folder.join("documents")).arg(folder.join("objects.jsonl")).arg(rounds);
            rows.push(measured(what, &command, *objects, settings.runs)?);
        }
        let mut command = Command::new(&peer);
        let location = folder.join("schemas/{{.ResourceKind}}{{.KindSuffix}}.json");
        command
            .args(["-strict", "-summary", "-n", "2", "-schema-location"])
            .arg(location)
            .arg(&tree);
        rows.push(measured(PEER, &command, *objects, settings.runs)?);
    }
    let version = testbed::peers::versions().into_iter().find(|(name, _)| *name == PEER);
    let (_, version) = version.context("the peer is not pinned")?;
    Ok(format!(
        "Machine: {}.\nOrlop: the schema crate's example (profile release), one thread: reads JSON \
         lines and checks them.\nPeer: {PEER} {version}, `-strict -n 2`, schemas on disk.\nMedian \
         of {} runs.\n\n{}",
        machine(),
        settings.runs,
        markdown(&rows)
    ))
}

fn measured(
    name: &str,
    command: &Command,
    objects: usize,
    runs: usize,
) -> anyhow::Result<Vec<String>> {
    terminal::step(format_args!("{objects} objects: {name}"));
    let copy = || {
        let mut copy = Command::new(command.get_program());
        copy.args(command.get_args());
        copy
    };
    let mut costs = Vec::new();
    for _ in 0..runs.max(1) {
        costs.push(measure::run(copy(), &[0])?);
    }
    let said = workspace::output(&mut copy())?.lines().next().unwrap_or_default().to_owned();
    let Cost { wall, cpu, peak_mib } = measure::median(costs).context("no run")?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let each = cpu.as_secs_f64() * 1e6 / objects.max(1) as f64;
    Ok(vec![
        objects.to_string(),
        name.to_owned(),
        format!("{:.2} s", wall.as_secs_f64()),
        format!("{:.2} s", cpu.as_secs_f64()),
        format!("{each:.1} µs"),
        format!("{peak_mib:.0} MiB"),
        said,
    ])
}

/// Writes `documents/` as the server publishes them, and `schemas/` for the peer.
fn documents(folder: &Path) -> anyhow::Result<()> {
    let say = &mut |text: &str| terminal::warn(text);
    Cluster::down(CLUSTER, say)?;
    let spec = Spec { name: CLUSTER.to_owned(), tier: Tier::ControlPlane, audit: false };
    let (cluster, _) = Cluster::up(&spec, say)?;
    let (texts, schemas) = (folder.join("documents"), folder.join("schemas"));
    fs::create_dir_all(&texts)?;
    fs::create_dir_all(&schemas)?;
    for path in GROUP_VERSIONS {
        let mut kubectl = cluster.kubectl();
        let text =
            workspace::output(kubectl.args(["get", "--raw", &format!("/openapi/v3/{path}")]))?;
        fs::write(texts.join(format!("{}.json", path.replace('/', "_"))), &text)?;
        for (name, schema) in standalone(&serde_json::from_str(&text)?) {
            fs::write(schemas.join(name), schema.to_string())?;
        }
    }
    Cluster::down(CLUSTER, say)?;
    Ok(())
}

/// A JSON schema for each kind of a document, named as the peer looks it up, with every definition
/// that it reaches beside it.
fn standalone(document: &Value) -> Vec<(String, Value)> {
    let none = Map::new();
    let all = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&none);
    let mut found = Vec::new();
    for definition in all.values() {
        let kinds = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        // Lists and options of requests claim many kinds; an object is one.
        let Some([kind]) = kinds.map(Vec::as_slice) else { continue };
        let text = |name: &str| kind.get(name).and_then(Value::as_str).unwrap_or_default();
        let group = text("group").split('.').next().unwrap_or_default();
        let words: Vec<String> = [text("kind"), group, text("version")]
            .iter()
            .filter(|word| !word.is_empty())
            .map(|word| word.to_lowercase())
            .collect();
        let mut reached = Map::new();
        let mut schema = strict(definition);
        reach(definition, all, &mut reached);
        if let Some(map) = schema.as_object_mut() {
            map.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
            map.insert("components".to_owned(), json!({"schemas": reached}));
        }
        found.push((format!("{}.json", words.join("-")), schema));
    }
    found
}

/// Adds every definition that a schema refers to.
fn reach(schema: &Value, all: &Map<String, Value>, reached: &mut Map<String, Value>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| reach(item, all, reached)),
        Value::Object(map) => {
            let name = map.get("$ref").and_then(Value::as_str);
            if let Some(name) = name.and_then(|name| name.strip_prefix(REFERENCE))
                && let Some(definition) = all.get(name)
                && !reached.contains_key(name)
            {
                reached.insert(name.to_owned(), strict(definition));
                reach(definition, all, reached);
            }
            map.values().for_each(|value| reach(value, all, reached));
        }
        _ => {}
    }
}

/// A schema in which unknown fields are an error and descriptions are left out.
fn strict(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(strict).collect(),
        Value::Object(map) => {
            let mut kept: Map<String, Value> = map
                .iter()
                .filter(|(key, value)| *key != "description" || !value.is_string())
                .map(|(key, value)| (key.clone(), strict(value)))
                .collect();
            if map.get("properties").is_some_and(Value::is_object)
                && !map.contains_key("additionalProperties")
                && map.get("type").is_some_and(|kind| kind == "object")
            {
                kept.insert("additionalProperties".to_owned(), json!(false));
            }
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

/// Writes `objects.jsonl` and the same objects as files of many documents.
fn write_tree(folder: &Path, tree: &PathBuf, objects: usize) -> anyhow::Result<()> {
    fs::create_dir_all(tree)?;
    let all: Vec<String> = (0..objects).map(|number| object(number).to_string()).collect();
    fs::write(folder.join("objects.jsonl"), all.join("\n") + "\n")?;
    for (index, documents) in all.chunks(FILE_DOCUMENTS).enumerate() {
        fs::write(tree.join(format!("{index:04}.yaml")), documents.join("\n---\n") + "\n")?;
    }
    Ok(())
}

/// Good objects of twelve kinds in turn.
fn object(number: usize) -> Value {
    let name = format!("object-{number:05}");
    let labels = json!({"app": name});
    let pod = json!({"metadata": {"labels": labels}, "spec": pod()});
    let selector = json!({"matchLabels": labels});
    let (version, kind, rest) = match number % 12 {
        0 => ("v1", "ConfigMap", json!({"data": {"a": "text", "b": "more text", "c": name}})),
        1 => ("v1", "Secret", json!({"stringData": {"token": name}, "type": "Opaque"})),
        2 => (
            "v1",
            "Service",
            json!({"spec": {"selector": labels, "ports": [{"name": "http", "port": 80}]}}),
        ),
        3 => ("v1", "ServiceAccount", json!({"automountServiceAccountToken": false})),
        4 => ("apps/v1", "Deployment", json!({"spec": {"selector": selector, "template": pod}})),
        5 => (
            "apps/v1",
            "StatefulSet",
            json!({"spec": {"serviceName": name, "selector": selector, "template": pod}}),
        ),
        6 => ("apps/v1", "DaemonSet", json!({"spec": {"selector": selector, "template": pod}})),
        7 => ("batch/v1", "Job", json!({"spec": {"backoffLimit": 2, "template": pod}})),
        8 => (
            "networking.k8s.io/v1",
            "Ingress",
            json!({"spec": {"rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/",
                "pathType": "Prefix",
                "backend": {"service": {"name": name, "port": {"number": 80}}}}]}}]}}),
        ),
        9 => (
            "policy/v1",
            "PodDisruptionBudget",
            json!({"spec": {"minAvailable": 1, "selector": selector}}),
        ),
        10 => (
            "rbac.authorization.k8s.io/v1",
            "Role",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
        _ => (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({"spec": {"maxReplicas": 3,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}}),
        ),
    };
    let mut object = json!({"apiVersion": version, "kind": kind,
        "metadata": {"name": name, "namespace": "bench", "labels": labels}});
    if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
        object.extend(rest);
    }
    object
}

fn pod() -> Value {
    json!({"restartPolicy": "Always", "containers": [{
        "name": "web",
        "image": "orlop.dev/demo-web:v1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "MODE", "value": "quiet"}, {"name": "LEVEL", "value": "2"}],
        "resources": {"limits": {"memory": "32Mi"}, "requests": {"cpu": "10m"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standalone_schema_is_named_as_the_peer_looks_it_up_and_has_what_it_reaches() {
        let document = json!({"components": {"schemas": {
            "a.Ingress": {"type": "object", "description": "x", "x-kubernetes-group-version-kind":
                [{"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}],
                "properties": {"spec": {"$ref": "#/components/schemas/a.Spec"}}},
            "a.Spec": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/a.Spec"}}},
            "a.Other": {"type": "object"}}}});
        let found = standalone(&document);
        assert_eq!(found.len(), 1);
        let (name, schema) = &found[0];
        assert_eq!(name, "ingress-networking-v1.json");
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema.get("description"), None);
        let reached = schema["components"]["schemas"].as_object().unwrap();
        assert_eq!(reached.keys().collect::<Vec<_>>(), ["a.Spec"]);
    }
}
