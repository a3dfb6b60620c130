//! The five delivery figures, from the history of operations.
//!
//! What is counted, in a window from `from` (with it) to `to` (without it):
//!
//! - A **deployment** is one revision of one GitSync that was brought to the cluster: the
//!   operations in a row with this revision, those that only healed drift and those that touched
//!   no object left out. It belongs to the window in which its first operation finished.
//!   **Deployment frequency** is deployments per day of the window.
//! - A deployment **failed** when one of its operations failed, or when its objects were degraded
//!   or not healthy within the health timeout. One that is overtaken by the next before it was
//!   healthy did not fail. **Change failure rate** is failed deployments by deployments. A revision
//!   that was refused before anything was written (signature, rendering, validation) is no
//!   deployment; it is counted as refused.
//! - **Time to restore** runs from the end of the first bad operation of a failed deployment to the
//!   next moment at which the GitSync was healthy, by whatever revision. Failures in a row are one
//!   incident. The figure is the median; an incident without an end is open and counted apart.
//! - **Deploy duration** of a deployment that did not fail runs from the moment the revision was
//!   heard of to the moment everything was healthy; 50th and 95th percentile, nearest rank. One
//!   that was overtaken has none.
//! - **Drift coverage** is the share of managed objects that are watched for drift now; both
//!   numbers are given by the caller.
//!
//! Totals are made from all deployments and incidents together, not from the figures of each.

use crate::history::Record;
use crate::spec::{Outcome, Period, SyncKey, Trigger, reason};
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// The name of the form of a report.
pub const REPORT_SCHEMA: &str = "orlop.dev/delivery-report/v1";
/// Seconds of a day.
const DAY_SECONDS: f64 = 86_400.0;

/// What is known about one GitSync.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Which.
    pub key: &'a SyncKey,
    /// Its operations, oldest first.
    pub records: &'a [Record],
    /// Objects that it manages now.
    pub managed: u32,
    /// Those of them that are watched for drift.
    pub watched: u32,
}

/// The figures of all GitSyncs over a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`REPORT_SCHEMA`].
    pub schema: &'static str,
    /// The begin of the window.
    pub from: Timestamp,
    /// Its end, which does not belong to it.
    pub to: Timestamp,
    /// Each GitSync, in the order of the input.
    pub syncs: Vec<SyncFigures>,
    /// All together.
    pub total: Figures,
}

/// The figures of one GitSync.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncFigures {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The figures; see the module's text for what they mean. What cannot be said is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Deployments in the window.
    pub deployments: u32,
    /// Deployments per day.
    pub deployments_per_day: f64,
    /// Those that failed.
    pub failed: u32,
    /// Failed by all, from 0 to 1.
    pub change_failure_rate: Option<f64>,
    /// Revisions that were refused before anything was written.
    pub refused: u32,
    /// Incidents that ended.
    pub restored: u32,
    /// Incidents without an end so far.
    pub open: u32,
    /// Median time to restore.
    pub time_to_restore: Option<Period>,
    /// Deploy duration, 50th percentile.
    pub deploy_duration_p50: Option<Period>,
    /// Deploy duration, 95th percentile.
    pub deploy_duration_p95: Option<Period>,
    /// Objects managed now.
    pub managed: u32,
    /// Objects watched for drift now.
    pub watched: u32,
    /// Watched by managed, from 0 to 1.
    pub drift_coverage: Option<f64>,
}

/// The heads of [`Report::rows`].
pub const COLUMNS: [&str; 9] =
    ["SYNC", "DEPLOYMENTS", "PER DAY", "FAILURE RATE", "RESTORE", "OPEN", "P50", "P95", "COVERAGE"];

impl Report {
    /// The report as rows of a table below [`COLUMNS`]; the total comes last.
    #[must_use]
    pub fn rows(&self) -> Vec<[String; 9]> {
        let own = self.syncs.iter().map(|sync| {
            let name = format!("{}/{}", sync.namespace, sync.name);
            row(name, &sync.figures)
        });
        own.chain([row("total".to_owned(), &self.total)]).collect()
    }
}

