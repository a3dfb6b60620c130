//! What the process did to API servers and what its queues and lease look like, as OpenMetrics.
//!
//! Every HTTP request is counted once per try, by verb, resource and status code, so that the
//! numbers add up with those of the API server. Labels never carry object names.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the request duration buckets, in seconds.
const DURATION_BUCKETS_SECONDS: [f64; 10] =
    [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// The media type of [`Metrics::render`].
pub const OPENMETRICS_CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

type QueueLabels = Vec<(String, String)>;
type Durations = Family<Vec<(&'static str, &'static str)>, Histogram, fn() -> Histogram>;
type Counts = BTreeMap<(&'static str, String, u16), u64>;

/// How often one verb on one resource ended with one code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestCount {
    /// `get`, `list`, `watch`, `create`, `apply`, `patch`, `delete`.
    pub verb: &'static str,
    /// `deployments.apps`, `pods/status`; `discovery` and `version` for other paths.
    pub resource: String,
    /// The HTTP status; 0 when there was no answer.
    pub code: u16,
    /// How often.
    pub count: u64,
}

/// The metrics of this process; clones share the numbers.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    requests: RequestTable,
    durations: Durations,
    in_flight: Gauge,
    retries: Counter,
    watch_restarts: Counter,
    queue_depth: Family<QueueLabels, Gauge>,
    leader: Gauge,
}

#[derive(Debug, Clone, Default)]
struct RequestTable(Arc<Mutex<Counts>>);

impl Collector for RequestTable {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = encoder.encode_descriptor(
            "orlop_api_requests",
            "Requests to the API server",
            None,
            MetricType::Counter,
        )?;
        for ((verb, resource, code), count) in table.iter() {
            let code = code.to_string();
            let labels = [("verb", *verb), ("resource", resource.as_str()), ("code", &code)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// All numbers at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let requests = RequestTable::default();
        registry.register_collector(Box::new(requests.clone()));
        let durations: Durations =
            Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS_SECONDS));
        registry.register(
            "orlop_api_request_duration_seconds",
            "Time from sending a request to its whole answer (watch: to its headers)",
            durations.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("orlop_api_in_flight", "Requests under way", in_flight.clone());
        let retries = Counter::default();
        registry.register("orlop_api_retries", "Requests that were sent again", retries.clone());
        let watch_restarts = Counter::default();
        registry.register(
            "orlop_watch_restarts",
            "Watches that were opened again after an error or an end",
            watch_restarts.clone(),
        );
        let queue_depth = Family::<QueueLabels, Gauge>::default();
        registry.register("orlop_queue_depth", "Keys waiting for a worker", queue_depth.clone());
        let leader = Gauge::default();
        registry.register("orlop_leader", "1 while this process leads", leader.clone());
        Self(Arc::new(Inner {
            registry: Mutex::new(registry),
            requests,
            durations,
            in_flight,
            retries,
            watch_restarts,
            queue_depth,
            leader,
        }))
    }

    /// The OpenMetrics text, ending in `# EOF`.
    #[must_use]
    pub fn render(&self) -> String {
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a String cannot fail; a half text without its EOF line is refused by readers.
        if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
            text.clear();
        }
        text
    }

    /// Adds metrics of another part of the process.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.0.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All request counts, ordered by verb, resource and code.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestCount> {
        let table = self.0.requests.0.lock().unwrap_or_else(PoisonError::into_inner);
        table
            .iter()
            .map(|((verb, resource, code), count)| RequestCount {
                verb,
                resource: resource.clone(),
                code: *code,
                count: *count,
            })
            .collect()
    }

    /// How many requests would change the cluster (`create`, `apply`, `patch`, `delete`).
    #[must_use]
    pub fn writes(&self) -> u64 {
        let is_write = |count: &RequestCount| !matches!(count.verb, "get" | "list" | "watch");
        self.requests().iter().filter(|count| is_write(count)).map(|count| count.count).sum()
    }

    /// Whether this process leads.
    pub fn set_leader(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }

    /// How many keys of the named queue wait.
    pub fn set_queue_depth(&self, queue: &str, depth: usize) {
        let labels = vec![("queue".to_owned(), queue.to_owned())];
        self.0.queue_depth.get_or_create(&labels).set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// The queue is gone, and its series with it.
    pub fn remove_queue(&self, queue: &str) {
        self.0.queue_depth.remove(&vec![("queue".to_owned(), queue.to_owned())]);
    }

    pub(crate) fn request_done(
        &self,
        verb: &'static str,
        resource: &str,
        code: u16,
        took: Duration,
    ) {
        let mut table = self.0.requests.0.lock().unwrap_or_else(PoisonError::into_inner);
        *table.entry((verb, resource.to_owned(), code)).or_insert(0) += 1;
        drop(table);
        self.0.durations.get_or_create(&vec![("verb", verb)]).observe(took.as_secs_f64());
    }

    pub(crate) fn retried(&self) {
        self.0.retries.inc();
    }

    pub(crate) fn watch_restarted(&self) {
        self.0.watch_restarts.inc();
    }

    /// Counts a request as under way until the guard goes.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.0.in_flight.inc();
        InFlight(self.0.in_flight.clone())
    }
}

/// One request under way.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted_by_verb_resource_and_code() {
        let metrics = Metrics::new();
        metrics.request_done("apply", "deployments.apps", 200, Duration::from_millis(3));
        metrics.request_done("apply", "deployments.apps", 200, Duration::from_millis(3));
        metrics.request_done("get", "pods", 404, Duration::from_millis(3));
        metrics.set_leader(true);
        metrics.set_queue_depth("deliveries", 4);
        let text = metrics.render();
        for line in [
            r#"orlop_api_requests_total{verb="apply",resource="deployments.apps",code="200"} 2"#,
            r#"orlop_api_requests_total{verb="get",resource="pods",code="404"} 1"#,
            r#"orlop_api_request_duration_seconds_count{verb="apply"} 2"#,
            "orlop_leader 1",
            r#"orlop_queue_depth{queue="deliveries"} 4"#,
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(metrics.writes(), 2);
    }

    #[test]
    fn operator_26_series_go_with_their_queue() {
        let metrics = Metrics::new();
        metrics.set_queue_depth("gone", 1);
        metrics.remove_queue("gone");
        assert!(!metrics.render().contains("gone"));
    }

    #[test]
    fn requests_under_way_go_down_when_a_caller_is_cancelled() {
        let metrics = Metrics::new();
        let guard = metrics.in_flight();
        assert!(metrics.render().contains("orlop_api_in_flight 1"));
        drop(guard);
        assert!(metrics.render().contains("orlop_api_in_flight 0"));
    }
}
