//! A folder, a namespace on a real API server, and a proxy that counts what goes there.

use cluster::{Client, ConnectOptions};
use delivery::{
    DeliveryError, DeliveryOptions, Outcome, OutcomeResult, Report, Silent, Source, Tree,
};
use std::path::Path;
use std::time::Duration;
use sync::{Action, Operation, Plan};
use testkit::cluster::{Namespace, SharedCluster};
use testkit::proxy::Proxy;
use tokio_util::sync::CancellationToken;

/// What one test needs. Everything it makes in the cluster goes with its namespace.
pub(crate) struct Bed {
    pub(crate) proxy: Proxy,
    pub(crate) client: Client,
    pub(crate) options: DeliveryOptions,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) namespace: Namespace,
    shared: SharedCluster,
}

impl Bed {
    /// `None` prints why the test is skipped.
    pub(crate) async fn start() -> Option<Self> {
        let shared = tokio::task::block_in_place(testkit::cluster::shared)?;
        let namespace = tokio::task::block_in_place(|| shared.namespace());
        let proxy = tokio::task::block_in_place(|| Proxy::start(shared.kubeconfig())).unwrap();
        let connect = ConnectOptions::from_kubeconfig(proxy.kubeconfig());
        let client = Client::connect(&connect).await.unwrap();
        let mut options = DeliveryOptions::new(namespace.name().parse().unwrap());
        options.namespace = namespace.name().to_owned();
        options.wait = false;
        options.timeout = Duration::from_secs(30);
        let folder = tempfile::tempdir().unwrap();
        Some(Self { proxy, client, options, folder, namespace, shared })
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.folder.path().join(file)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn load(&self) -> Tree {
        let source = Source::Directory(self.path().to_owned());
        delivery::load(&source, &delivery::LoadOptions::default(), &CancellationToken::new())
            .await
            .unwrap()
    }

    pub(crate) async fn plan(&self) -> Plan {
        let tree = self.load().await;
        let token = CancellationToken::new();
        delivery::plan(&self.client, &tree, &self.options, &Silent, &token).await.unwrap()
    }

    pub(crate) async fn try_apply(&self, saved: Option<&Plan>) -> Result<Report, DeliveryError> {
        let tree = self.load().await;
        let token = CancellationToken::new();
        delivery::apply(&self.client, &tree, &self.options, saved, &Silent, &token).await
    }

    pub(crate) async fn apply(&self) -> Report {
        self.try_apply(None).await.unwrap()
    }

    /// Applies and counts from zero: how many writes, how many requests.
    pub(crate) async fn apply_counted(&self) -> (Report, u64, u64) {
        self.proxy.recorder().reset();
        let report = self.apply().await;
        let recorder = self.proxy.recorder();
        (report, recorder.writes(), recorder.total())
    }

    /// kubectl in the test's namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let mut all = vec!["-n", self.namespace.name()];
        all.extend(arguments);
        tokio::task::block_in_place(|| self.shared.kubectl_ok(&all))
    }

    /// kubectl with a document on its standard input.
    pub(crate) fn kubectl_apply(&self, arguments: &[&str], document: &str) {
        let file = self.folder.path().join("..kubectl-input");
        std::fs::write(&file, document).unwrap();
        let mut all = arguments.to_vec();
        let path = file.display().to_string();
        all.extend(["-f", &path]);
        self.kubectl(&all);
        std::fs::remove_file(file).unwrap();
    }

    /// One field of an object, as kubectl's jsonpath prints it.
    pub(crate) fn field(&self, object: &str, path: &str) -> String {
        self.kubectl(&["get", object, "-o", &format!("jsonpath={{{path}}}")])
    }

    /// Whether a resource of an API group and version is served.
    pub(crate) fn serves(&self, resource: &str, group_version: &str) -> bool {
        let path = format!("/apis/{group_version}");
        self.kubectl(&["get", "--raw", &path]).contains(&format!("\"name\":\"{resource}\""))
    }

    pub(crate) fn exists(&self, object: &str) -> bool {
        !self.kubectl(&["get", object, "--ignore-not-found", "-o", "name"]).trim().is_empty()
    }
}

/// A ConfigMap with one value.
pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: '{value}'}}\n---\n"
    )
}

/// The outcome for an object of this name.
pub(crate) fn outcome<'a>(report: &'a Report, name: &str) -> &'a Outcome {
    let found = report.outcomes.iter().find(|outcome| outcome.object.name == name);
    found.unwrap_or_else(|| unreachable!("no outcome for {name} in {:#?}", report.outcomes))
}

/// The planned operation for an object of this name.
pub(crate) fn operation<'a>(plan: &'a Plan, name: &str) -> &'a Operation {
    let found = plan.operations.iter().find(|operation| operation.object.name == name);
    found.unwrap_or_else(|| unreachable!("no operation for {name} in {:#?}", plan.operations))
}

/// Action and name of everything that was done, in order.
pub(crate) fn done(report: &Report) -> Vec<(Action, &str)> {
    report
        .outcomes
        .iter()
        .filter(|outcome| outcome.result == OutcomeResult::Done)
        .map(|outcome| (outcome.action, outcome.object.name.as_str()))
        .collect()
}