fn row(name: String, figures: &Figures) -> [String; 9] {
    let none = || "-".to_owned();
    let percent = |share: Option<f64>| share.map_or_else(none, |s| format!("{:.1} %", s * 100.0));
    let time = |period: Option<Period>| {
        period.map_or_else(none, |Period(duration)| model::Span(duration).to_string())
    };
    [
        name,
        figures.deployments.to_string(),
        format!("{:.2}", figures.deployments_per_day),
        percent(figures.change_failure_rate),
        time(figures.time_to_restore),
        figures.open.to_string(),
        time(figures.deploy_duration_p50),
        time(figures.deploy_duration_p95),
        percent(figures.drift_coverage),
    ]
}

/// Makes the report of a window. `to` is a moment up to which everything is known; an end before
/// the begin is an empty window.
#[must_use]
pub fn report(inputs: &[Input<'_>], from: Timestamp, to: Timestamp) -> Report {
    let mut total = Collected::default();
    let mut syncs = Vec::with_capacity(inputs.len());
    for input in inputs {
        let collected = collect(input, from, to);
        let figures = collected.figures(from, to);
        let (namespace, name) = (input.key.namespace.clone(), input.key.name.clone());
        syncs.push(SyncFigures { namespace, name, figures });
        total.add(&collected);
    }
    Report { schema: REPORT_SCHEMA, from, to, syncs, total: total.figures(from, to) }
}

/// One deployment.
struct Deployment<'a> {
    /// Its operations; never empty.
    records: Vec<&'a Record>,
    first: &'a Record,
}

impl Deployment<'_> {
    fn failure(&self) -> Option<Timestamp> {
        let unhealthy = [reason::DEGRADED, reason::HEALTH_TIMEOUT];
        let bad = self.records.iter().find(|record| {
            record.outcome == Outcome::Failed || unhealthy.contains(&record.reason.as_str())
        });
        bad.map(|record| record.finished_at)
    }

    fn healthy(&self) -> Option<Timestamp> {
        self.records.iter().filter_map(|record| record.healthy_at).min()
    }
}

/// The deployments of a GitSync, oldest first.
fn deployments<'a>(records: &'a [Record]) -> Vec<Deployment<'a>> {
    let mut list: Vec<Deployment<'a>> = Vec::new();
    let ended = |record: &&Record| {
        matches!(record.outcome, Outcome::Succeeded | Outcome::Failed)
            && record.trigger != Trigger::Drift
    };
    for record in records.iter().filter(ended) {
        match list.last_mut() {
            // A retry that finds everything in place still ends the deployment it belongs to.
            Some(last) if last.first.revision == record.revision => last.records.push(record),
            _ if record.touched > 0 => {
                list.push(Deployment { records: vec![record], first: record });
            }
            _ => {}
        }
    }
    list
}

/// What figures are made from.
#[derive(Default)]
struct Collected {
    deployments: u32,
    failed: u32,
    refused: u32,
    open: u32,
    managed: u32,
    watched: u32,
    restores: Vec<Duration>,
    durations: Vec<Duration>,
}

fn collect(input: &Input<'_>, from: Timestamp, to: Timestamp) -> Collected {
    let inside = |time: Timestamp| from <= time && time < to;
    let known: Vec<Record> =
        input.records.iter().filter(|record| record.finished_at < to).cloned().collect();
    let (managed, watched) = (input.managed, input.watched.min(input.managed));
    let mut collected = Collected { managed, watched, ..Collected::default() };
    let refused = known
        .iter()
        .filter(|record| record.outcome == Outcome::Refused && inside(record.finished_at));
    let mut revisions: Vec<&str> = refused.map(|record| record.revision.as_str()).collect();
    revisions.dedup();
    collected.refused = u32::try_from(revisions.len()).unwrap_or(u32::MAX);
    let list = deployments(&known);
    // The end of the incident before: failures until then belong to it.
    let mut restored = Timestamp::MIN;
    for deployment in &list {
        let first = deployment.first;
        let healthy = deployment.healthy().filter(|time| *time < to);
        let failure = deployment.failure();
        let counts = inside(first.finished_at);
        collected.deployments += u32::from(counts);
        collected.failed += u32::from(counts && failure.is_some());
        match failure {
            Some(failed) if failed >= restored => {
                let mut moments = known.iter().filter_map(|record| record.healthy_at);
                let end = moments.by_ref().filter(|time| *time >= failed && *time < to).min();
                if inside(failed) {
                    match end {
                        Some(end) => collected.restores.push(between(failed, end)),
                        None => collected.open += 1,
                    }
                }
                restored = end.unwrap_or(Timestamp::MAX);
            }
            None if counts => {
                let begin = first.detected_at.unwrap_or(first.started_at);
                collected.durations.extend(healthy.map(|time| between(begin, time)));
            }
            _ => {}
        }
    }
    collected
}

