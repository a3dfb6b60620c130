//! Gauges that belong together and are read together.

use crate::metrics::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Name and value of each label, in the order in which they are written.
type Labels = Vec<(String, String)>;
type Series = Vec<(String, i64)>;

/// Gauges in groups, such as the objects of one delivery by health: a scrape sees a group whole,
/// as it was set last, so that a sum over it is never one of two moments. Clones share the groups.
#[derive(Debug, Clone)]
pub struct GaugeGroups(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    groups: Mutex<BTreeMap<Labels, Series>>,
}

impl GaugeGroups {
    /// No group yet; the series of a group differ in `label`.
    #[must_use]
    pub fn register(
        metrics: &Metrics,
        name: &'static str,
        help: &'static str,
        label: &'static str,
    ) -> Self {
        let groups = Mutex::default();
        let own = Self(Arc::new(Inner { name, help, label, groups }));
        let collector = Box::new(own.clone());
        metrics.register(|registry| registry.register_collector(collector));
        own
    }

    /// The series of a group, in place of those it had.
    pub fn set(&self, group: Labels, series: Series) {
        self.0.groups.lock().unwrap_or_else(PoisonError::into_inner).insert(group, series);
    }

    /// The group is gone, and all its series with it.
    pub fn remove(&self, group: &Labels) {
        self.0.groups.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }
}

impl Collector for GaugeGroups {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let inner = &*self.0;
        let groups = inner.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.is_empty() {
            return Ok(());
        }
        let mut family =
            encoder.encode_descriptor(inner.name, inner.help, None, MetricType::Gauge)?;
        for (group, series) in groups.iter() {
            for (value, number) in series {
                let mut labels = group.clone();
                labels.push((inner.label.to_owned(), value.clone()));
                ConstGauge::new(*number).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn group() -> Labels {
        vec![("sync".to_owned(), "web".to_owned())]
    }

    fn series(good: i64) -> Series {
        vec![("Healthy".to_owned(), good), ("Degraded".to_owned(), 10 - good)]
    }

    #[test]
    fn operator_26_a_group_is_written_as_it_was_set_last_and_goes_whole() {
        let metrics = Metrics::new();
        let gauges = GaugeGroups::register(&metrics, "objects", "Objects by health", "health");
        assert!(!metrics.render().contains("objects"), "{}", metrics.render());
        gauges.set(group(), series(9));
        gauges.set(group(), series(3));
        let text = metrics.render();
        let lines = "# HELP objects Objects by health\n# TYPE objects gauge\n\
                     objects{sync=\"web\",health=\"Healthy\"} 3\n\
                     objects{sync=\"web\",health=\"Degraded\"} 7\n";
        assert!(text.contains(lines) && text.ends_with("# EOF\n"), "{text}");
        gauges.remove(&group());
        assert!(!metrics.render().contains("web"), "{}", metrics.render());
    }

    #[test]
    fn operator_26_no_scrape_sees_half_a_group() {
        let metrics = Metrics::new();
        let gauges = GaugeGroups::register(&metrics, "objects", "Objects by health", "health");
        gauges.set(group(), series(0));
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for good in 0..20_000 {
                    gauges.set(group(), series(good % 11));
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                let text = metrics.render();
                let sum: i64 = text
                    .lines()
                    .filter(|line| line.starts_with("objects{"))
                    .filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok())
                    .sum();
                assert_eq!(sum, 10, "{text}");
            }
        });
    }
}
