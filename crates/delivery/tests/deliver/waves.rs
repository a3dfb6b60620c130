//! Waves, hooks and explicit dependencies against a real Job controller. No node is needed: a Job
//! that wants no completion is complete at once, one with a deadline fails by itself.

use crate::bed::{Bed, config_map, done, outcome};
use delivery::OutcomeResult;
use model::Exit;
use sync::Action;

fn annotated(name: &str, value: &str, annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n\
         data: {{key: '{value}'}}\n---\n"
    )
}

/// A Job as a hook; `spec` decides how it ends.
fn hook(metadata: &str, annotations: &str, spec: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{{metadata}, annotations: {{{annotations}}}}}\n\
         spec: {{{spec}, template: {{spec: {{restartPolicy: Never, containers: \
         [{{name: c, image: registry.test/c:1}}]}}}}}}\n---\n"
    )
}

const ENDS_WELL: &str = "completions: 0, parallelism: 0";
const FAILS: &str = "activeDeadlineSeconds: 1";

#[tokio::test(flavor = "multi_thread")]
async fn gitops_11_waves_come_in_order_and_a_later_one_waits_until_the_earlier_are_ready() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.write("late.yaml", &annotated("late", "x", "orlop.dev/wave: '2'"));
    bed.write("early.yaml", &annotated("early", "x", "argocd.argoproj.io/sync-wave: '-1'"));
    bed.write("job.yaml", &hook("name: middle", "", ENDS_WELL));
    let report = bed.apply().await;
    assert_eq!(report.exit(), Exit::Clean, "{:#?}", report.outcomes);
    let names: Vec<&str> = done(&report).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["early", "middle", "late"]);
    assert_eq!(bed.apply_counted().await.1, 0);
    // A Job that cannot complete holds what comes after it, and says so.
    bed.write("job.yaml", &hook("name: other", "", FAILS));
    bed.write("late.yaml", &annotated("late", "y", "orlop.dev/wave: '2'"));
    bed.options.prune = true;
    let report = bed.apply().await;
    let late = outcome(&report, "late");
    assert_eq!(late.result, OutcomeResult::Held);
    assert!(late.reason.as_ref().unwrap().contains("/other, which failed"), "{late:?}");
    assert_eq!(bed.field("configmap/late", ".data.key"), "x");
    assert!(bed.exists("job/middle"), "nothing is pruned after a failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_is_waited_for_against_the_order_of_kinds_and_a_circle_is_named() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &annotated("a", "x", "orlop.dev/depends-on: batch/Job//first"));
    bed.write("job.yaml", &hook("name: first", "", ENDS_WELL));
    bed.write("b.yaml", &annotated("b", "x", "orlop.dev/depends-on: /ConfigMap//c"));
    bed.write("c.yaml", &annotated("c", "x", "orlop.dev/depends-on: /ConfigMap//b"));
    bed.write("d.yaml", &annotated("d", "x", "orlop.dev/depends-on: /ConfigMap//nobody"));
    let plan = bed.plan().await;
    assert_eq!((plan.summary.create, plan.summary.invalid), (2, 3), "{:#?}", plan.operations);
    let report = bed.apply().await;
    let names: Vec<&str> = done(&report).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["first", "a"]);
    let reason = |name: &str| outcome(&report, name).reason.clone().unwrap();
    assert!(reason("b").contains("form a circle: ConfigMap"), "{}", reason("b"));
    assert!(reason("d").contains("nobody, which is not in the tree"), "{}", reason("d"));
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_11_hooks_run_around_a_changed_tree_and_never_on_an_unchanged_one() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("pre.yaml", &hook("generateName: pre-", "orlop.dev/hook: PreSync", ENDS_WELL));
    bed.write("sync.yaml", &hook("name: sync", "orlop.dev/hook: Sync", ENDS_WELL));
    let post = "helm.sh/hook: post-upgrade, helm.sh/hook-delete-policy: hook-succeeded";
    bed.write("post.yaml", &hook("name: post", post, ENDS_WELL));
    bed.write("fail.yaml", &hook("name: fail", "argocd.argoproj.io/hook: SyncFail", ENDS_WELL));
    bed.write("test.yaml", &hook("name: test", "helm.sh/hook: test", ENDS_WELL));
    bed.write("a.yaml", &config_map("a", "x"));
    let plan = bed.plan().await;
    assert_eq!((plan.summary.hook, plan.summary.create), (3, 1), "{:#?}", plan.operations);
    let report = bed.apply().await;
    assert_eq!(report.exit(), Exit::Clean, "{:#?}", report.outcomes);
    let ran = done(&report);
    assert_eq!(ran.len(), 4, "{ran:?}");
    assert!(ran[0].1.starts_with("pre-") && ran[0].1.ends_with("-presync-0"), "{ran:?}");
    assert_eq!(ran[3], (Action::Hook, "post"));
    assert!(report.outcomes.iter().all(|outcome| outcome.uid.is_some()));
    assert!(report.warnings.iter().any(|warning| warning.message.contains("helm.sh/hook: test")));
    assert!(!bed.exists("job/post") && !bed.exists("job/fail") && !bed.exists("job/test"));
    let first = ran[0].1.to_owned();

    let (second, writes, _) = bed.apply_counted().await;
    assert_eq!((second.done(), writes), (0, 0), "{:#?}", second.outcomes);
    assert_eq!(bed.plan().await.exit(), Exit::Clean);
    // Drift is mended without running anything.
    bed.kubectl(&["patch", "configmap", "a", "--type=merge", "-p", r#"{"data":{"key":"drift"}}"#]);
    let healed = bed.apply().await;
    assert_eq!(done(&healed), [(Action::Takeover, "a")]);
    let status =
        delivery::status(&bed.client, &bed.options.name, &bed.options.namespace).await.unwrap();
    assert_eq!(status.objects.len(), 1, "hooks are of no health: {status:?}");

    bed.write("a.yaml", &config_map("a", "y"));
    let third = bed.apply().await;
    assert_eq!(third.exit(), Exit::Clean, "{:#?}", third.outcomes);
    let jobs = bed.kubectl(&["get", "jobs", "-o", "name"]);
    assert_eq!(jobs.lines().count(), 2, "they do not pile up: {jobs}");
    assert!(!jobs.contains(&first), "{jobs}");

    let token = tokio_util::sync::CancellationToken::new();
    let policy = delivery::DeletePolicy::Delete;
    let deleted = delivery::delete(&bed.client, &bed.options, policy, &delivery::Silent, &token)
        .await
        .unwrap();
    assert_eq!(deleted.exit(), Exit::Clean, "{:#?}", deleted.outcomes);
    assert_eq!(bed.kubectl(&["get", "jobs", "-o", "name"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_11_a_failed_hook_stops_the_delivery_and_the_hook_for_failures_runs_once() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("pre.yaml", &hook("name: pre", "orlop.dev/hook: PreSync", FAILS));
    bed.write("fail.yaml", &hook("name: fail", "orlop.dev/hook: SyncFail", ENDS_WELL));
    bed.write("post.yaml", &hook("name: post", "orlop.dev/hook: PostSync", ENDS_WELL));
    bed.write("a.yaml", &config_map("a", "x"));
    let report = bed.apply().await;
    assert_eq!(report.exit(), Exit::CouldNot);
    assert_eq!(outcome(&report, "pre").result, OutcomeResult::Failed);
    assert_eq!(outcome(&report, "a").result, OutcomeResult::Held);
    assert_eq!(outcome(&report, "fail").result, OutcomeResult::Done, "{:#?}", report.outcomes);
    assert!(!bed.exists("configmap/a") && !bed.exists("job/post"));
    let again = bed.apply().await;
    assert_eq!(outcome(&again, "pre").result, OutcomeResult::Failed, "it is tried again");
    assert!(!again.outcomes.iter().any(|outcome| outcome.object.name == "fail"), "once");
    bed.write("pre.yaml", &hook("name: pre", "orlop.dev/hook: PreSync", ENDS_WELL));
    let mended = bed.apply().await;
    assert_eq!(mended.exit(), Exit::Clean, "{:#?}", mended.outcomes);
    assert_eq!(mended.outcomes.last().unwrap().object.name, "post");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_11_a_job_with_a_time_to_live_that_vanishes_counts_as_done() {
    let Some(bed) = Bed::start().await else { return };
    let spec = format!("{ENDS_WELL}, ttlSecondsAfterFinished: 0");
    bed.write("pre.yaml", &hook("name: pre", "orlop.dev/hook: PreSync", &spec));
    bed.write("a.yaml", &config_map("a", "x"));
    let report = bed.apply().await;
    assert_eq!(report.exit(), Exit::Clean, "{:#?}", report.outcomes);
    assert_eq!(bed.apply_counted().await.1, 0, "it has run, although it is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_object_of_a_hooks_name_is_not_deleted() {
    let Some(bed) = Bed::start().await else { return };
    bed.kubectl_apply(&["apply"], &hook("name: pre", "", ENDS_WELL));
    bed.write("pre.yaml", &hook("name: pre", "orlop.dev/hook: PreSync", ENDS_WELL));
    let uid = bed.field("job/pre", ".metadata.uid");
    let report = bed.apply().await;
    let reason = outcome(&report, "pre").reason.clone().unwrap();
    assert!(reason.contains("no hook has made"), "{reason}");
    assert_eq!(bed.field("job/pre", ".metadata.uid"), uid);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_11_pruning_mirrors_the_waves_and_what_goes_last_waits_for_health() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.options.prune = true;
    bed.write("keep.yaml", &config_map("keep", "x"));
    bed.write("one.yaml", &annotated("one", "x", "orlop.dev/wave: '1'"));
    bed.write("two.yaml", &annotated("two", "x", "orlop.dev/wave: '2'"));
    bed.write("end.yaml", &annotated("end", "x", "orlop.dev/wave: '9', orlop.dev/prune: last"));
    assert_eq!(bed.apply().await.done(), 4);
    for file in ["one.yaml", "two.yaml", "end.yaml"] {
        bed.remove(file);
    }
    let gone = bed.apply().await;
    let pruned: Vec<&str> = done(&gone).into_iter().map(|(_, name)| name).collect();
    assert_eq!(pruned, ["two", "one", "end"]);
}
