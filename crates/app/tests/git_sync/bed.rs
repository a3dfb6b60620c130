//! What the tests of GitSyncs stand on: a cluster with the kind, a Git server, a desk, and words
//! for what is waited for.

use crate::running::{Running, WAIT};
use crate::support::Desk;
use std::time::Instant;
use testkit::cluster::ControlPlane;
use testkit::git::{Change, GitServer, Repository};

/// How long `kubectl wait` waits.
pub(crate) const TIMEOUT: &str = "--timeout=60s";

/// A cluster with the kind, a Git server with one repository, and a desk.
pub(crate) struct Bed {
    pub(crate) cluster: ControlPlane,
    pub(crate) desk: Desk,
    pub(crate) server: GitServer,
    pub(crate) repository: Repository,
}

impl Bed {
    pub(crate) fn new() -> Option<Self> {
        let cluster = ControlPlane::start()?;
        let mut desk = Desk::new();
        desk.variable("KUBECONFIG", cluster.kubeconfig());
        assert_eq!(desk.run(&["generate", "made"]).code, Some(0));
        let crds = desk.dir.path().join("made/deploy/controller/crds.yaml");
        cluster.kubectl_ok(&["apply", "--server-side", "-f", crds.to_str().unwrap()]);
        // `kubectl wait` gives up on a definition that has no status yet.
        let served = testbed::wait::until(WAIT, || {
            let output = cluster.kubectl().args(["get", "gitsyncs"]).output()?;
            Ok::<_, std::io::Error>(output.status.success().then_some(()))
        });
        assert!(served.unwrap().is_some(), "the kind is not served");
        let server = GitServer::start().unwrap();
        let repository = server.repository("demo.git").unwrap();
        Some(Self { cluster, desk, server, repository })
    }

    /// A controller that may act for GitSyncs without a service account.
    pub(crate) fn controller(&self) -> Running {
        self.controller_with(&[])
    }

    /// The same with further options.
    pub(crate) fn controller_with(&self, options: &[&str]) -> Running {
        let all = [&["--namespace", "default", "--tenancy", "single"], options].concat();
        Running::start_with(&self.desk, &all)
    }

    /// Pushes ConfigMaps, each with one value; what is not named goes.
    pub(crate) fn push(&self, values: &[(&str, &str)]) -> String {
        let files: Vec<(String, String)> = values
            .iter()
            .map(|(name, value)| (format!("app/{name}.yaml"), config_map(name, value)))
            .collect();
        let mut changes = vec![Change::RemoveAll];
        changes.extend(files.iter().map(|(path, text)| Change::File(path, text.as_bytes())));
        self.repository.commit("main", &changes, "values").unwrap()
    }

    /// Applies a GitSync of this name with further lines of its spec; it looks every second.
    pub(crate) fn sync(&self, name: &str, path: &str, spec: &str) {
        self.sync_every("1s", name, path, spec);
    }

    /// The same with another interval.
    pub(crate) fn sync_every(&self, interval: &str, name: &str, path: &str, spec: &str) {
        self.apply_sync(interval, "demo.git", name, path, spec);
    }

    /// A GitSync of another repository.
    pub(crate) fn sync_from(&self, repository: &str, name: &str, path: &str) {
        self.apply_sync("1s", repository, name, path, "");
    }

    fn apply_sync(&self, interval: &str, repository: &str, name: &str, path: &str, spec: &str) {
        let text = format!(
            "apiVersion: orlop.dev/v1alpha1\nkind: GitSync\n\
             metadata: {{name: {name}, namespace: default}}\nspec:\n  source:\n    \
             url: {}\n    ref: {{branch: main}}\n    path: {path}\n  interval: {interval}\n{spec}",
            self.server.url(repository),
        );
        let file = self.desk.file(&format!("{name}.yaml"), &text);
        self.cluster.kubectl_ok(&["apply", "--server-side", "-f", file.to_str().unwrap()]);
    }

    /// Waits until a field of the GitSync has a value.
    pub(crate) fn wait(&self, name: &str, field: &str, value: &str) {
        self.wait_within(TIMEOUT, name, field, value);
    }

    /// The same for what takes longer than usual; `timeout` is kubectl's.
    pub(crate) fn wait_within(&self, timeout: &str, name: &str, field: &str, value: &str) {
        let condition = format!("--for=jsonpath={{{field}}}={value}");
        let line = ["wait", timeout, &condition, &format!("gitsync/{name}")];
        let output = self.cluster.kubectl().args(line).output().unwrap();
        if !output.status.success() {
            panic!("{field} did not become {value}:\n{}", self.describe(name));
        }
    }

    pub(crate) fn ready(&self, name: &str) {
        let line = ["wait", TIMEOUT, "--for=condition=Ready", &format!("gitsync/{name}")];
        let output = self.cluster.kubectl().args(line).output().unwrap();
        assert!(output.status.success(), "not ready:\n{}", self.describe(name));
    }

    pub(crate) fn describe(&self, name: &str) -> String {
        self.cluster.kubectl_ok(&["get", "gitsync", name, "-o", "yaml"])
    }

    pub(crate) fn get(&self, object: &str, path: &str) -> String {
        let path = format!("jsonpath={{{path}}}");
        self.cluster.kubectl_ok(&["get", object, "--ignore-not-found", "-o", &path])
    }

    /// Asks until the cluster says so; each question takes its time.
    pub(crate) fn until(&self, object: &str, path: &str, value: &str) {
        let end = Instant::now() + WAIT;
        while self.get(object, path) != value {
            assert!(Instant::now() < end, "{object}{path} is {:?}", self.get(object, path));
        }
    }
}

pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: \"{value}\"}}\n"
    )
}

/// Everything below a folder that holds this text as it is.
pub(crate) fn files_with(folder: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

pub(crate) fn ready_reason() -> &'static str {
    ".status.conditions[?(@.type==\"Ready\")].reason"
}

pub(crate) fn ready_status() -> &'static str {
    ".status.conditions[?(@.type==\"Ready\")].status"
}
