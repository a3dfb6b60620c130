//! The demo's controller: `orlop` as pods of the cluster, from the manifests in `deploy/`.
//!
//! It is delivered as a person would deliver it, by `orlop sync apply`, and given a GitSync with a
//! service account of its own: the controller acts only with the rights of that account.

use super::{DEMO, Served, Target};
use crate::{terminal, workspace};
use anyhow::Context;
use std::process::Command as Process;

/// The manifests, below the root.
const MANIFESTS: &str = "deploy/controller";
/// Where the controller runs, and what it is called.
pub(super) const CONTROLLER: [&str; 2] = ["orlop-system", "orlop-controller"];
/// The namespace of the GitSync.
pub(super) const NAMESPACE: &str = "default";

/// Delivers the controller and the GitSync. `is_new`: the image was built anew, so that pods of an
/// earlier `up` have to be replaced although their manifest is the same.
pub(super) fn install(target: &Target, served: &Served, is_new: bool) -> anyhow::Result<()> {
    let was_there = target.kubectl().args(deployment("get")).output()?.status.success();
    let mut apply = Process::new(workspace::orlop()?);
    apply.args(["sync", "apply"]).arg(workspace::root()?.join(MANIFESTS));
    apply.args(["--name", "orlop", "--timeout", "2m", "--kubeconfig"]).arg(&target.kubeconfig);
    terminal::warn(format_args!("$ {}", workspace::spoken(&apply)));
    workspace::run(&mut apply)?;
    if was_there && is_new {
        workspace::output(target.kubectl().args(deployment("restart")))?;
    }
    let file = target.dir.join("gitsync.yaml");
    std::fs::write(&file, git_sync(served))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let mut apply = target.kubectl();
    apply.args(["apply", "--server-side", "--filename"]).arg(&file);
    terminal::warn(format_args!("$ {}", workspace::spoken(&apply)));
    workspace::run(&mut apply)
}

/// Words that do something to the controller's Deployment.
pub(super) fn deployment(verb: &str) -> Vec<String> {
    let [namespace, name] = CONTROLLER;
    let rollout = (verb == "restart").then_some("rollout");
    let words = rollout.into_iter().chain([verb, "--namespace", namespace]);
    words.map(str::to_owned).chain([format!("deployment/{name}")]).collect()
}

/// A GitSync on the demo's repository. The tree has a Namespace, a CRD and roles in it, so its
/// account is an administrator; a tenant's would have rights in its own namespaces only.
fn git_sync(served: &Served) -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\n\
         metadata: {{name: {DEMO}-deployer, namespace: {NAMESPACE}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n\
         metadata: {{name: {DEMO}-deployer}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}\n\
         subjects:\n- {{kind: ServiceAccount, name: {DEMO}-deployer, \
         namespace: {NAMESPACE}}}\n---\n\
         apiVersion: orlop.dev/v1alpha1\nkind: GitSync\n\
         metadata: {{name: {DEMO}, namespace: {NAMESPACE}}}\nspec:\n  source:\n    url: {url}\n    \
         ref: {{branch: main}}\n  interval: 1s\n  serviceAccountName: {DEMO}-deployer\n",
        url = served.url,
    )
}
