//! Clusters for tests: one that all share, and private control planes.
//!
//! [`shared`] gives the cluster of `ORLOP_TEST_KUBECONFIG`, or raises the one called `test`, which
//! stays up for the next run. A test takes a [`Namespace`] of its own on it. A test that breaks
//! its API server takes a [`ControlPlane`] of its own, which is gone when it is dropped; those of
//! test processes that were killed are cleared at the next start of one.
//!
//! Where the host lacks a piece (no root, no namespaces, no Go), the functions print
//! `SKIP <test>: <reason>` and give nothing:
//!
//! ```no_run
//! let Some(cluster) = testkit::cluster::shared() else { return };
//! let namespace = cluster.namespace();
//! cluster.kubectl_ok(&["get", "pods", "--namespace", namespace.name()]);
//! ```
//!
//! Anything else that goes wrong fails the test.

use model::Explain as _;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testbed::packages::{self, Scope};
use testbed::{Cluster, Spec, TestbedError, Tier, wait};

/// Environment variable with the kubeconfig of a cluster to run the tests on.
pub const KUBECONFIG_VARIABLE: &str = "ORLOP_TEST_KUBECONFIG";
/// Environment variable that forbids raising clusters; its value is the reason to print.
pub const NO_CLUSTER_VARIABLE: &str = "ORLOP_NO_CLUSTER";
/// The cluster that tests share.
const SHARED_NAME: &str = "test";
/// Private control planes are called this, the number of their process, and a counter.
const PRIVATE_PREFIX: &str = "private-";
/// For what the API server does by itself within a second.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// Numbers the namespaces and control planes of this process.
static COUNTER: AtomicU32 = AtomicU32::new(1);
/// One test of a process raises the shared cluster, the others wait for it.
static RAISING: Mutex<()> = Mutex::new(());

/// Prints that this test is skipped and why.
#[expect(clippy::print_stderr, reason = "the test runner shows what tests write to stderr")]
pub fn skip(reason: impl Display) {
    let thread = std::thread::current();
    eprintln!("SKIP {}: {reason}", thread.name().unwrap_or("test"));
}

/// The cluster that tests share: any control plane will do.
#[must_use]
pub fn shared() -> Option<SharedCluster> {
    given().or_else(|| raise_shared(Tier::ControlPlane))
}

/// The cluster that tests share, with nodes that run pods.
#[must_use]
pub fn shared_with_pods() -> Option<SharedCluster> {
    if let Some(cluster) = given() {
        return Some(cluster);
    }
    let missing = packages::missing(Scope::Nodes);
    if let Some(package) = missing.first() {
        skip(format_args!("{} is not installed: {}", package.name, package.without));
        return None;
    }
    raise_shared(Tier::Full { nodes: 1 })
}

/// A cluster that outlives the test.
#[derive(Debug, Clone)]
pub struct SharedCluster {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    cluster: Option<Cluster>,
}

impl SharedCluster {
    /// The admin's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The cluster that was raised; none when one was given by the environment.
    #[must_use]
    pub fn testbed(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// `kubectl` as the admin.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        kubectl(&self.kubectl, &self.kubeconfig)
    }

    /// Runs kubectl and gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl_ok(&self, arguments: &[&str]) -> String {
        run(self.kubectl().args(arguments), None)
    }

    /// A namespace that no other test has; deleted in the background when it is dropped.
    ///
    /// # Panics
    /// When it cannot be created.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        namespace(self)
    }
}

/// A namespace of its own on a shared cluster.
///
/// # Panics
/// When it cannot be created.
#[must_use]
pub fn namespace(cluster: &SharedCluster) -> Namespace {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    // A number of a process comes again; the namespace of a killed one may still be there.
    let moment = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_nanos();
    let name = format!("t-{}-{number}-{moment:x}", std::process::id());
    cluster.kubectl_ok(&["create", "namespace", &name]);
    wait_for_account(&|| cluster.kubectl(), &name);
    Namespace { name, cluster: cluster.clone() }
}

/// A namespace; see [`namespace`].
#[derive(Debug)]
pub struct Namespace {
    name: String,
    cluster: SharedCluster,
}

impl Namespace {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster that it is on.
    #[must_use]
    pub fn cluster(&self) -> &SharedCluster {
        &self.cluster
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut command = self.cluster.kubectl();
        command.args(["delete", "namespace", &self.name, "--wait=false", "--ignore-not-found"]);
        // The API server ends it in the background; a failure leaves a namespace nobody uses.
        let _ = command.stdin(Stdio::null()).output();
    }
}

/// A control plane of this test alone.
#[derive(Debug)]
pub struct ControlPlane {
    cluster: Cluster,
}

impl ControlPlane {
    /// Raises one. It is cleared when it is dropped.
    ///
    /// # Panics
    /// When it does not come up for another reason than a piece that the host lacks.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(false)
    }

    /// Raises one that writes an audit log to `logs/audit.log` in its folder.
    ///
    /// # Panics
    /// As [`ControlPlane::start`].
    #[must_use]
    pub fn start_audited() -> Option<Self> {
        Self::start_with(true)
    }

    fn start_with(audit: bool) -> Option<Self> {
        sweep();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PRIVATE_PREFIX}{}-{number}", std::process::id());
        let spec = Spec { name, tier: Tier::ControlPlane, audit };
        up(&spec).map(|cluster| Self { cluster })
    }

    /// The admin's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.cluster.kubeconfig()
    }

    /// The URL of the API server.
    #[must_use]
    pub fn server(&self) -> String {
        self.cluster.server()
    }

    /// The cluster behind it.
    #[must_use]
    pub fn testbed(&self) -> &Cluster {
        &self.cluster
    }

    /// `kubectl` as the admin.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        kubectl(&self.cluster.program_dir().join("kubectl"), &self.cluster.kubeconfig())
    }

    /// Runs kubectl and gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl_ok(&self, arguments: &[&str]) -> String {
        run(self.kubectl().args(arguments), None)
    }

    /// Ends the API server with SIGKILL; etcd keeps every object.
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill_api_server(&self) {
        done(self.cluster.kill("kube-apiserver"));
    }

    /// Starts the API server after a kill and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start_api_server(&self) {
        done(self.cluster.start("kube-apiserver"));
    }

    /// Kills the API server and starts it again.
    ///
    /// # Panics
    /// As its two parts.
    pub fn restart_api_server(&self) {
        self.kill_api_server();
        self.start_api_server();
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // What is left is cleared by the next control plane's start.
        let _ = Cluster::down(self.cluster.name(), &mut |_| {});
    }
}

