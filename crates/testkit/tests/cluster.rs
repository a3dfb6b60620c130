//! The cluster fixtures: what each promises to a test.

use testkit::cluster::{ControlPlane, restricted_kubeconfig, shared};

#[test]
fn a_namespace_is_the_tests_own_and_ends_with_it() {
    let Some(cluster) = shared() else { return };
    let (one, other) = (cluster.namespace(), cluster.namespace());
    assert_ne!(one.name(), other.name());
    let name = one.name().to_owned();
    drop(one);
    let phase = ["get", "namespace", &name, "--output", "jsonpath={.status.phase}"];
    let output = cluster.kubectl().args(phase).output().unwrap();
    assert_ne!(String::from_utf8_lossy(&output.stdout), "Active");
}

#[test]
fn a_private_control_plane_keeps_its_objects_over_a_restart_and_leaves_nothing() {
    let Some(plane) = ControlPlane::start() else { return };
    plane.kubectl_ok(&["create", "configmap", "kept", "--from-literal=a=b"]);
    plane.kill_api_server();
    let down = plane.kubectl().args(["get", "configmap", "kept"]).output().unwrap();
    assert!(!down.status.success());
    plane.start_api_server();
    assert!(plane.kubectl_ok(&["get", "configmap", "kept"]).contains("kept"));
    let folder = plane.testbed().dir().to_owned();
    drop(plane);
    assert!(!folder.exists());
}

#[test]
fn a_restricted_account_may_do_what_it_was_given_and_nothing_else() {
    let Some(cluster) = shared() else { return };
    let namespace = cluster.namespace();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let (verbs, resources) = (["get", "list"], ["configmaps"]);
    let kubectl = || cluster.kubectl();
    restricted_kubeconfig(&kubectl, namespace.name(), "reader", &verbs, &resources, &file);
    let as_reader = |arguments: &[&str]| {
        let mut command = cluster.kubectl();
        command.env("KUBECONFIG", &file).args(["--namespace", namespace.name()]);
        command.args(arguments).output().unwrap()
    };
    assert!(as_reader(&["get", "configmaps"]).status.success());
    let refused = as_reader(&["create", "configmap", "a"]);
    let said = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(said.contains("forbidden"), "{said}");
    assert!(!as_reader(&["get", "secrets"]).status.success());
}
