//! What watches and leaders do when the API server goes away and comes back. Each test has a
//! control plane of its own, because it ends a real API server with SIGKILL.

use crate::lease::Candidates;
use crate::{PATIENCE, kind, told};
use cluster::{Client, ConnectOptions, LeaseTimes, ListOptions, Watch};
use std::time::{Duration, Instant};
use testkit::cluster::ControlPlane;

/// Every namespace has this one, made by a controller whenever it likes.
const NOT_THE_CONTROLLERS: &str = "metadata.name!=kube-root-ca.crt";

/// Makes, changes and deletes ConfigMaps as an administrator.
struct Hand<'a>(&'a ControlPlane);

impl Hand<'_> {
    fn create(&self, name: &str) {
        self.0.kubectl_ok(&["create", "configmap", name, "--from-literal=n=1"]);
    }

    fn change(&self, name: &str, value: &str) {
        let patch = format!(r#"{{"data":{{"n":"{value}"}}}}"#);
        self.0.kubectl_ok(&["patch", "configmap", name, "--patch", &patch]);
    }

    fn delete(&self, name: &str) {
        self.0.kubectl_ok(&["delete", "configmap", name]);
    }
}

async fn client(plane: &ControlPlane) -> Client {
    Client::connect(&ConnectOptions::from_kubeconfig(plane.kubeconfig())).await.unwrap()
}

/// All events up to `last`.
async fn told_until(watch: &mut Watch, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let event = told(watch).await;
        if event == last {
            return all;
        }
        all.push(event);
    }
}

/// The next three changes, sorted: their order depends on whether the server could go on from the
/// old version or had to be listed again.
async fn three(watch: &mut Watch) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < 3 {
        all.extend(Some(told(watch).await).filter(|event| event != "="));
    }
    all.sort();
    all
}

// One thread: while a test waits for kubectl the watch cannot come back, so that what kubectl did
// happened in the gap for certain.
#[tokio::test(flavor = "current_thread")]
async fn gitops_20_a_watch_tells_every_change_once_over_restarts_of_a_real_api_server() {
    let Some(plane) = ControlPlane::start() else { return };
    let hand = Hand(&plane);
    let client = client(&plane).await;
    let resource = kind(&client, "v1", "ConfigMap").await;
    let options = ListOptions {
        namespace: "default".into(),
        fields: NOT_THE_CONTROLLERS.into(),
        ..ListOptions::default()
    };
    for name in ["a", "b", "still"] {
        hand.create(name);
    }
    let mut watch = client.watch(&resource, options);
    assert_eq!(told_until(&mut watch, "=").await, ["+a", "+b", "+still"]);
    hand.change("a", "2");
    assert_eq!(told(&mut watch).await, "~a");

    plane.restart_api_server();
    hand.change("a", "3");
    hand.delete("b");
    hand.create("c");
    assert_eq!(three(&mut watch).await, ["+c", "-b", "~a"]);

    // Now down for so long that the watch complains, which is when it lists again.
    plane.kill_api_server();
    let complaint = async {
        loop {
            if let Err(error) = watch.next().await {
                return error;
            }
        }
    };
    let complaint = tokio::time::timeout(PATIENCE, complaint).await.expect("a complaint in time");
    assert!(complaint.is_transient(), "{complaint}");
    plane.start_api_server();
    hand.change("c", "2");
    hand.delete("a");
    hand.create("b");
    assert_eq!(three(&mut watch).await, ["+b", "-a", "~c"]);
    // Nothing was told twice, and what did not change was not told at all.
    hand.create("z");
    let rest = told_until(&mut watch, "+z").await;
    assert!(rest.iter().all(|event| event == "="), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_19_a_leader_stops_within_an_outage_and_leads_again_after_it() {
    let Some(plane) = ControlPlane::start() else { return };
    let lease = Duration::from_secs(9);
    let times = LeaseTimes::new(9, Duration::from_secs(7), Duration::from_millis(300)).unwrap();
    let mut candidates = Candidates::new("default", times);
    // Two processes have two connections.
    candidates.add(&client(&plane).await, "a");
    candidates.add(&client(&plane).await, "b");
    let first = candidates.next().await;
    assert!(first.leads);

    plane.kill_api_server();
    let killed = Instant::now();
    let ended = candidates.next().await;
    assert_eq!((ended.identity, ended.fence, ended.leads), (first.identity, first.fence, false));
    // Nobody leads for the rest of the lease and beyond it, while the server is away.
    let end = tokio::time::Instant::from_std(killed + lease);
    let early = tokio::time::timeout_at(end, candidates.next()).await;
    assert!(early.is_err(), "{early:?}");

    plane.start_api_server();
    let second = candidates.next().await;
    assert!(second.leads && second.fence > first.fence && second.at > ended.at, "{second:?}");
    let holder = ["get", "lease", "leader", "--output", "jsonpath={.spec.holderIdentity}"];
    assert_eq!(plane.kubectl_ok(&holder), second.identity);
    // The other one is not at it as well: it begins when this one has stopped.
    candidates.stop(second.identity);
    let stopped = candidates.next().await;
    assert_eq!((stopped.identity, stopped.leads), (second.identity, false));
    let third = candidates.next().await;
    assert!(third.leads && third.identity != second.identity, "{third:?}");
}
