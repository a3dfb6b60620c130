//! The YAML reader against kubectl: recorded vectors always, the real program where this machine
//! has it or can build it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use objects::yaml;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use testbed::components::{self, Need};

/// Documents per run of kubectl: one run costs about 0.2 s, most of it start-up.
const DOCUMENTS_PER_RUN: usize = 200;

#[derive(Debug, Serialize, Deserialize)]
struct Vector {
    /// The value of the key `v`, as written in the file.
    yaml: String,
    /// What kubectl made of it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    json: Option<Value>,
    /// kubectl refuses it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    error: bool,
}

/// Tells `"json": null` from no `json`.
mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(v: &Option<Value>, s: S) -> Result<S::Ok, S::Error> {
        v.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(d).map(Some)
    }
}

fn vectors() -> Vec<Vector> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/yaml-scalars.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn document(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\nspec:\n  v: {value}\n")
}

fn ours(value: &str) -> Option<Value> {
    let parsed = yaml::parse("v.yaml", document(value).as_bytes());
    match (parsed.manifests.as_slice(), parsed.diagnostics.is_empty()) {
        ([manifest], true) => manifest.object.at(&["spec", "v"]).cloned(),
        _ => None,
    }
}

/// Equal documents; a float prints differently from kubectl but must be the same number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_i64() != right.is_i64() => false,
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(l, r)| l.0 == r.0 && same(l.1, r.1))
        }
        _ => left == right,
    }
}

#[test]
fn gitops_2_every_scalar_means_to_us_what_it_means_to_kubectl() {
    let mut wrong = Vec::new();
    let vectors = vectors();
    for vector in &vectors {
        let ours = ours(&vector.yaml);
        let equal = match (&ours, &vector.json) {
            (Some(ours), Some(theirs)) => same(ours, theirs),
            (None, _) => vector.error,
            (Some(_), None) => false,
        };
        if !equal {
            wrong.push(format!("{:?}: kubectl {:?}, ours {ours:?}", vector.yaml, vector.json));
        }
    }
    assert!(vectors.len() > 300 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn gitops_2_kubectl_itself_reads_the_vectors_as_recorded() {
    let Some(kubectl) = kubectl() else { return };
    let vectors = vectors();
    let (refused, read): (Vec<&Vector>, Vec<&Vector>) = vectors.iter().partition(|v| v.error);
    for run in read.chunks(DOCUMENTS_PER_RUN) {
        let text: Vec<String> = run.iter().map(|vector| document(&vector.yaml)).collect();
        let theirs = run_kubectl(&kubectl, &text.join("---\n")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(theirs.len(), run.len());
        for (vector, theirs) in run.iter().zip(theirs) {
            let recorded = vector.json.as_ref().unwrap();
            assert!(same(&theirs["spec"]["v"], recorded), "{vector:?}: now {theirs}");
        }
    }
    for vector in refused {
        assert!(run_kubectl(&kubectl, &document(&vector.yaml)).is_err(), "{vector:?}");
    }
}

#[test]
fn gitops_2_documents_with_lists_and_separators_are_read_as_kubectl_reads_them() {
    let Some(kubectl) = kubectl() else { return };
    let map =
        |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let texts = [
        format!("# one\n---\n{}\n---\n\n--- # two\n{}\n---\n", map("a"), map("b")),
        format!("{}\r\n---\r\n{}\r\n", map("a"), map("b")),
        format!("{}\n{}\n", map("a"), map("b")),
        json!({"apiVersion": "v1", "kind": "List", "items": [map("a"), map("b")]}).to_string(),
        json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "a"}}]})
            .to_string(),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    ---\n    a\n".into(),
        "\u{feff}apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n".into(),
    ];
    for text in texts {
        let theirs = run_kubectl(&kubectl, &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let parsed = yaml::parse("x.yaml", text.as_bytes());
        assert_eq!(parsed.diagnostics, [], "{text}");
        let ours: Vec<Value> =
            parsed.manifests.into_iter().map(|manifest| manifest.object.into_value()).collect();
        assert_eq!(ours, theirs, "{text}");
    }
}

/// The kubectl of the pinned version; none is a skip.
#[expect(clippy::print_stderr, reason = "long work says what it does, a skipped test says why")]
fn kubectl() -> Option<PathBuf> {
    let found = match std::env::var_os("ORLOP_NO_CLUSTER") {
        Some(reason) => Err(format!("no kubectl is built: {}", reason.display())),
        None => components::ensure(Need::ControlPlane, &mut |line| eprintln!("{line}"))
            .map_err(|error| error.to_string()),
    };
    let thread = std::thread::current();
    found
        .inspect_err(|why| eprintln!("SKIP {}: {why}", thread.name().unwrap_or("test")))
        .ok()
        .map(|components| components.kubectl())
}

/// What kubectl prints for a file that it reads and does not change; no server is asked.
fn run_kubectl(kubectl: &Path, text: &str) -> Result<Vec<Value>, String> {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let output = Command::new(kubectl)
        .args(["patch", "--local", "--type=merge", "-p", "{}", "-o", "json", "-f"])
        .arg(file.path())
        .env("KUBECONFIG", "/nonexistent")
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    Ok(values.map(Result::unwrap).collect())
}
