//! A delivery that goes on: what is remembered costs nothing, and is never believed too long.

use crate::bed::{Bed, config_map};
use delivery::{Check, DriftKind, Live, LiveEvent, LiveEvents, OutcomeResult, Silent};
use objects::{GroupKind, ObjectRef};
use std::time::Duration;
use sync::Action;
use tokio_util::sync::CancellationToken;

/// How long something that is certain to happen may take.
const PATIENCE: Duration = Duration::from_secs(90);

fn live(bed: &Bed) -> Live {
    Live::new(&bed.client, &bed.options.name)
}

async fn apply(bed: &Bed, live: &Live) -> delivery::Report {
    let (tree, token) = (bed.load().await, CancellationToken::new());
    live.apply(&tree, &bed.options, None, &Silent, &token).await.unwrap()
}

async fn heal(bed: &Bed, live: &Live, name: &str) -> Vec<delivery::Outcome> {
    let token = CancellationToken::new();
    live.heal(&[id(bed, name)], &bed.options, &Silent, &token).await.unwrap()
}

fn id(bed: &Bed, name: &str) -> ObjectRef {
    ObjectRef::new(GroupKind::new("", "ConfigMap"), bed.namespace.name(), name)
}

async fn next(events: &mut LiveEvents) -> LiveEvent {
    tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap()
}

async fn next_drift(events: &mut LiveEvents) -> std::sync::Arc<delivery::Drift> {
    loop {
        if let LiveEvent::Drift(drift) = next(events).await {
            return drift;
        }
    }
}

/// Reads the memory until it says this.
async fn until(what: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !what() {
        assert!(tokio::time::Instant::now() < end, "it never came to that");
        tokio::task::yield_now().await;
    }
}