/// From one moment to another; nothing when a clock went back between them.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

impl Collected {
    fn add(&mut self, other: &Self) {
        self.deployments += other.deployments;
        self.failed += other.failed;
        self.refused += other.refused;
        self.open += other.open;
        self.managed = self.managed.saturating_add(other.managed);
        self.watched = self.watched.saturating_add(other.watched);
        self.restores.extend(&other.restores);
        self.durations.extend(&other.durations);
    }

    fn figures(&self, from: Timestamp, to: Timestamp) -> Figures {
        let days = between(from, to).as_secs_f64() / DAY_SECONDS;
        let deployments = f64::from(self.deployments);
        let share = |part: u32, of: u32| (of > 0).then(|| f64::from(part) / f64::from(of));
        Figures {
            deployments: self.deployments,
            deployments_per_day: if days > 0.0 { deployments / days } else { 0.0 },
            failed: self.failed,
            change_failure_rate: share(self.failed, self.deployments),
            refused: self.refused,
            restored: u32::try_from(self.restores.len()).unwrap_or(u32::MAX),
            open: self.open,
            time_to_restore: percentile(&self.restores, 50),
            deploy_duration_p50: percentile(&self.durations, 50),
            deploy_duration_p95: percentile(&self.durations, 95),
            managed: self.managed,
            watched: self.watched,
            drift_coverage: share(self.watched, self.managed),
        }
    }
}

