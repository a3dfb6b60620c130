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

/// The looks at its sources that a process has made.
fn looks(running: &Running) -> u64 {
    let text = running.get("/metrics").2;
    let counts = text.lines().filter(|line| line.starts_with("orlop_git_requests_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn gitops_12_a_new_leader_reverts_what_drifted_meanwhile_with_its_first_look() {
    let Some(mut bed) = Bed::new() else { return };
    let proxy = Proxy::start(&bed.cluster.kubeconfig()).unwrap();
    bed.desk.variable("KUBECONFIG", proxy.kubeconfig());
    let first = bed.push(&[("one", "a"), ("two", "a")]);
    // Whoever waits for an interval or a pause waits for an hour.
    bed.sync_every("1h", "web", "app", "  retry: {pause: 1h, pauseMax: 1h}\n");
    let mut leader = replica(&bed, "one");
    bed.wait("web", ".status.healthyRevision", &first);
    let second = replica(&bed, "two");
    second.line_with("the API server answers");
    assert!(!second.leads());

    leader.child.kill().unwrap();
    leader.child.wait().unwrap();
    proxy.recorder().reset();
    bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", "{\"data\":{\"value\":\"hand\"}}"]);
    bed.cluster.kubectl_ok(&["delete", "cm", "two"]);
    second.line_with("\"leading\"");
    bed.until("cm/one", ".data.value", "a");
    bed.until("cm/two", ".data.value", "a");
    bed.wait("web", ".status.lastOperation.trigger", "Drift");
    assert_eq!(looks(&second), 1, "the source was asked once");

    // It takes the lease, then looks at what is there, and only then writes; each once.
    let records = proxy.recorder().records();
    let at = |what: &str, is: &dyn Fn(&testkit::proxy::Record) -> bool| {
        let found: Vec<_> = (0..records.len()).filter(|at| is(&records[*at])).collect();
        let all = || records.iter().map(|record| format!("{:?}", record.call)).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{what}: {:#?}", all());
        found[0]
    };
    let lists = |resource: &'static str| {
        move |record: &testkit::proxy::Record| {
            let call = &record.call;
            (call.verb.as_str(), call.resource.as_str()) == ("list", resource)
        }
    };
    let writes = |name: &'static str| {
        move |record: &testkit::proxy::Record| {
            let call = &record.call;
            call.writes()
                && !call.dry_run
                && record.target.contains(&format!("/configmaps/{name}?"))
        }
    };
    let syncs = at("the list of GitSyncs", &lists("gitsyncs.orlop.dev"));
    let label = |record: &testkit::proxy::Record| {
        lists("configmaps")(record) && record.target.contains("orlop.dev%2Fdelivery%3D")
    };
    let objects = at("the list of what was delivered", &label);
    let (one, two) = (at("one", &writes("one")), at("two", &writes("two")));
    assert!(syncs < objects && objects < one && objects < two);
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
