//! `cargo xtask up`: sets everything up and runs the main job once, on real parts.
//!
//! It raises the cluster `demo`, builds and loads the demo's image, serves `examples/demo` from a
//! local Git server, installs the controller in the cluster and gives it a GitSync. Where pods
//! cannot run, `orlop sync run` does the same as a process of this host. Then it shows a push
//! arriving, a change by hand being reverted, a bad commit being refused with its reason, and the
//! node agent following the demo's pods. `cargo xtask down` undoes it all.

mod agent;
mod controller;
mod node_agent;

use super::{Command, UsageError};
use crate::{static_build, terminal, workspace};
use anyhow::{Context, bail};
use lexopt::prelude::{Long, ValueExt as _};
use model::{Exit, Span};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode, Stdio};
use std::time::{Duration, Instant};
use testbed::packages::{self, Scope};
use testbed::{Cluster, Spec, Tier, wait};

/// The cluster, the delivery and the repository of the demo.
pub(crate) const DEMO: &str = "demo";
/// The namespace and the Service that answer.
const SERVICE: [&str; 2] = ["demo", "web"];
/// The line that is changed in Git, before and after.
const CHANGE: [&str; 2] = ["value: Hello from Orlop", "value: Hello from the second commit"];
/// A field's name, and one that no cluster knows.
const MISTAKE: [&str; 2] = ["  replicas: 2", "  replica: 2"];
/// How long the Service may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

pub(crate) use agent::stop as stop_agent;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "up",
    about: "Raise a cluster and keep it equal to the demo's Git repository",
    help: "\
Sets up what is missing (packages as root, components, images), which takes some
ten minutes the first time and seconds after that. Without root the control
plane alone is raised: the demo is delivered to it, and its pods do not run.
The agent goes on until `cargo xtask down`.

Flags:
  --kubeconfig FILE   deliver the demo to a cluster that you have; nothing is raised

Examples:
  cargo xtask up
  cargo xtask up --kubeconfig ~/.kube/config
",
    run,
};

/// Where the demo is delivered to.
struct Target {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    /// Why pods do not run there, when they do not.
    no_pods: Option<String>,
    /// A folder that goes away with the target, and the tool's own state in it.
    dir: PathBuf,
    /// The host's address there; loopback where nothing else reaches it.
    host: Ipv4Addr,
}

impl Target {
    /// `kubectl` on it, as its admin.
    fn kubectl(&self) -> Process {
        let mut kubectl = Process::new(&self.kubectl);
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig);
        kubectl
    }

    /// How to read what the agent says.
    fn log(&self) -> String {
        match self.runs_pods() {
            true => {
                let words = controller::deployment("logs").join(" ");
                format!("kubectl {words} --follow")
            }
            false => format!("tail -f {}", self.dir.join("agent.log").display()),
        }
    }

    fn runs_pods(&self) -> bool {
        self.no_pods.is_none()
    }
}

/// The Git server of the demo.
#[derive(Serialize, Deserialize)]
struct Served {
    url: String,
    repository: PathBuf,
    #[serde(default)]
    pid: u32,
    /// The person's own cluster that the demo was delivered to.
    #[serde(default)]
    given: Option<PathBuf>,
}