fn patch(bed: &Bed, name: &str, value: &str) {
    let patch = format!(r#"{{"data":{{"key":"{value}"}}}}"#);
    bed.kubectl(&["patch", "configmap", name, "--type=merge", "-p", &patch]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_1_a_remembered_tree_costs_no_request_and_a_changed_object_one() {
    let Some(bed) = Bed::start().await else { return };
    let tree = |changed: &str| -> String {
        (0..300).map(|n| config_map(&format!("c{n}"), if n < 2 { changed } else { "x" })).collect()
    };
    bed.write("many.yaml", &tree("x"));
    let live = live(&bed);
    assert_eq!(apply(&bed, &live).await.done(), 300);
    until(|| live.check().is_clean()).await;
    // The first run made the record; its event tells that it is still the same.
    apply(&bed, &live).await;
    bed.proxy.recorder().reset();
    let report = apply(&bed, &live).await;
    assert_eq!((report.done(), report.unchanged), (0, 300));
    let (tree_again, token) = (bed.load().await, CancellationToken::new());
    let plan = live.plan(&tree_again, &bed.options, &Silent, &token).await.unwrap();
    assert_eq!(plan.summary.unchanged, 300);
    assert_eq!(live.check(), Check { clean: 300, ..Check::default() });
    assert_eq!(bed.proxy.recorder().total(), 0, "{:?}", bed.proxy.recorder().counts());

    bed.write("many.yaml", &tree("y"));
    let report = apply(&bed, &live).await;
    assert_eq!((report.done(), report.unchanged), (2, 298));
    let recorder = bed.proxy.recorder();
    assert_eq!(recorder.count("apply", "configmaps"), 3, "two and the inventory");
    assert_eq!(recorder.total(), 3, "{:?}", recorder.counts());
    assert_eq!(bed.field("configmap/c1", ".data.key"), "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_22_a_drift_is_told_with_its_owner_and_reverted_by_one_request() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &(config_map("a", "x") + &config_map("b", "x")));
    let live = live(&bed);
    apply(&bed, &live).await;
    let mut events = live.events();
    patch(&bed, "a", "drift");
    let drift = next_drift(&mut events).await;
    assert_eq!((&drift.object, drift.heals), (&id(&bed, "a"), true));
    assert!(drift.managers[0].starts_with("kubectl"), "{drift:?}");
    let DriftKind::Changed(fields) = &drift.kind else { unreachable!("{drift:?}") };
    assert_eq!(fields[0].path, ".data.key");
    assert_eq!(fields[0].found, Some("drift".into()));
    assert_eq!(live.check(), Check { clean: 1, drifted: 1, ..Check::default() });
    bed.proxy.recorder().reset();
    let outcomes = heal(&bed, &live, "a").await;
    assert_eq!((outcomes[0].action, outcomes[0].result), (Action::Update, OutcomeResult::Done));
    assert_eq!(bed.proxy.recorder().total(), 1, "{:?}", bed.proxy.recorder().counts());
    assert_eq!(bed.field("configmap/a", ".data.key"), "x");
    assert!(live.drifted().is_empty() && live.check().is_clean(), "{:?}", live.check());
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_22_more_objects_than_are_kept_that_drifted_while_nobody_looked_are_reverted() {
    let Some(bed) = Bed::start().await else { return };
    let objects = delivery::KEPT_OBJECTS_MAX + 44;
    let tree = |value: &str| -> String {
        (0..objects).map(|n| config_map(&format!("c{n:03}"), value)).collect()
    };
    bed.write("many.yaml", &tree("x"));
    apply(&bed, &live(&bed)).await;
    bed.kubectl_apply(&["apply", "--server-side", "--force-conflicts"], &tree("drift"));

    let (live, token) = (live(&bed), CancellationToken::new());
    live.plan(&bed.load().await, &bed.options, &Silent, &token).await.unwrap();
    assert_eq!(live.check(), Check { drifted: objects, ..Check::default() });
    let drifts = live.drifted();
    assert_eq!(drifts.len(), objects);
    let named = drifts.iter().filter(|drift| drift.managers == ["kubectl"]).count();
    assert_eq!(named, objects, "also of those that were not kept it is known who it was");
    let ids: Vec<ObjectRef> = drifts.into_iter().map(|drift| drift.object).collect();
    let outcomes = live.heal(&ids, &bed.options, &Silent, &token).await.unwrap();
    let done = |one: &&delivery::Outcome| one.result == OutcomeResult::Done;
    assert_eq!(outcomes.iter().filter(done).count(), objects);
    assert!(live.drifted().is_empty() && live.check().is_clean(), "{:?}", live.check());
    assert_eq!(bed.field("configmap/c299", ".data.key"), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_by_hand_is_made_again_and_recorded_with_its_new_uid() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    bed.write("b.yaml", &config_map("b", "x"));
    let live = live(&bed);
    apply(&bed, &live).await;
    let mut events = live.events();
    bed.kubectl(&["delete", "configmap", "a"]);
    let drift = next_drift(&mut events).await;
    assert_eq!(drift.kind, DriftKind::Gone);
    let outcomes = heal(&bed, &live, "a").await;
    assert_eq!((outcomes[0].action, outcomes[0].result), (Action::Create, OutcomeResult::Done));
    // Only what is recorded with its uid can be pruned.
    bed.remove("a.yaml");
    bed.options.prune = true;
    let report = apply(&bed, &live).await;
    assert_eq!(report.outcomes[0].action, Action::Prune, "{:#?}", report.outcomes);
    assert!(!bed.exists("configmap/a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_opted_out_is_told_and_left_alone() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    let live = live(&bed);
    apply(&bed, &live).await;
    bed.kubectl(&["annotate", "configmap", "a", "orlop.dev/self-heal=disabled"]);
    let mut events = live.events();
    patch(&bed, "a", "mine");
    assert!(!next_drift(&mut events).await.heals);
    bed.proxy.recorder().reset();
    let outcomes = heal(&bed, &live, "a").await;
    assert_eq!((outcomes[0].action, outcomes[0].result), (Action::Keep, OutcomeResult::Kept));
    assert_eq!(bed.proxy.recorder().total(), 0);
    assert_eq!(bed.field("configmap/a", ".data.key"), "mine");
    assert_eq!(apply(&bed, &live).await.done(), 1, "the next delivery is not self-healing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_against_another_writer_is_a_conflict_and_nothing_is_taken() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    let live = live(&bed);
    apply(&bed, &live).await;
    let mut events = live.events();
    let patch = r#"{"data":{"key":"theirs"}}"#;
    let by = ["patch", "configmap", "a", "--type=merge", "-p", patch, "--field-manager=other"];
    bed.kubectl(&by);
    assert_eq!(next_drift(&mut events).await.managers, ["other"]);
    let outcomes = heal(&bed, &live, "a").await;
    assert_eq!((outcomes[0].action, outcomes[0].result), (Action::Conflict, OutcomeResult::Failed));
    assert!(outcomes[0].reason.as_ref().unwrap().contains("other"), "{outcomes:?}");
    assert_eq!(bed.field("configmap/a", ".data.key"), "theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_lost_its_label_is_missing_and_found_by_name() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    let live = live(&bed);
    apply(&bed, &live).await;
    let mut events = live.events();
    bed.kubectl(&["label", "configmap", "a", "orlop.dev/delivery-"]);
    assert_eq!(next_drift(&mut events).await.kind, DriftKind::Gone);
    assert_eq!(live.check(), Check { missing: 1, ..Check::default() });
    let report = apply(&bed, &live).await;
    assert_eq!(report.outcomes[0].action, Action::Update, "{:#?}", report.outcomes);
    assert_eq!(live.check(), Check { clean: 1, ..Check::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_20_a_memo_does_not_count_while_its_watch_is_cut() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    let live = live(&bed);
    apply(&bed, &live).await;
    until(|| live.check().is_clean()).await;
    bed.proxy.down();
    until(|| !live.is_in_sync()).await;
    assert_eq!(live.check(), Check { unknown: 1, ..Check::default() });
    // Behind our back, while nothing is heard.
    patch(&bed, "a", "drift");
    bed.proxy.up();
    let report = apply(&bed, &live).await;
    assert_eq!((report.done(), report.unchanged), (1, 0));
    assert_eq!(bed.field("configmap/a", ".data.key"), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_by_the_same_watch_and_by_rules_of_its_own() {
    use objects::health::{Health, HealthStatus};
    let Some(mut bed) = Bed::start().await else { return };
    bed.options.wait = true;
    bed.write("a.yaml", &config_map("a", "starting"));
    let rule = |object: &objects::Object| {
        let ready = object.str_at(&["metadata", "annotations", "ready"]) == Some("yes");
        let status = if ready { HealthStatus::Healthy } else { HealthStatus::Progressing };
        Some(Health::new(status, "waits for its annotation"))
    };
    let live = Live::with_health(&bed.client, &bed.options.name, Box::new(rule));
    let (tree, token) = (bed.load().await, CancellationToken::new());
    let mut events = live.events();
    let run = live.apply(&tree, &bed.options, None, &Silent, &token);
    let annotate = async {
        loop {
            if let LiveEvent::Health { health, .. } = next(&mut events).await {
                assert_eq!(health.status, HealthStatus::Progressing);
                break;
            }
        }
        bed.kubectl(&["annotate", "configmap", "a", "ready=yes"]);
    };
    let (report, ()) = tokio::join!(run, annotate);
    assert_eq!(report.unwrap().unhealthy, []);
    assert_eq!(live.health().counts[&HealthStatus::Healthy], 1);
}
