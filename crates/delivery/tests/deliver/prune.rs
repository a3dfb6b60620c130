//! What may be deleted, and everything that stops it.

use crate::bed::{Bed, config_map, done, operation, outcome};
use cluster::{Client, ConnectOptions};
use delivery::{DeletePolicy, OutcomeResult, Silent};
use model::Exit;
use sync::Action;
use testkit::proxy::{Fault, Rule};
use tokio_util::sync::CancellationToken;

/// A bed with three delivered ConfigMaps: a, b, c; one file each.
async fn delivered() -> Option<Bed> {
    let mut bed = Bed::start().await?;
    for name in ["a", "b", "c"] {
        bed.write(&format!("{name}.yaml"), &config_map(name, "x"));
    }
    assert_eq!(bed.apply().await.done(), 3);
    bed.options.prune = true;
    Some(bed)
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_what_left_the_tree_is_pruned_and_forgotten() {
    let Some(bed) = delivered().await else { return };
    bed.remove("b.yaml");
    assert_eq!(operation(&bed.plan().await, "b").action, Action::Prune);
    assert_eq!(done(&bed.apply().await), [(Action::Prune, "b")]);
    assert!(!bed.exists("configmap/b") && bed.exists("configmap/a"));
    let (_, writes, _) = bed.apply_counted().await;
    assert_eq!(writes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_without_prune_an_object_is_left_alone_and_stays_recorded() {
    let Some(mut bed) = delivered().await else { return };
    bed.remove("b.yaml");
    bed.options.prune = false;
    let plan = bed.plan().await;
    assert_eq!(operation(&plan, "b").action, Action::Keep);
    assert_eq!(plan.exit(), Exit::Clean);
    let (_, writes, _) = bed.apply_counted().await;
    assert_eq!(writes, 0);
    bed.options.prune = true;
    assert_eq!(done(&bed.apply().await), [(Action::Prune, "b")], "it was still recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_an_empty_source_a_broken_document_and_the_limits_prune_nothing() {
    let Some(mut bed) = delivered().await else { return };
    for name in ["a", "b", "c"] {
        bed.remove(&format!("{name}.yaml"));
    }
    let report = bed.apply().await;
    assert_eq!((report.done(), report.refusals.len(), report.exit()), (0, 1, Exit::CouldNot));
    bed.write("a.yaml", &config_map("a", "x"));
    bed.write("broken.yaml", "a: b: c\n");
    let report = bed.apply().await;
    assert_eq!((report.done(), report.refusals.len()), (0, 1));
    bed.remove("broken.yaml");
    bed.options.guards.objects_max = 1;
    let report = bed.apply().await;
    assert_eq!((report.done(), report.refusals.len()), (0, 1));
    assert!(report.refusals[0].message.contains("the limit is 1"), "{:?}", report.refusals);
    bed.options.guards.objects_max = 2;
    assert_eq!(bed.apply().await.done(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_nothing_is_pruned_while_a_list_or_the_discovery_fails() {
    let Some(mut bed) = delivered().await else { return };
    bed.remove("b.yaml");
    let failing = || Fault::Status { code: 503, retry_after_seconds: None };
    for fault in [
        Rule::new("list", "configmaps", failing()).always(),
        // The record can be read, the objects cannot.
        Rule::new("list", "configmaps", failing()).from_nth(2).always(),
        Rule::new("list", "configmaps", Fault::Cut).from_nth(2).always(),
        Rule::new("get", "/api", failing()).always(),
        Rule::new("get", "/api", Fault::Status { code: 404, retry_after_seconds: None }).always(),
    ] {
        let shown = format!("{fault:?}");
        // A client that knows nothing yet, and gives up soon.
        let mut options = ConnectOptions::from_kubeconfig(bed.proxy.kubeconfig());
        options.tries_max = 2;
        bed.client = Client::connect(&options).await.unwrap();
        bed.proxy.clear_faults();
        bed.proxy.recorder().reset();
        bed.proxy.fault(fault);
        let outcome = bed.try_apply(None).await;
        bed.proxy.clear_faults();
        let pruned = outcome.as_ref().map_or(0, delivery::Report::done);
        assert_eq!((pruned, bed.proxy.recorder().writes()), (0, 0), "{shown}: {outcome:?}");
        assert!(outcome.is_err() || outcome.unwrap().exit() == Exit::CouldNot, "{shown}");
        assert!(bed.exists("configmap/b"), "{shown}");
    }
    assert_eq!(done(&bed.apply().await), [(Action::Prune, "b")], "it was still recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_an_annotation_or_a_guarded_kind_keeps_an_object() {
    let Some(mut bed) = delivered().await else { return };
    let inner = format!("{}-kept", bed.namespace.name());
    bed.write("n.yaml", &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {inner}}}\n"));
    bed.apply().await;
    bed.kubectl(&["annotate", "configmap", "b", "orlop.dev/prune=disabled"]);
    bed.remove("b.yaml");
    bed.remove("n.yaml");
    let report = bed.apply().await;
    assert_eq!(outcome(&report, "b").result, OutcomeResult::Kept);
    let kept = outcome(&report, &inner);
    assert_eq!(kept.result, OutcomeResult::Kept);
    assert!(kept.reason.as_ref().unwrap().contains("only when named"), "{kept:?}");
    bed.options.guards.kinds = [objects::GroupKind::new("", "Namespace")].into();
    assert_eq!(bed.apply().await.done(), 1);
    assert!(!bed.exists(&format!("namespace/{inner}")), "it was waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_a_copied_label_never_makes_a_candidate() {
    let Some(bed) = delivered().await else { return };
    bed.kubectl(&["create", "configmap", "foreign"]);
    let label = format!("orlop.dev/delivery={}", bed.options.name);
    bed.kubectl(&["label", "configmap", "foreign", &label]);
    let (report, writes, _) = bed.apply_counted().await;
    assert_eq!((report.outcomes.len(), writes), (0, 0));
    assert!(bed.exists("configmap/foreign"));
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_an_object_that_somebody_made_again_is_not_pruned() {
    let Some(bed) = delivered().await else { return };
    bed.kubectl(&["delete", "configmap", "b"]);
    bed.kubectl(&["create", "configmap", "b"]);
    bed.remove("b.yaml");
    let report = bed.apply().await;
    assert_eq!(report.done(), 0);
    assert!(bed.exists("configmap/b"));
    assert!(report.warnings[0].message.contains("another object has its name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_an_object_that_moved_to_another_delivery_is_handed_over() {
    let Some(mut bed) = delivered().await else { return };
    let first = bed.options.clone();
    for name in ["a", "c"] {
        bed.remove(&format!("{name}.yaml"));
    }
    bed.options.name = format!("{}-b", first.name).parse().unwrap();
    assert_eq!(bed.apply().await.exit(), Exit::CouldNot, "it belongs to the first one");
    bed.options.force_conflicts = true;
    assert_eq!(done(&bed.apply().await), [(Action::Takeover, "b")]);
    bed.options = first;
    bed.remove("b.yaml");
    bed.write("a.yaml", &config_map("a", "x"));
    bed.write("c.yaml", &config_map("c", "x"));
    assert_eq!(done(&bed.apply().await), [(Action::HandOver, "b")]);
    assert!(bed.exists("configmap/b"));
    let managers = bed.field("configmap/b", ".metadata.managedFields[*].manager");
    assert_eq!(managers, format!("orlop-sync-{}-b", bed.options.name));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_a_finalizer_holds_is_reported_and_stays_recorded() {
    let Some(mut bed) = delivered().await else { return };
    bed.kubectl(&[
        "patch",
        "configmap",
        "b",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":["example.com/hold"]}}"#,
    ]);
    bed.remove("b.yaml");
    bed.options.timeout = std::time::Duration::from_millis(300);
    let report = bed.apply().await;
    let held = outcome(&report, "b");
    assert_eq!(held.result, OutcomeResult::Failed);
    assert!(held.reason.as_ref().unwrap().contains("example.com/hold"), "{held:?}");
    assert!(bed.plan().await.operations.iter().any(|op| op.object.name == "b"));
    bed.kubectl(&[
        "patch",
        "configmap",
        "b",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_9_an_orphaned_delivery_leaves_its_objects_and_nothing_of_itself() {
    let Some(bed) = delivered().await else { return };
    let token = CancellationToken::new();
    let report = delivery::delete(&bed.client, &bed.options, DeletePolicy::Orphan, &Silent, &token)
        .await
        .unwrap();
    assert_eq!((report.done(), report.exit()), (3, Exit::Clean));
    for name in ["a", "b", "c"] {
        let object = format!("configmap/{name}");
        assert_eq!(bed.field(&object, ".data.key"), "x");
        assert_eq!(bed.field(&object, ".metadata.labels"), "");
        assert_eq!(bed.field(&object, ".metadata.managedFields[*].manager"), "");
    }
    assert_eq!(bed.kubectl(&["get", "configmap", "-l", "orlop.dev/inventory", "-o", "name"]), "");
    let missing = delivery::status(&bed.client, &bed.options.name, &bed.options.namespace).await;
    assert!(missing.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_shows_every_recorded_object_and_what_is_missing() {
    let Some(bed) = delivered().await else { return };
    bed.kubectl(&["delete", "configmap", "b"]);
    let name = &bed.options.name;
    let status = delivery::status(&bed.client, name, &bed.options.namespace).await.unwrap();
    let rows: Vec<String> = status
        .objects
        .iter()
        .map(|object| format!("{} {}", object.object.name, object.status))
        .collect();
    assert_eq!(rows, ["a Healthy", "b Missing", "c Healthy"]);
    assert_eq!(status.exit(), Exit::Findings);
    let all = delivery::list(&bed.client, "").await.unwrap();
    let found = all.iter().find(|found| found.name == name.as_str()).unwrap();
    assert_eq!(found.objects, 3);
}
