//! Several processes: one takes over from another, and shards share the work.

use crate::bed::Bed;
use crate::running::{Running, WAIT};
use crate::support::signal;
use std::time::Instant;
use testkit::proxy::Proxy;

fn replica(bed: &Bed, identity: &str) -> Running {
    let options = ["--namespace", "default", "--tenancy", "single", "--identity", identity];
    Running::start_with(&bed.desk, &options)
}

#[test]
fn operator_19_a_second_replica_takes_over_and_nothing_is_written_twice() {
    let Some(mut bed) = Bed::new() else { return };
    let proxy = Proxy::start(&bed.cluster.kubeconfig()).unwrap();
    bed.desk.variable("KUBECONFIG", proxy.kubeconfig());
    let first = bed.push(&[("one", "a")]);
    bed.sync("web", "app", "");
    let mut leader = replica(&bed, "one");
    bed.wait("web", ".status.healthyRevision", &first);
    let mut second = replica(&bed, "two");
    second.line_with("the API server answers");
    let version = bed.get("cm/one", ".metadata.resourceVersion");

    let killed = Instant::now();
    leader.child.kill().unwrap();
    second.line_with("\"leading\"");
    let taken = killed.elapsed();
    bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", "{\"data\":{\"value\":\"hand\"}}"]);
    bed.until("cm/one", ".data.value", "a");
    let healed = killed.elapsed();
    eprintln!("took over {taken:?} after kill -9, and reverted drift at {healed:?}");
    assert_ne!(bed.get("cm/one", ".metadata.resourceVersion"), version);

    let third = replica(&bed, "three");
    third.line_with("the API server answers");
    let stopped = Instant::now();
    signal(&second.child, "TERM");
    third.line_with("\"leading\"");
    eprintln!("took over {:?} after a clean stop", stopped.elapsed());
    assert_eq!(second.child.wait().unwrap().code(), Some(0));
    proxy.recorder().reset();
    let next = bed.push(&[("one", "b")]);
    bed.wait("web", ".status.healthyRevision", &next);
    let own = |target: &str| target.contains("/configmaps/one?");
    let writes: Vec<_> = proxy
        .recorder()
        .records()
        .into_iter()
        .filter(|record| record.call.writes() && !record.call.dry_run && own(&record.target))
        .collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
}

#[test]
fn every_gitsync_has_one_shard_that_works_on_it() {
    let Some(bed) = Bed::new() else { return };
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for name in names {
        let text = crate::bed::config_map(name, "1");
        let path = format!("{name}/x.yaml");
        bed.repository.push(&[(&path, text.as_bytes())], name).unwrap();
    }
    for name in names {
        bed.sync(name, name, "");
    }
    let shard = |index: &str| {
        let options = [
            "--namespace",
            "default",
            "--tenancy",
            "single",
            "--shards",
            "2",
            "--shard-index",
            index,
        ];
        Running::start_with(&bed.desk, &options)
    };
    let shards = [shard("0"), shard("1")];
    for name in names {
        bed.ready(name);
    }
    let series =
        |name: &str| format!("orlop_sync_ready{{namespace=\"default\",sync=\"{name}\"}} 1");
    let of = |running: &Running| -> Vec<&str> {
        let text = running.get("/metrics").2;
        names.into_iter().filter(|name| text.contains(&series(name))).collect()
    };
    let end = Instant::now() + WAIT;
    loop {
        let [one, two] = [of(&shards[0]), of(&shards[1])];
        assert!(one.iter().all(|name| !two.contains(name)), "{one:?} {two:?}");
        if one.len() + two.len() == names.len() {
            assert!(!one.is_empty() && !two.is_empty(), "{one:?} {two:?}");
            return;
        }
        assert!(Instant::now() < end, "{one:?} {two:?}");
    }
}
