//! The controller as pods of a real cluster, from the manifests that are committed.

use super::support::{Desk, ORLOP};
use std::path::Path;
use std::time::Duration;
use testbed::images;
use testkit::cluster::{SharedCluster, shared_with_pods, skip};
use testkit::git::{GitServer, GitServerOptions};

/// How long a step may take.
const LIMIT: Duration = Duration::from_secs(90);
/// The same for kubectl.
const TIMEOUT: &str = "--timeout=90s";
/// Where the manifests put the controller.
const SYSTEM: &str = "orlop-system";

/// Takes the controller and what it needs out of the cluster that other tests share.
struct Installed<'a>(&'a SharedCluster);

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        for what in [
            ["crd", "gitsyncs.orlop.dev"].as_slice(),
            &["namespace", SYSTEM],
            &["clusterrolebinding", "orlop-controller", "orlop-test-deployer"],
        ] {
            let mut kubectl = self.0.kubectl();
            kubectl.args(["delete", "--ignore-not-found", "--wait=false"]).args(what);
            let _ = kubectl.output();
        }
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = testbed::wait::until(LIMIT, || Ok::<_, std::convert::Infallible>(look()));
    found.unwrap().unwrap_or_else(|| panic!("{what} did not come"))
}

/// A tree with one ConfigMap.
fn tree(namespace: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: one, namespace: {namespace}}}\n\
         data: {{value: {value}}}\n"
    )
}

/// The pod that holds the lease; none while there is no holder among the pods.
fn leader(cluster: &SharedCluster) -> Option<String> {
    let get = |line: &[&str]| {
        let output = cluster.kubectl().args(["-n", SYSTEM, "get"]).args(line).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let holder = get(&["lease", "orlop-controller", "-o", "jsonpath={.spec.holderIdentity}"]);
    let pods = get(&["pods", "-o", "jsonpath={.items[*].metadata.name}"]);
    pods.split(' ').find(|pod| !pod.is_empty() && holder.contains(pod)).map(str::to_owned)
}

#[test]
fn gitops_12_pods_from_the_manifests_deliver_and_another_goes_on_when_the_leader_is_killed() {
    let Some(cluster) = shared_with_pods() else { return };
    let Some(bed) = cluster.testbed() else {
        skip("the image can only be loaded into a cluster of our own");
        return;
    };
    let cache = testbed::components::cache_dir();
    let image = images::of_linked_program(&cache, &images::ORLOP, Path::new(ORLOP)).unwrap();
    bed.load(&image.archive).unwrap();
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", cluster.kubeconfig());
    assert_eq!(desk.run(&["generate", "made"]).code, Some(0));
    let _installed = Installed(&cluster);
    let line = ["sync", "apply", "made/deploy/controller", "--name", "orlop", "--timeout", "2m"];
    let apply = desk.run(&line);
    assert_eq!(apply.code, Some(0), "{}", apply.show());

    let options =
        GitServerOptions { listen: Some(bed.host_address().into()), ..GitServerOptions::default() };
    let server = GitServer::start_with(&options).unwrap();
    let repository = server.repository("demo.git").unwrap();
    let namespace = cluster.namespace();
    let name = namespace.name();
    let first = repository.push(&[("one.yaml", tree(name, "a").as_bytes())], "one").unwrap();
    let text = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: deployer, namespace: {name}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
         metadata: {{name: deployer, namespace: {name}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}}\n\
         subjects:\n- {{kind: ServiceAccount, name: deployer, namespace: {name}}}\n---\n\
         apiVersion: orlop.dev/v1alpha1\nkind: GitSync\n\
         metadata: {{name: web, namespace: {name}}}\n\
         spec:\n  source:\n    url: {}\n    ref: {{branch: main}}\n  interval: 1s\n  \
         serviceAccountName: deployer\n",
        server.url("demo.git"),
    );
    let file = desk.file("gitsync.yaml", &text);
    cluster.kubectl_ok(&["apply", "--server-side", "-f", file.to_str().unwrap()]);
    let delivered = |revision: &str| {
        let condition = format!("--for=jsonpath={{.status.healthyRevision}}={revision}");
        let line = ["-n", name, "wait", TIMEOUT, &condition, "gitsync/web"];
        let output = cluster.kubectl().args(line).output().unwrap();
        let status = || cluster.kubectl_ok(&["-n", name, "get", "gitsync", "web", "-o", "yaml"]);
        assert!(output.status.success(), "{revision} is not delivered:\n{}", status());
    };
    delivered(&first);

    let old = until("a leader", || leader(&cluster));
    cluster.kubectl_ok(&["-n", SYSTEM, "delete", "pod", &old, "--grace-period=0", "--force"]);
    let second = repository.push(&[("one.yaml", tree(name, "b").as_bytes())], "two").unwrap();
    delivered(&second);
    let value = ["-n", name, "get", "cm", "one", "-o", "jsonpath={.data.value}"];
    assert_eq!(cluster.kubectl_ok(&value).trim(), "b");
    assert_ne!(until("another leader", || leader(&cluster)), old);
    cluster.kubectl_ok(&["-n", name, "delete", "gitsync", "web", TIMEOUT]);
}