/// A delivery, as `orlop sync list` tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    inventory_namespace: String,
    #[serde(default)]
    source: String,
}

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut given = None;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("kubeconfig") => given = Some(PathBuf::from(parser.value()?.string()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    let start = Instant::now();
    let mut times: Vec<Vec<String>> = Vec::new();
    let mut lap = Instant::now();
    let mut done = |what: &str| {
        times.push(vec![what.to_owned(), Span(lap.elapsed()).to_string()]);
        lap = Instant::now();
    };

    let target = target(given.as_deref())?;
    done("cluster");
    terminal::step("building orlop and the demo's Git server");
    workspace::build_programs()?;
    done("build");
    let served = serve(&target, given.is_some().then_some(&target.kubeconfig))?;
    done("Git server");

    let first = head(&served.repository)?;
    install(&target, &served)?;
    done("controller");
    delivered(&target, &first)?;
    done("first delivery");
    if answer(&target, "Hello from Orlop")? {
        done("the Service answers");
    }

    terminal::step("a push: one line changes in Git");
    let second = commit(&served.repository, CHANGE, "Greet from the second commit")?;
    delivered(&target, &second)?;
    done("the push arrives");
    if answer(&target, "Hello from the second commit")? {
        done("the Service answers anew");
    }
    terminal::step("somebody changes a field by hand");
    drift(&target)?;
    done("the change is reverted");
    terminal::step("a bad commit");
    refuse(&target, &served)?;
    done("the bad commit is refused");
    if target.runs_pods() {
        terminal::step("what the node agent sees of the demo's pods");
        node_agent::tap(&target)?;
        done("the node agent follows the pods");
    }

    terminal::say(format_args!("\n{}", terminal::columns(&times)));
    terminal::say(format_args!("\nall of it took {}", Span(start.elapsed())));
    next_steps(&target, &served, given.is_some());
    Ok(Exit::Clean.into())
}

/// The person's own cluster, or one that is raised now.
fn target(given: Option<&Path>) -> anyhow::Result<Target> {
    let mut say = |line: &str| terminal::warn(line);
    if let Some(kubeconfig) = given {
        let kubeconfig = kubeconfig.canonicalize().map_err(|error| {
            UsageError::new(format!("cannot read {}: {error}", kubeconfig.display()))
        })?;
        let dir = testbed::cluster::state_dir().join(".up");
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {dir:?}"))?;
        let no_pods = Some("the demo's image is only loaded into a cluster of our own".to_owned());
        let host = Ipv4Addr::LOCALHOST;
        return Ok(Target { kubeconfig, kubectl: "kubectl".into(), no_pods, dir, host });
    }
    terminal::step("packages and components");
    packages::ensure(Scope::Nodes, &mut say)?;
    let root = rustix::process::geteuid().is_root();
    let tier = if root { Tier::Full { nodes: 1 } } else { Tier::ControlPlane };
    let spec = Spec { name: DEMO.to_owned(), tier, audit: false };
    let (cluster, _) = Cluster::up(&spec, &mut say)?;
    if root {
        terminal::step("the demo's image");
        let built = static_build::image("web", &mut say)?;
        cluster.load(&built.archive)?;
    }
    Ok(Target {
        kubeconfig: cluster.kubeconfig(),
        kubectl: cluster.program_dir().join("kubectl"),
        no_pods: (!root).then(|| "pods need root".to_owned()),
        dir: cluster.dir().to_owned(),
        host: cluster.host_address(),
    })
}

/// Starts what delivers: in the cluster where pods run, on this host elsewhere.
fn install(target: &Target, served: &Served) -> anyhow::Result<()> {
    if !target.runs_pods() {
        terminal::step("an agent with a GitSync on the demo's repository");
        return agent::start(target, served);
    }
    terminal::step("the controller, in the cluster");
    let image = static_build::image("orlop", &mut |line| terminal::warn(line))?;
    let cluster = Cluster::attach(DEMO)?.context("the demo's cluster is gone")?;
    cluster.load(&image.archive)?;
    controller::install(target, served, !image.cached)?;
    terminal::step("the node agent, on each node");
    node_agent::install(target, &cluster, !image.cached)
}

/// The file that remembers the Git server.
fn state_file(dir: &Path) -> PathBuf {
    dir.join("git-server.json")
}

/// Starts the Git server with the demo's tree; it goes on when this process ends.
fn serve(target: &Target, given: Option<&PathBuf>) -> anyhow::Result<Served> {
    let dir = &target.dir;
    stop_server(dir)?;
    terminal::step("a local Git server with examples/demo");
    let program = workspace::target()?.join("debug/git-server");
    let temporary = dir.join("git");
    std::fs::create_dir_all(&temporary)?;
    // It outlives this command, so it may not keep the terminal or a pipe behind it open.
    let log = std::fs::File::create(dir.join("git-server.log"))?;
    let mut child = Process::new(&program)
        .arg(workspace::root()?.join("examples/demo"))
        .arg(DEMO)
        .arg(target.host.to_string())
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let mut served: Served =
        serde_json::from_str(&line).context("the Git server did not say its URL")?;
    served.pid = child.id();
    served.given = given.cloned();
    let state = state_file(dir);
    std::fs::write(&state, serde_json::to_vec_pretty(&served)?)
        .with_context(|| format!("cannot write {}", state.display()))?;
    Ok(served)
}

/// Takes the demo out of the cluster that the person gave to the last `up`, if one was given. The
/// Namespace and the CRD stay, because others may have put something into them since.
pub(crate) fn take_back(dir: &Path) -> anyhow::Result<()> {
    let Ok(bytes) = std::fs::read(state_file(dir)) else { return Ok(()) };
    let served: Served = serde_json::from_slice(&bytes)
        .with_context(|| format!("cannot read {}", state_file(dir).display()))?;
    let Some(kubeconfig) = served.given else { return Ok(()) };
    let mut command = Process::new(workspace::orlop()?);
    command.args(["sync", "list", "--output", "json", "--kubeconfig"]).arg(&kubeconfig);
    let list: Vec<Listed> = serde_json::from_str(&workspace::output(&mut command)?)?;
    let named = |one: &&Listed| one.source.starts_with(&served.url);
    let Some(delivery) = list.iter().find(named) else { return Ok(()) };
    let mut command = Process::new(workspace::orlop()?);
    command.args(["sync", "delete", "--name", &delivery.name, "--inventory-namespace"]);
    command.args([&delivery.inventory_namespace, "--yes"]).arg("--kubeconfig").arg(&kubeconfig);
    terminal::warn(format_args!("$ {}", workspace::spoken(&command)));
    workspace::run(&mut command)?;
    terminal::say(
        "what is left alone goes with `--prune-kind Namespace --prune-kind \
         CustomResourceDefinition.apiextensions.k8s.io` added to that command",
    );
    Ok(())
}

/// Ends the Git server that an earlier `up` started; says whether there was one.
pub(crate) fn stop_server(dir: &Path) -> anyhow::Result<bool> {
    let state = state_file(dir);
    let Ok(bytes) = std::fs::read(&state) else { return Ok(false) };
    let served: Served = serde_json::from_slice(&bytes)
        .with_context(|| format!("cannot read {}", state.display()))?;
    // The number may belong to another process by now: only the server itself is ended.
    let line = std::fs::read(format!("/proc/{}/cmdline", served.pid)).unwrap_or_default();
    let is_server =
        line.split(|byte| *byte == 0).next().is_some_and(|word| word.ends_with(b"/git-server"));
    let pid = i32::try_from(served.pid).ok().and_then(rustix::process::Pid::from_raw);
    if let (true, Some(pid)) = (is_server, pid) {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    let folder = dir.join("git");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::remove_file(&state)?;
    Ok(is_server)
}

/// The commit of `main`.
fn head(repository: &Path) -> anyhow::Result<String> {
    let mut git = Process::new("git");
    git.arg("-C").arg(repository).args(["rev-parse", "main"]);
    Ok(workspace::output(&mut git)?.trim().to_owned())
}

/// Waits until a commit is applied, and healthy where pods run.
fn delivered(target: &Target, commit: &str) -> anyhow::Result<()> {
    let wanted = if target.no_pods.is_some() { "/appliedRevision" } else { "/healthyRevision" };
    let what = format!("commit {commit}");
    let (status, took) = agent::until(target, &what, |s| agent::field(s, wanted) == commit)?;
    let counts = |name: &str| status.pointer(&format!("/lastOperation/counts/{name}")).cloned();
    terminal::say(format_args!(
        "commit {}: {} created, {} updated, {} unchanged, {} pruned; seen after {}",
        commit.get(..12).unwrap_or(commit),
        counts("created").unwrap_or_default(),
        counts("updated").unwrap_or_default(),
        counts("unchanged").unwrap_or_default(),
        counts("pruned").unwrap_or_default(),
        Span(took),
    ));
    Ok(())
}

/// Changes a live field by hand and waits until it is what Git says.
fn drift(target: &Target) -> anyhow::Result<()> {
    let [namespace, name] = SERVICE;
    let mut kubectl = target.kubectl();
    kubectl.args(["-n", namespace]);
    kubectl.args(["patch", "configmap", name, "--patch", "{\"data\":{\"note\":\"by hand\"}}"]);
    terminal::warn(format_args!("$ {}", workspace::spoken(&kubectl)));
    workspace::run(&mut kubectl)?;
    let healed = |status: &serde_json::Value| {
        agent::field(status, "/lastOperation/trigger") == "Drift"
            && agent::field(status, "/lastOperation/outcome") == "Succeeded"
    };
    let (status, took) = agent::until(target, "the reverted change", healed)?;
    let message = agent::field(&status, "/lastOperation/message");
    terminal::say(format_args!("{message}; seen after {}", Span(took)));
    Ok(())
}

/// Pushes a commit that the cluster would refuse, shows the reason, and mends it.
fn refuse(target: &Target, served: &Served) -> anyhow::Result<()> {
    commit(&served.repository, MISTAKE, "A mistake in a field's name")?;
    let refused = |status: &serde_json::Value| {
        ["RenderFailed", "ValidationFailed"].contains(&agent::ready(status).0.as_str())
    };
    let (status, _) = agent::until(target, "the refusal", refused)?;
    let (reason, message) = agent::ready(&status);
    terminal::say(format_args!("{reason}: {message}"));
    let [good, bad] = MISTAKE;
    let mended = commit(&served.repository, [bad, good], "Mend the field's name")?;
    delivered(target, &mended)
}

/// Commits a changed line on top of `main`, in a clone that is thrown away; gives the commit.
fn commit(repository: &Path, change: [&str; 2], message: &str) -> anyhow::Result<String> {
    let clone = repository.with_extension("clone");
    let git = |arguments: &[&str]| {
        let mut git = Process::new("git");
        git.args(["-c", "user.name=demo", "-c", "user.email=demo@orlop.dev"]);
        workspace::run(git.args(arguments))
    };
    let (from, to) = (repository.display().to_string(), clone.display().to_string());
    git(&["clone", "--quiet", "--branch", "main", &from, &to])?;
    let file = clone.join("web.yaml");
    let text = std::fs::read_to_string(&file).context("the demo has no web.yaml")?;
    let [before, after] = change;
    if !text.contains(before) {
        bail!("web.yaml has no line `{before}`");
    }
    std::fs::write(&file, text.replace(before, after))?;
    git(&["-C", &to, "commit", "--quiet", "--all", "--message", message])?;
    git(&["-C", &to, "push", "--quiet", "origin", "main"])?;
    std::fs::remove_dir_all(&clone).with_context(|| format!("cannot remove {to}"))?;
    head(repository)
}

/// Asks the Service over its cluster address until it answers with `wanted`; false when there are
/// no pods to answer.
fn answer(target: &Target, wanted: &str) -> anyhow::Result<bool> {
    if let Some(reason) = &target.no_pods {
        terminal::warn(format_args!("the Service is not asked: {reason}"));
        return Ok(false);
    }
    let address = address(target)?;
    let found = wait::until(ANSWER_LIMIT, || {
        let text = ask(&address).unwrap_or_default();
        Ok::<_, std::convert::Infallible>(text.contains(wanted).then_some(text))
    })?;
    let Some(text) = found else {
        bail!("http://{address}/ did not answer `{wanted}` within {}", Span(ANSWER_LIMIT));
    };
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    terminal::say(format_args!("$ curl http://{address}/\n{}", body.trim_end()));
    Ok(true)
}

/// The cluster address of the Service.
fn address(target: &Target) -> anyhow::Result<String> {
    let [namespace, service] = SERVICE;
    let mut kubectl = target.kubectl();
    kubectl.args(["-n", namespace, "get", "service", service]);
    kubectl.args(["-o", "jsonpath={.spec.clusterIP}"]);
    Ok(workspace::output(&mut kubectl)?.trim().to_owned())
}

/// One request to port 80, the whole answer as text.
fn ask(address: &str) -> std::io::Result<String> {
    let socket = format!("{address}:80").parse().map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&socket, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(64 << 10).read_to_string(&mut text)?;
    Ok(text)
}

/// How to go on.
fn next_steps(target: &Target, served: &Served, given: bool) {
    if let Some(reason) = &target.no_pods {
        terminal::say(format_args!("pods were not waited for: {reason}"));
    }
    let environment = if given {
        format!("export KUBECONFIG={}", target.kubeconfig.display())
    } else {
        format!("eval \"$(cargo xtask cluster env --name {DEMO})\"")
    };
    terminal::say(format_args!(
        "\nhow to go on:\n  {environment}\n  orlop sync list\n  \
         git clone {url} && cd {DEMO}    # push with: git push {path} main\n  \
         {log}\n  cargo xtask down",
        url = served.url,
        path = served.repository.display(),
        log = target.log(),
    ));
}
