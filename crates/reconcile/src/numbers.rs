//! Metrics of continuous delivery.
//!
//! Labels are names of GitSyncs and fixed words, so that the number of series is bounded by the
//! number of GitSyncs, and one that is gone takes its series with it.

use cluster::GaugeGroups;
use gitops::spec::{HealthCounts, SyncKey};
use objects::health::HealthStatus;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::time::Duration;

type Labels = Vec<(String, String)>;

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS_SECONDS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];
/// Statuses that have a series each.
const STATUSES: [HealthStatus; 6] = [
    HealthStatus::Healthy,
    HealthStatus::Suspended,
    HealthStatus::Progressing,
    HealthStatus::Missing,
    HealthStatus::Degraded,
    HealthStatus::Unknown,
];

/// A part of a delivery whose duration is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// From hearing of a revision to the end of its application.
    Detection,
    /// From the source to files and documents.
    Fetch,
    /// From documents to the cluster.
    Apply,
    /// From the cluster to health.
    Health,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Detection => "detection",
            Self::Fetch => "fetch",
            Self::Apply => "apply",
            Self::Health => "health",
        }
    }
}

/// The metrics; clones share them.
#[derive(Clone)]
pub struct Numbers {
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    objects: GaugeGroups,
    drift: Family<Labels, Gauge>,
    ready: Family<Labels, Gauge>,
    operations: Family<Labels, Counter>,
    git: Family<Labels, Counter>,
    webhooks: Family<Labels, Counter>,
    notifications: Family<Labels, Counter>,
}

impl Numbers {
    /// All at zero, in the registry of a client.
    #[must_use]
    pub fn register(metrics: &cluster::Metrics) -> Self {
        let numbers = Self {
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS_SECONDS)),
            objects: GaugeGroups::register(
                metrics,
                "orlop_sync_objects",
                "Objects of a GitSync by health",
                "health",
            ),
            drift: Family::default(),
            ready: Family::default(),
            operations: Family::default(),
            git: Family::default(),
            webhooks: Family::default(),
            notifications: Family::default(),
        };
        let own = numbers.clone();
        metrics.register(|registry| {
            let (name, help) = ("orlop_sync_duration_seconds", "Time of a part of a delivery");
            registry.register(name, help, own.durations);
            let (name, help) = ("orlop_sync_drifted_objects", "Objects that differ from the tree");
            registry.register(name, help, own.drift);
            let (name, help) = ("orlop_sync_ready", "1 while a GitSync is ready");
            registry.register(name, help, own.ready);
            let (name, help) = ("orlop_sync_operations", "Operations of a GitSync by outcome");
            registry.register(name, help, own.operations);
            let (name, help) = ("orlop_git_requests", "Looks at a Git server by result");
            registry.register(name, help, own.git);
            let (name, help) = ("orlop_webhook_deliveries", "Webhook deliveries by answer");
            registry.register(name, help, own.webhooks);
            let (name, help) = ("orlop_notifications", "Notifications by result");
            registry.register(name, help, own.notifications);
        });
        numbers
    }

    pub(crate) fn took(&self, phase: Phase, duration: Duration) {
        let labels = pairs(&[("phase", phase.name())]);
        self.durations.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    pub(crate) fn objects(&self, key: &SyncKey, counts: &HealthCounts) {
        let series = STATUSES.iter().map(|status| {
            let count = match status {
                HealthStatus::Healthy => counts.healthy,
                HealthStatus::Suspended => counts.suspended,
                HealthStatus::Progressing => counts.progressing,
                HealthStatus::Missing => counts.missing,
                HealthStatus::Degraded => counts.degraded,
                HealthStatus::Unknown => counts.unknown,
            };
            (status.to_string(), i64::from(count))
        });
        self.objects.set(named(key), series.collect());
    }

    pub(crate) fn drift(&self, key: &SyncKey, objects: u32) {
        self.drift.get_or_create(&named(key)).set(i64::from(objects));
    }

    pub(crate) fn ready(&self, key: &SyncKey, ready: bool) {
        self.ready.get_or_create(&named(key)).set(i64::from(ready));
    }

    pub(crate) fn operation(&self, key: &SyncKey, outcome: &str) {
        let mut labels = named(key);
        labels.push(("outcome".to_owned(), outcome.to_owned()));
        self.operations.get_or_create(&labels).inc();
    }

    pub(crate) fn git(&self, result: &str) {
        self.git.get_or_create(&pairs(&[("result", result)])).inc();
    }

    pub(crate) fn webhook(&self, answer: u16) {
        self.webhooks.get_or_create(&pairs(&[("code", &answer.to_string())])).inc();
    }

    pub(crate) fn notification(&self, result: &str) {
        self.notifications.get_or_create(&pairs(&[("result", result)])).inc();
    }

    /// The GitSync is gone, and its series with it.
    pub(crate) fn remove(&self, key: &SyncKey) {
        let own = named(key);
        self.objects.remove(&own);
        self.drift.remove(&own);
        self.ready.remove(&own);
        for outcome in crate::syncer::OUTCOMES {
            let mut labels = own.clone();
            labels.push(("outcome".to_owned(), outcome.to_owned()));
            self.operations.remove(&labels);
        }
    }
}

fn named(key: &SyncKey) -> Labels {
    pairs(&[("namespace", &key.namespace), ("sync", &key.name)])
}

fn pairs(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operator_26_series_go_with_the_gitsync() {
        let metrics = cluster::Metrics::new();
        let numbers = Numbers::register(&metrics);
        let key = SyncKey::new("shop", "web");
        numbers.objects(&key, &HealthCounts { healthy: 3, ..HealthCounts::default() });
        numbers.drift(&key, 1);
        numbers.ready(&key, true);
        numbers.operation(&key, "Succeeded");
        let line = "orlop_sync_objects{namespace=\"shop\",sync=\"web\",health=\"Healthy\"} 3";
        assert!(metrics.render().contains(line), "{}", metrics.render());
        numbers.remove(&key);
        assert!(!metrics.render().contains("sync=\"web\""), "{}", metrics.render());
    }
}
