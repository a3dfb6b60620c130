//! What a GitSync may ask for: a refused head, rollback, charts, more operations than a status
//! holds.

use crate::bed::{Bed, config_map, ready_reason};
use testkit::git::Change;

#[test]
fn while_the_newest_revision_is_refused_drift_is_healed_to_the_last_good_one() {
    let Some(bed) = Bed::new() else { return };
    let good = bed.push(&[("one", "a"), ("two", "a")]);
    bed.sync("web", "app", "");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &good);
    let hand = "{\"data\":{\"value\":\"hand\"}}";
    let unreadable = [Change::RemoveAll, Change::File("app/one.yaml", b"kind: [\n")];
    let wrong = config_map("one", "b").replace("\ndata: {", "\ndota: {");
    let invalid = [Change::RemoveAll, Change::File("app/one.yaml", wrong.as_bytes())];
    for (changes, reason) in [(unreadable, "RenderFailed"), (invalid, "ValidationFailed")] {
        bed.repository.commit("main", &changes, "bad").unwrap();
        bed.wait("web", ready_reason(), reason);
        bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", hand]);
        bed.until("cm/one", ".data.value", "a");
        bed.cluster.kubectl_ok(&["delete", "cm", "two"]);
        bed.until("cm/two", ".data.value", "a");
        bed.wait("web", ready_reason(), reason);
    }
    // A process that is started now never applied the good one itself.
    drop(controller);
    bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", hand]);
    bed.cluster.kubectl_ok(&["delete", "cm", "two"]);
    let controller = bed.controller();
    bed.until("cm/one", ".data.value", "a");
    bed.until("cm/two", ".data.value", "a");
    bed.wait("web", ready_reason(), "ValidationFailed");
    assert_eq!(bed.get("gitsync/web", ".status.appliedRevision"), good);
    let mended = bed.push(&[("one", "c")]);
    bed.wait("web", ".status.healthyRevision", &mended);
    assert_eq!(bed.get("cm/two", ".data.value"), "");
    drop(controller);
}

#[test]
fn the_history_outlives_status_and_process_and_the_report_counts_all_of_it() {
    let Some(bed) = Bed::new() else { return };
    bed.sync("web", "app", "");
    let mut controller = bed.controller();
    let mut revisions = Vec::new();
    for n in 0..12 {
        revisions.push(bed.push(&[("one", &n.to_string())]));
        bed.wait("web", ".status.healthyRevision", revisions.last().unwrap());
        if n == 6 {
            drop(controller);
            controller = bed.controller();
        }
    }
    let lines = || bed.get("cm", ".items[?(@.data.history\\.jsonl)].data.history\\.jsonl");
    let last = revisions.last().unwrap();
    let complete = || lines().lines().filter(|line| line.contains("healthyAt")).count() >= 12;
    controller.metrics_until("the last record", |_| complete() && lines().contains(last.as_str()));
    let output = bed.desk.run(&["sync", "report", "--window", "30d", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        (&report["total"]["deployments"], &report["total"]["failed"]),
        (&12.into(), &0.into())
    );
    let output = bed.desk.run(&["sync", "history", "web", "--limit", "12", "-o", "json"]);
    let history: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let known: Vec<&str> =
        history.as_array().unwrap().iter().map(|one| one["revision"].as_str().unwrap()).collect();
    revisions.reverse();
    assert_eq!(known, revisions);
    assert_eq!(bed.get("gitsync/web", ".status.history").matches("revision").count(), 10);
}

#[test]
fn a_rollback_delivers_what_was_healthy_until_it_is_resumed() {
    let Some(bed) = Bed::new() else { return };
    let first = bed.push(&[("one", "a")]);
    bed.sync("web", "app", "");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    let second = bed.push(&[("one", "b")]);
    bed.wait("web", ".status.healthyRevision", &second);
    let ran = bed.desk.run(&["sync", "rollback", "web", "--reason", "b is bad"]);
    assert_eq!(ran.code, Some(0), "{}", ran.show());
    bed.wait("web", ".status.healthyRevision", &first);
    assert_eq!(bed.get("cm/one", ".data.value"), "a");
    // Pushes are left alone meanwhile.
    let third = bed.push(&[("one", "c")]);
    let ran = bed.desk.run(&["sync", "reconcile", "web"]);
    assert_eq!(ran.code, Some(0), "{}", ran.show());
    assert_eq!(bed.get("cm/one", ".data.value"), "a");
    let ran = bed.desk.run(&["sync", "resume", "web"]);
    assert_eq!(ran.code, Some(0), "{}", ran.show());
    bed.wait("web", ".status.healthyRevision", &third);
    assert_eq!(bed.get("cm/one", ".data.value"), "c");
    drop(controller);
}

#[test]
fn a_chart_is_rendered_with_its_values_and_delivered() {
    let Some(mut bed) = Bed::new() else { return };
    let helm = match testbed::peer("helm") {
        Ok(helm) => helm,
        Err(missing) => return testkit::cluster::skip(missing),
    };
    let path = std::env::var("PATH").unwrap_or_default();
    bed.desk.variable("PATH", format!("{}:{path}", helm.parent().unwrap().display()));
    let template = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-one}\n\
                     data: {value: {{ .Values.value | quote }}}\n";
    let files: [(&str, &[u8]); 3] = [
        ("chart/Chart.yaml", b"apiVersion: v2\nname: demo\nversion: 1.0.0\n"),
        ("chart/values.yaml", b"value: a\n"),
        ("chart/templates/one.yaml", template),
    ];
    let first = bed.repository.push(&files, "chart").unwrap();
    bed.sync("web", "chart", "  render: {helm: {releaseName: shop}}\n");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    assert_eq!(bed.get("cm/shop-one", ".data.value"), "a");
    bed.sync("web", "chart", "  render: {helm: {releaseName: shop, values: {value: b}}}\n");
    bed.until("cm/shop-one", ".data.value", "b");
    bed.ready("web");
    drop(controller);
}
