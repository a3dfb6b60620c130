//! The controller's own metrics, beside the request counts of the client.
//!
//! Labels are names of deliveries and fixed words only, so that the number of series is bounded
//! by the number of deliveries, and a delivery that is gone takes its series with it.

use cluster::GaugeGroups;
use model::Build;
use objects::health::HealthStatus;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::BTreeMap;

type Labels = Vec<(String, String)>;

/// Every status that a gauge has a series for.
const STATUSES: [HealthStatus; 6] = [
    HealthStatus::Healthy,
    HealthStatus::Suspended,
    HealthStatus::Progressing,
    HealthStatus::Missing,
    HealthStatus::Degraded,
    HealthStatus::Unknown,
];

/// The metrics; clones share them.
#[derive(Clone)]
pub(crate) struct Numbers {
    objects: GaugeGroups,
    passes: Family<Labels, Counter>,
}

impl Numbers {
    /// All at zero, in the registry of the client.
    pub(crate) fn register(metrics: &cluster::Metrics, build: &Build) -> Self {
        let objects = GaugeGroups::register(
            metrics,
            "orlop_delivery_objects",
            "Objects in a delivery's inventory by health",
            "health",
        );
        let numbers = Self { objects, passes: Family::default() };
        let passes = numbers.passes.clone();
        let about: Family<Labels, Gauge> = Family::default();
        let facts = [("version", build.version), ("commit", build.commit)];
        about.get_or_create(&labels(&facts)).set(1);
        metrics.register(|registry| {
            registry.register("orlop_reconcile", "Passes of reconcilers by result", passes);
            registry.register("orlop_build_info", "What the binary was built from", about);
        });
        numbers
    }

    /// How many objects of a delivery have which health.
    pub(crate) fn set_objects(
        &self,
        namespace: &str,
        delivery: &str,
        counts: &BTreeMap<HealthStatus, usize>,
    ) {
        let series = STATUSES.iter().map(|status| {
            let count = counts.get(status).copied().unwrap_or(0);
            (status.to_string(), i64::try_from(count).unwrap_or(i64::MAX))
        });
        self.objects.set(named(namespace, delivery), series.collect());
    }

    /// The delivery is gone, and its series with it.
    pub(crate) fn remove_objects(&self, namespace: &str, delivery: &str) {
        self.objects.remove(&named(namespace, delivery));
    }

    /// A pass of a reconciler ended.
    pub(crate) fn pass(&self, reconciler: &str, result: &str) {
        let labels = labels(&[("reconciler", reconciler), ("result", result)]);
        self.passes.get_or_create(&labels).inc();
    }
}

fn named(namespace: &str, delivery: &str) -> Labels {
    labels(&[("namespace", namespace), ("delivery", delivery)])
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operator_26_series_go_with_the_delivery() {
        let build = Build {
            version: "0.1.0",
            commit: "c",
            features: &[],
            rustc: "",
            profile: "",
            target: "",
        };
        let metrics = cluster::Metrics::new();
        let numbers = Numbers::register(&metrics, &build);
        numbers.set_objects("shop", "web", &BTreeMap::from([(HealthStatus::Healthy, 3)]));
        let line =
            "orlop_delivery_objects{namespace=\"shop\",delivery=\"web\",health=\"Healthy\"} 3";
        let text = metrics.render();
        assert!(text.contains(line), "{text}");
        assert_eq!(text.matches("delivery=\"web\"").count(), STATUSES.len());
        numbers.remove_objects("shop", "web");
        let text = metrics.render();
        assert!(!text.contains("delivery=\"web\"") && text.ends_with("# EOF\n"), "{text}");
    }
}
