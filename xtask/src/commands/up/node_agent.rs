//! The demo's node agent: `orlop agent` as a DaemonSet, from the manifests in `deploy/`, and what
//! it sees of the demo's pods.

use super::{ANSWER_LIMIT, SERVICE, Target, address, ask};
use crate::{terminal, workspace};
use anyhow::{Context, bail};
use model::Span;
use std::convert::Infallible;
use std::io::Read as _;
use std::process::{Command as Process, Stdio};
use testbed::{Cluster, wait};

/// The manifests, below the root, and those of them that a cluster needs.
const MANIFESTS: &str = "deploy/agent";
const FILES: [&str; 4] = ["namespace.yaml", "config.yaml", "roles.yaml", "daemonset.yaml"];
/// Folders of a node as the manifests mount them: the pods' logs, and the agent's state. A node
/// of ours is a part of this host, where nothing may stay behind, so both are in the cluster's own
/// folder there.
const MOUNTED: [&str; 2] = ["path: /var/log/pods\n", "path: /var/lib/orlop/agent\n"];
/// Its namespace and name.
const AGENT: &str = "orlop-agent";
/// Records that are shown.
const SHOWN: &str = "2";

/// Delivers the agent. `is_new`: the image was built anew.
pub(super) fn install(target: &Target, cluster: &Cluster, is_new: bool) -> anyhow::Result<()> {
    let (source, folder) = (workspace::root()?.join(MANIFESTS), target.dir.join("agent"));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {folder:?}"))?;
    let own = [cluster.node(1)?.pod_logs(), target.dir.join("agent-state")];
    let own = own.map(|path| format!("path: {}\n", path.display()));
    for file in FILES {
        let path = source.join(file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let pairs = MOUNTED.iter().zip(&own);
        let text = pairs.fold(text, |text, (theirs, ours)| text.replace(theirs, ours));
        std::fs::write(folder.join(file), text)?;
    }
    let daemon_set = format!("daemonset/{AGENT}");
    let mut get = target.kubectl();
    let was_there = get.args(["get", "--namespace", AGENT, &daemon_set]).output()?.status.success();
    let mut apply = Process::new(workspace::orlop()?);
    apply.args(["sync", "apply"]).arg(&folder);
    apply.args(["--name", AGENT, "--timeout", "2m", "--kubeconfig"]).arg(&target.kubeconfig);
    terminal::warn(format_args!("$ {}", workspace::spoken(&apply)));
    workspace::run(&mut apply)?;
    if was_there && is_new {
        let mut restart = target.kubectl();
        restart.args(["rollout", "restart", "--namespace", AGENT, &daemon_set]);
        workspace::output(&mut restart)?;
        let mut wait = target.kubectl();
        wait.args(["rollout", "status", "--namespace", AGENT, &daemon_set, "--timeout=60s"]);
        workspace::output(&mut wait)?;
    }
    Ok(())
}

/// Shows what the agent sees of the demo's pods while they are asked.
pub(super) fn tap(target: &Target) -> anyhow::Result<()> {
    let mut kubectl = target.kubectl();
    kubectl.args(["exec", "--namespace", AGENT, &format!("daemonset/{AGENT}"), "--"]);
    kubectl.args(["/usr/bin/orlop", "agent", "tap", "--pod", &SERVICE.join("/")]);
    kubectl.args(["--count", SHOWN]);
    terminal::warn(format_args!("$ {}", workspace::spoken(&kubectl)));
    let mut child = kubectl.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let address = address(target)?;
    let ended = wait::until(ANSWER_LIMIT, || {
        // Each request is a line in the log of a pod.
        let _ = ask(&address);
        Ok::<_, Infallible>(matches!(child.try_wait(), Ok(Some(_)) | Err(_)).then_some(()))
    })?;
    if ended.is_none() {
        let _ = child.kill();
        let _ = child.wait();
        bail!("the agent saw nothing of the demo's pods within {}", Span(ANSWER_LIMIT));
    }
    let mut text = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut text)?;
    }
    let status = child.wait()?;
    anyhow::ensure!(status.success(), "kubectl exec: {status}");
    terminal::say(text.trim_end());
    Ok(())
}