/// Writes a kubeconfig for a new ServiceAccount that may do `verbs` on `resources` in
/// `namespace` and nothing else. `kubectl` is one that acts as the admin.
///
/// # Panics
/// When a step fails.
pub fn restricted_kubeconfig(
    kubectl: &dyn Fn() -> Command,
    namespace: &str,
    account: &str,
    verbs: &[&str],
    resources: &[&str],
    file: &Path,
) {
    let ok = |arguments: &[&str]| {
        let mut command = kubectl();
        run(command.args(["--namespace", namespace]).args(arguments), None)
    };
    let (verbs, resources) = (verbs.join(","), resources.join(","));
    let subject = format!("--serviceaccount={namespace}:{account}");
    ok(&["create", "serviceaccount", account]);
    ok(&["create", "role", account, "--verb", &verbs, "--resource", &resources]);
    ok(&["create", "rolebinding", account, "--role", account, &subject]);
    let token = ok(&["create", "token", account]);
    let config = ok(&["config", "view", "--raw", "--minify", "--flatten", "--output", "json"]);
    let mut config: Value = parsed(&config);
    if let Some(user) = config.pointer_mut("/users/0/user") {
        *user = json!({"token": token.trim()});
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut file| write!(file, "{config}"));
    assert!(written.is_ok(), "cannot write {}: {written:?}", file.display());
}

/// The cluster of the environment.
fn given() -> Option<SharedCluster> {
    let kubeconfig = PathBuf::from(std::env::var_os(KUBECONFIG_VARIABLE)?);
    let built = || {
        let components =
            testbed::components::ensure(testbed::components::Need::ControlPlane, &mut |_| {});
        components.ok().map(|components| components.kubectl())
    };
    let kubectl = packages::find_program("kubectl").or_else(built)?;
    Some(SharedCluster { kubeconfig, kubectl, cluster: None })
}

fn raise_shared(tier: Tier) -> Option<SharedCluster> {
    let _one = RAISING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let enough = |cluster: &Cluster| tier == Tier::ControlPlane || cluster.nodes() > 0;
    let known = done(Cluster::attach(SHARED_NAME)).filter(enough);
    let spec = || Spec { name: SHARED_NAME.to_owned(), tier, audit: false };
    let cluster = known.or_else(|| up(&spec()))?;
    Some(SharedCluster {
        kubeconfig: cluster.kubeconfig(),
        kubectl: cluster.program_dir().join("kubectl"),
        cluster: Some(cluster),
    })
}

/// Raises a cluster; a piece that the host lacks makes it a skip.
#[expect(clippy::print_stderr, reason = "long work on the first run says what it does")]
fn up(spec: &Spec) -> Option<Cluster> {
    if let Some(reason) = std::env::var_os(NO_CLUSTER_VARIABLE) {
        skip(format_args!("no cluster is raised: {}", reason.display()));
        return None;
    }
    match Cluster::up(spec, &mut |line| eprintln!("{line}")) {
        Ok((cluster, _)) => Some(cluster),
        Err(
            error @ (TestbedError::NeedsRoot
            | TestbedError::NoNamespaces { .. }
            | TestbedError::NoGo { .. }),
        ) => {
            skip(error);
            None
        }
        Err(error) => done(Err(error)),
    }
}

/// Clears the control planes of test processes that are gone.
fn sweep() {
    for name in Cluster::names() {
        let owner = name.strip_prefix(PRIVATE_PREFIX).and_then(|rest| rest.split('-').next());
        let Some(owner) = owner else { continue };
        if !Path::new("/proc").join(owner).exists() {
            // Another process may be clearing it at the same time.
            let _ = Cluster::down(&name, &mut |_| {});
        }
    }
}

fn kubectl(program: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
    command
}

/// Pods can be created as soon as the namespace's ServiceAccount is there.
fn wait_for_account(kubectl: &dyn Fn() -> Command, namespace: &str) {
    let found = wait::until(SETTLE_LIMIT, || {
        let mut command = kubectl();
        command.args(["--namespace", namespace, "get", "serviceaccount", "default"]);
        command.output().map(|output| output.status.success().then_some(()))
    });
    assert!(matches!(found, Ok(Some(()))), "no ServiceAccount in {namespace}: {found:?}");
}

/// Runs a command with an optional input and gives its output.
fn run(command: &mut Command, input: Option<&str>) -> String {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let output = command.spawn().and_then(|mut child| {
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    });
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        other => {
            failed(format_args!("{command:?}: {other:?}"));
        }
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| failed(format_args!("{text}: {error}")))
}

/// The value, or a failed test with the whole report.
fn done<T>(result: Result<T, TestbedError>) -> T {
    result.unwrap_or_else(|error| failed(model::report(&error, error.hint())))
}

#[expect(clippy::panic, reason = "a fixture that fails for no good reason fails the test")]
fn failed(why: impl Display) -> ! {
    panic!("{why}")
}
