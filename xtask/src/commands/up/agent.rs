//! The demo's agent where pods cannot run: `orlop sync run` as a process of this host; and what
//! either kind says of its work.

use super::controller::NAMESPACE;
use super::{DEMO, Served, Target};
use crate::{terminal, workspace};
use anyhow::{Context, bail};
use model::Span;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};
use testbed::wait;

/// How long a step of the demo may take.
const STEP_LIMIT: Duration = Duration::from_secs(120);
/// The label of the ConfigMap with the status.
const STATUS_LABEL: &str = "orlop.dev/gitsync-status";

/// The process, as `down` has to know it.
#[derive(Serialize, Deserialize)]
struct Running {
    pid: u32,
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("agent.json")
}

/// Starts the agent with a GitSync on the demo's repository; it goes on when this process ends.
pub(super) fn start(target: &Target, served: &Served) -> anyhow::Result<()> {
    stop(&target.dir)?;
    let file = target.dir.join("gitsync.yaml");
    let text = format!(
        "apiVersion: orlop.dev/v1alpha1\nkind: AgentConfig\nmetadata: {{name: {DEMO}}}\n\
         spec:\n  kubeconfig: {kubeconfig}\n  auditPath: audit.jsonl\n---\n\
         apiVersion: orlop.dev/v1alpha1\nkind: GitSync\n\
         metadata: {{name: {DEMO}, namespace: {NAMESPACE}}}\nspec:\n  source:\n    url: {url}\n    \
         ref: {{branch: main}}\n  interval: 1s\n",
        kubeconfig = target.kubeconfig.display(),
        url = served.url,
    );
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    let log = File::create(target.dir.join("agent.log"))?;
    let mut command = Process::new(workspace::orlop()?);
    command.args(["sync", "run", "--config"]).arg(&file);
    terminal::warn(format_args!("$ {} &", workspace::spoken(&command)));
    // It outlives this command, so it may not keep the terminal or a pipe behind it open.
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("cannot run orlop")?;
    let state = state_file(&target.dir);
    std::fs::write(&state, serde_json::to_vec_pretty(&Running { pid: child.id() })?)
        .with_context(|| format!("cannot write {}", state.display()))
}

/// Ends the agent that an earlier `up` started; says whether there was one.
pub(crate) fn stop(dir: &Path) -> anyhow::Result<bool> {
    let state = state_file(dir);
    let Ok(bytes) = std::fs::read(&state) else { return Ok(false) };
    let running: Running = serde_json::from_slice(&bytes)
        .with_context(|| format!("cannot read {}", state.display()))?;
    // The number may belong to another process by now: only the agent itself is ended.
    let line = std::fs::read(format!("/proc/{}/cmdline", running.pid)).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let is_agent = words.first().is_some_and(|word| word.ends_with(b"/orlop"))
        && words.get(1..3) == Some(&[b"sync".as_slice(), b"run".as_slice()]);
    let pid = i32::try_from(running.pid).ok().and_then(rustix::process::Pid::from_raw);
    if let (true, Some(pid)) = (is_agent, pid) {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    std::fs::remove_file(&state)?;
    Ok(is_agent)
}

/// The status of the demo's GitSync, as JSON; nothing before there is one.
fn status(target: &Target) -> anyhow::Result<serde_json::Value> {
    let mut kubectl = target.kubectl();
    kubectl.args(["get", "--namespace", NAMESPACE, "--output"]);
    if target.runs_pods() {
        kubectl.args(["jsonpath={.status}", "gitsyncs.orlop.dev", DEMO]);
    } else {
        kubectl.args(["jsonpath={.items[*].data.status\\.json}", "configmaps", "--selector"]);
        kubectl.arg(format!("{STATUS_LABEL}={DEMO}"));
    }
    let text = workspace::output(&mut kubectl)?;
    Ok(serde_json::from_str(text.trim()).unwrap_or_default())
}

/// Waits until the status is as wanted; gives it with the time that took.
pub(super) fn until(
    target: &Target,
    what: &str,
    good: impl Fn(&serde_json::Value) -> bool,
) -> anyhow::Result<(serde_json::Value, Duration)> {
    let start = Instant::now();
    let found = wait::until(STEP_LIMIT, || status(target).map(|s| good(&s).then_some(s)))?;
    match found {
        Some(status) => Ok((status, start.elapsed())),
        None => bail!("{what} did not come within {}: see `{}`", Span(STEP_LIMIT), target.log()),
    }
}

/// The condition `Ready`: its reason and its message.
pub(super) fn ready(status: &serde_json::Value) -> (String, String) {
    let all = status.get("conditions").and_then(|all| all.as_array());
    let ready = all.and_then(|all| {
        all.iter().find(|one| one.get("type").and_then(|t| t.as_str()) == Some("Ready"))
    });
    let text = |key: &str| {
        let value = ready.and_then(|ready| ready.get(key)).and_then(|value| value.as_str());
        value.unwrap_or_default().to_owned()
    };
    (text("reason"), text("message"))
}

/// A field of the status, as text.
pub(super) fn field<'a>(status: &'a serde_json::Value, pointer: &str) -> &'a str {
    status.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default()
}
