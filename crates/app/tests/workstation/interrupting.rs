//! Ctrl-C and SIGTERM in the middle of an apply.

use crate::support::{Desk, Ran, signal};
use std::process::Child;
use std::time::Duration;
use testkit::cluster::{Namespace, shared};
use testkit::proxy::{Fault, Proxy, Release, Rule};

/// Objects in the tree; one request at a time.
const OBJECTS: usize = 6;
const WAIT: Duration = Duration::from_secs(60);

fn desk(proxy: &Proxy, namespace: &Namespace) -> Desk {
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", proxy.kubeconfig());
    for number in 0..OBJECTS {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}}}\n");
        desk.file(&format!("app/{number}.yaml"), &text);
    }
    let config =
        format!("sync:\n  namespace: {0}\n  name: {0}\n  concurrency: 1\n", namespace.name());
    desk.file(".config/orlop/config.yaml", &config);
    desk
}

/// An apply whose third object does not get through.
fn stuck(proxy: &Proxy, desk: &Desk) -> (Child, Release) {
    let (fault, release) = Fault::delay();
    proxy.fault(Rule::new("apply", "configmaps", fault).from_nth(3).always());
    let child = desk.start(&["sync", "apply", "app"]);
    assert!(proxy.recorder().wait_for("apply", "configmaps", 3, WAIT), "the apply did not begin");
    (child, release)
}

fn stopped(name: &str, code: i32) {
    let Some(cluster) = shared() else { return };
    let (namespace, proxy) = (cluster.namespace(), Proxy::start(cluster.kubeconfig()).unwrap());
    let desk = desk(&proxy, &namespace);
    let (child, release) = stuck(&proxy, &desk);
    signal(&child, name);
    release.open();
    let ran: Ran = desk.wait(child);
    assert_eq!(ran.code, Some(code), "{}", ran.show());
    for part in ["interrupted:", "created ConfigMap", "not begun", "run the same command again"] {
        assert!(ran.stderr.contains(part), "`{part}` is not in:\n{}", ran.stderr);
    }
    proxy.clear_faults();
    let again = desk.run(&["sync", "apply", "app"]);
    assert_eq!(again.code, Some(0), "{}", again.show());
    assert_eq!(desk.run(&["sync", "plan", "app"]).code, Some(0));
}

#[test]
fn ctrl_c_says_what_was_applied_ends_in_130_and_a_rerun_converges() {
    stopped("INT", 130);
}

#[test]
fn sigterm_ends_in_143_and_a_rerun_converges() {
    stopped("TERM", 143);
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let Some(cluster) = shared() else { return };
    let (namespace, proxy) = (cluster.namespace(), Proxy::start(cluster.kubeconfig()).unwrap());
    let desk = desk(&proxy, &namespace);
    let (mut child, _release) = stuck(&proxy, &desk);
    // Signals of one kind that arrive together count once: repeat until it is over.
    let mut code = None;
    while code.is_none() {
        signal(&child, "INT");
        code = child.try_wait().unwrap().map(|status| status.code());
        std::thread::yield_now();
    }
    assert_eq!(code, Some(Some(130)));
}