/// The smallest value that at least this share of the values does not exceed.
fn percentile(values: &[Duration], percent: usize) -> Option<Period> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().map(Period)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::record;
    use proptest::prelude::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The figures of one GitSync over the day from second 1,000.
    fn figures(records: &[Record]) -> Figures {
        let key = SyncKey::new("a", "shop");
        let input = Input { key: &key, records, managed: 10, watched: 9 };
        let report = report(&[input], time(1_000), time(87_400));
        assert_eq!(report.total, report.syncs[0].figures);
        report.total
    }

    fn failed(second: i64, revision: &str) -> Record {
        Record { outcome: Outcome::Failed, healthy_at: None, ..record(second, revision) }
    }

    fn secs(seconds: u64) -> Option<Period> {
        Some(Period(Duration::from_secs(seconds)))
    }

    #[test]
    fn a_quiet_day_of_good_deployments_has_their_durations_and_no_failure() {
        let records = [record(1_100, "a"), record(1_200, "b"), record(1_300, "c")];
        let day = figures(&records);
        assert_eq!((day.deployments, day.failed, day.open), (3, 0, 0));
        assert_eq!(day.change_failure_rate, Some(0.0));
        assert_eq!(day.deployments_per_day, 3.0);
        assert_eq!((day.deploy_duration_p50, day.deploy_duration_p95), (secs(10), secs(10)));
        assert_eq!(day.time_to_restore, None);
        assert_eq!(day.drift_coverage, Some(0.9));
        assert_eq!(figures(&[]).change_failure_rate, None);
    }

    #[test]
    fn drift_retries_and_runs_without_a_change_are_no_deployments_of_their_own() {
        let records = [
            failed(1_100, "a"),
            Record { touched: 0, ..record(1_150, "a") },
            Record { trigger: Trigger::Drift, ..record(1_200, "a") },
            Record { touched: 0, ..record(1_300, "b") },
        ];
        let day = figures(&records);
        assert_eq!((day.deployments, day.failed), (1, 1));
        assert_eq!((day.restored, day.time_to_restore), (1, secs(1_158 - 1_101)));
        assert_eq!(day.deploy_duration_p50, None);
    }

    #[test]
    fn failures_in_a_row_are_one_incident_that_the_next_healthy_revision_ends() {
        let records =
            [record(1_100, "a"), failed(2_000, "b"), failed(2_100, "c"), record(2_500, "d")];
        let day = figures(&records);
        assert_eq!((day.deployments, day.failed, day.restored, day.open), (4, 2, 1, 0));
        assert_eq!(day.change_failure_rate, Some(0.5));
        assert_eq!(day.time_to_restore, secs(2_508 - 2_001));
        let open = figures(&records[..3]);
        assert_eq!((open.failed, open.restored, open.open), (2, 0, 1));
    }

    #[test]
    fn an_overtaken_revision_did_not_fail_a_timed_out_one_did_and_a_refused_one_was_not_deployed() {
        let slow = Record { healthy_at: None, ..record(1_100, "a") };
        let day = figures(&[slow.clone(), record(1_200, "b")]);
        assert_eq!((day.deployments, day.failed, day.restored), (2, 0, 0));
        assert_eq!((day.deploy_duration_p50, day.deploy_duration_p95), (secs(10), secs(10)));
        // The last one is still on its way.
        assert_eq!((figures(&[slow.clone()]).failed, figures(&[slow.clone()]).open), (0, 0));
        let late = Record { reason: "HealthTimeout".into(), ..slow };
        assert_eq!((figures(&[late.clone()]).failed, figures(&[late]).open), (1, 1));
        let refused = Record { outcome: Outcome::Refused, touched: 0, ..failed(1_100, "x") };
        let day = figures(&[refused.clone(), refused, record(1_300, "b")]);
        assert_eq!((day.deployments, day.failed, day.refused), (1, 0, 1));
    }

    #[test]
    fn a_window_has_its_begin_and_not_its_end() {
        let at = |second: i64| figures(&[record(second - 1, "a")]).deployments;
        assert_eq!([at(999), at(1_000), at(87_399), at(87_400)], [0, 1, 1, 0]);
        let key = SyncKey::new("a", "b");
        let records = [record(1_100, "a")];
        let input = Input { key: &key, records: &records, managed: 0, watched: 0 };
        let empty = report(&[input], time(2_000), time(1_000));
        assert_eq!((empty.total.deployments, empty.total.deployments_per_day), (0, 0.0));
    }

    #[test]
    fn the_table_has_a_row_for_each_sync_and_the_total() {
        let key = SyncKey::new("a", "shop");
        let records = [record(1_100, "a"), failed(2_000, "b")];
        let input = Input { key: &key, records: &records, managed: 3, watched: 3 };
        let report = report(&[input, input], time(1_000), time(87_400));
        let rows = report.rows();
        assert_eq!(rows[0].join("|"), "a/shop|2|2.00|50.0 %|-|1|10.0s|10.0s|100.0 %");
        assert_eq!(rows[2].join("|"), "total|4|4.00|50.0 %|-|2|10.0s|10.0s|100.0 %");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["syncs"][0]["deployDurationP50"], "10s");
        assert_eq!(json["total"]["changeFailureRate"], 0.5);
    }

    proptest! {
        #[test]
        fn figures_are_consistent_whatever_the_history_is(
            steps in prop::collection::vec((0_i64..5_000, 0_u8..4, 0_u8..5, 0_u32..2), 0..40),
        ) {
            let mut second = 0;
            let mut records = Vec::new();
            for (pause, revision, kind, touched) in steps {
                second += pause;
                let base = Record { touched, ..record(second, &revision.to_string()) };
                records.push(match kind {
                    0 => Record { outcome: Outcome::Failed, healthy_at: None, ..base },
                    1 => Record { outcome: Outcome::Refused, healthy_at: None, ..base },
                    2 => Record { trigger: Trigger::Drift, ..base },
                    3 => Record { healthy_at: None, ..base },
                    _ => base,
                });
            }
            let day = figures(&records);
            prop_assert!(day.failed <= day.deployments);
            prop_assert!(day.restored + day.open <= day.failed + 1);
            prop_assert!(day.open <= 1);
            prop_assert!(day.deploy_duration_p50 <= day.deploy_duration_p95);
            prop_assert!(day.deployments as usize <= records.len());
        }
    }
}
