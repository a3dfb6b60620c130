//! Fields and their owners: taken from clients, shared with others, never grabbed.

use crate::bed::{Bed, config_map, done, operation, outcome};
use delivery::OutcomeResult;
use model::Exit;
use sync::Action;

const TWO_KEYS: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: x, old: z}\n";

#[tokio::test(flavor = "multi_thread")]
async fn gitops_3_a_field_that_left_the_tree_disappears_even_when_kubectl_made_it() {
    let Some(bed) = Bed::start().await else { return };
    bed.kubectl_apply(&["apply"], TWO_KEYS);
    bed.write("a.yaml", &config_map("a", "x"));
    let plan = bed.plan().await;
    let planned = operation(&plan, "a");
    assert_eq!(planned.action, Action::Takeover);
    assert_eq!(planned.takes_over_from, ["kubectl-client-side-apply"]);
    let paths: Vec<&str> = planned.changes.iter().map(|change| change.path.as_str()).collect();
    assert!(paths.contains(&".data.old"), "{paths:?}");
    assert_eq!(done(&bed.apply().await), [(Action::Takeover, "a")]);
    assert_eq!(bed.field("configmap/a", ".data"), r#"{"key":"x"}"#);
    assert_eq!(bed.apply_counted().await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_3_a_field_that_we_applied_and_removed_disappears() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", TWO_KEYS);
    bed.apply().await;
    bed.write("a.yaml", &config_map("a", "x"));
    bed.apply().await;
    assert_eq!(bed.field("configmap/a", ".data"), r#"{"key":"x"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_another_manager_is_a_conflict_with_its_owner_and_force_takes_it() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.kubectl_apply(
        &["apply", "--server-side", "--field-manager=autoscaler"],
        &config_map("a", "theirs"),
    );
    bed.write("a.yaml", &config_map("a", "ours"));
    bed.write("b.yaml", &config_map("b", "x"));
    let plan = bed.plan().await;
    let planned = operation(&plan, "a");
    assert_eq!((planned.action, plan.exit()), (Action::Conflict, Exit::CouldNot));
    assert_eq!(planned.conflicts.len(), 1);
    assert_eq!(planned.conflicts[0].to_string(), ".data.key is owned by autoscaler");
    let report = bed.apply().await;
    assert_eq!(done(&report), [(Action::Create, "b")]);
    let failed = outcome(&report, "a");
    assert_eq!(failed.result, OutcomeResult::Failed);
    assert!(failed.reason.as_ref().unwrap().contains(".data.key is owned by autoscaler"));
    assert_eq!(bed.field("configmap/a", ".data.key"), "theirs");
    bed.options.force_conflicts = true;
    assert_eq!(bed.apply().await.done(), 1);
    assert_eq!(bed.field("configmap/a", ".data.key"), "ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_5_fields_that_others_add_survive_and_cause_no_loop() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    bed.apply().await;
    bed.kubectl(&["label", "configmap", "a", "team=blue"]);
    bed.kubectl(&["patch", "configmap", "a", "--type=merge", "-p", r#"{"data":{"more":"z"}}"#]);
    assert_eq!(bed.apply_counted().await.1, 0);
    bed.write("a.yaml", &config_map("a", "y"));
    assert_eq!(bed.apply().await.done(), 1);
    assert_eq!(bed.field("configmap/a", ".metadata.labels.team"), "blue");
    assert_eq!(bed.field("configmap/a", ".data.more"), "z");
    assert_eq!(bed.apply_counted().await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_field_is_named() {
    let Some(bed) = Bed::start().await else { return };
    let sealed = |value: &str| format!("immutable: true\n{}", config_map("a", value));
    bed.write("a.yaml", &sealed("x"));
    bed.apply().await;
    bed.write("a.yaml", &sealed("y"));
    let report = bed.apply().await;
    let reason = outcome(&report, "a").reason.clone().unwrap();
    assert!(reason.contains("immutable"), "{reason}");
}

/// Written by kubectl for itself: a copy of everything, secrets included.
const LAST_APPLIED: &str = "kubectl\\.kubernetes\\.io/last-applied-configuration";

#[tokio::test(flavor = "multi_thread")]
async fn gitops_21_the_last_applied_annotation_is_never_written_and_no_copy_of_ours_is_in_it() {
    let Some(bed) = Bed::start().await else { return };
    let annotation = |name: &str| {
        let path = format!(".metadata.annotations.{LAST_APPLIED}");
        bed.field(&format!("configmap/{name}"), &path)
    };
    let theirs = |name: &str| config_map(name, "theirs");
    bed.kubectl_apply(&["apply"], &theirs("kubectls"));
    let before = annotation("kubectls");
    assert!(before.contains("theirs"), "{before}");
    for value in ["one", "two"] {
        bed.write("a.yaml", &(config_map("fresh", value) + &config_map("kubectls", value)));
        assert_eq!(bed.apply().await.done(), 2);
        assert_eq!(bed.field("configmap/kubectls", ".data.key"), value);
        assert_eq!(annotation("fresh"), "");
        let left = annotation("kubectls");
        assert!(left.is_empty() || left == before, "{left}");
    }
    // Larger than an annotation may be.
    bed.write("big.yaml", &config_map("big", &"x".repeat(300_000)));
    assert_eq!(bed.apply().await.done(), 1);
    assert_eq!(annotation("big"), "");
    assert_eq!(bed.apply_counted().await.1, 0);
}
