//! A run that is cut at any point, and the run after it.

use crate::bed::{Bed, config_map};
use delivery::{Event, OutcomeResult, Progress, Silent};
use model::Exit;
use testkit::proxy::{Fault, Rule};
use tokio_util::sync::CancellationToken;

fn ten() -> String {
    (0..10).map(|n| config_map(&format!("c{n}"), "x")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_a_crash_after_the_record_and_before_the_creates_leaks_nothing() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.write("many.yaml", &ten());
    // The inventory is created; everything after it is cut, as if the process had died.
    bed.proxy.fault(Rule::new("apply", "configmaps", Fault::Cut).from_nth(4).always());
    let report = bed.try_apply(None).await;
    bed.proxy.clear_faults();
    assert!(report.is_err(), "the record could not be finished: {report:?}");
    let recorded = bed.kubectl(&["get", "configmap", "-l", "orlop.dev/inventory", "-o", "yaml"]);
    for n in 0..10 {
        assert!(recorded.contains(&format!("/c{n} ")), "c{n} may exist and is recorded");
    }
    // The tree loses them all before the next run: what was made is found and goes.
    bed.write("many.yaml", &config_map("other", "x"));
    bed.options.prune = true;
    bed.options.guards.percent_max = 100;
    let report = bed.apply().await;
    assert_eq!(report.exit(), Exit::Clean, "{:#?}", report.outcomes);
    let names = bed.kubectl(&["get", "configmap", "-o", "name"]);
    assert!(!names.contains("configmap/c"), "{names}");
    assert_eq!(bed.apply_counted().await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_anywhere_is_finished_by_the_next_one() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("many.yaml", &ten());
    for cut in [1, 2, 6, 11] {
        bed.proxy.fault(Rule::new("apply", "configmaps", Fault::Cut).from_nth(cut).always());
        let _ = bed.try_apply(None).await;
        bed.proxy.clear_faults();
    }
    let report = bed.apply().await;
    assert_eq!(report.exit(), Exit::Clean, "{:#?}", report.outcomes);
    assert_eq!(bed.apply_counted().await.1, 0);
}

/// Stops the run as soon as the first object is done.
struct StopAtFirst(CancellationToken);

impl Progress for StopAtFirst {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Done { .. }) {
            self.0.cancel();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_says_what_was_applied_and_a_rerun_converges() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.write("many.yaml", &ten());
    bed.options.concurrency = 1;
    let (tree, token) = (bed.load().await, CancellationToken::new());
    let progress = StopAtFirst(token.clone());
    let report =
        delivery::apply(&bed.client, &tree, &bed.options, None, &progress, &token).await.unwrap();
    assert_eq!(report.exit(), Exit::Interrupted);
    let (done, left) = (report.done(), report.count(OutcomeResult::NotStarted));
    assert!((1..10).contains(&done), "{done} done");
    assert_eq!(done + left, 10);
    let rest = bed.apply().await;
    assert_eq!((rest.done(), rest.unchanged), (10 - done, done));
    assert_eq!(bed.apply_counted().await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_before_it_began_writes_nothing() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("many.yaml", &ten());
    let (tree, token) = (bed.load().await, CancellationToken::new());
    token.cancel();
    bed.proxy.recorder().reset();
    let error =
        delivery::apply(&bed.client, &tree, &bed.options, None, &Silent, &token).await.unwrap_err();
    assert_eq!(error.to_string(), "stopped before anything was written");
    assert_eq!(bed.proxy.recorder().writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_20_a_busy_server_is_waited_for() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("many.yaml", &ten());
    let busy = Fault::Status { code: 429, retry_after_seconds: Some(1) };
    bed.proxy.fault(Rule::new("apply", "configmaps", busy).times(5));
    let report = bed.apply().await;
    assert_eq!((report.done(), report.exit()), (10, Exit::Clean));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_one_delivery_do_not_both_write_the_record() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("many.yaml", &ten());
    let (tree, token) = (bed.load().await, CancellationToken::new());
    // Both have read an empty record before either may write it.
    let (fault, release) = Fault::delay();
    bed.proxy.fault(Rule::new("create", "configmaps", fault).times(2));
    let run = || delivery::apply(&bed.client, &tree, &bed.options, None, &Silent, &token);
    let free = async {
        // Give the runs their turns until both stand at the gate.
        while bed.proxy.recorder().count("create", "configmaps") < 2 {
            tokio::task::yield_now().await;
        }
        release.open();
    };
    let (first, second, ()) = tokio::join!(run(), run(), free);
    let errors: Vec<_> =
        [&first, &second].into_iter().filter_map(|run| run.as_ref().err()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].to_string().starts_with("another run of the delivery"), "{}", errors[0]);
}
