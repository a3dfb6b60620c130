//! Events (`events.k8s.io/v1`) that tell people what happened, without flooding the cluster.
//!
//! The same news about the same object is written once; a repeated warning becomes one series
//! whose count is written when it doubles. A healthy object therefore gets no event per pass.
//! Each object has a small allowance that refills slowly. Failing to write an event is logged and
//! never an error of the work it tells about.

use crate::client::Client;
use crate::error::ClusterError;
use crate::operations::{ApplyOptions, PatchOptions};
use crate::resource::Resource;
use crate::timestamp::micros_text;
use model::Clock;
use objects::{GroupVersionKind, Object};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The API's limit on the note.
pub const EVENT_NOTE_BYTES_MAX: usize = 1_024;
/// Events that one object may cause at once.
pub const EVENT_BURST: u32 = 25;
/// One more event is allowed after this time.
pub const EVENT_REFILL_SECONDS: u64 = 300;
/// Old news is news again after this time; the server drops events after an hour.
pub const EVENT_MEMORY_SECONDS: u64 = 3_600;
/// News that is remembered; the oldest is forgotten first.
pub const EVENTS_REMEMBERED_MAX: usize = 4_096;

const NAME_CHARS_MAX: usize = 200;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// As planned.
    Normal,
    /// Not as planned.
    Warning,
}

/// News about an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct News {
    /// How bad.
    pub r#type: EventType,
    /// Why, one word: `Delivered`.
    pub reason: String,
    /// What was done, one word: `Apply`.
    pub action: String,
    /// For people; cut at [`EVENT_NOTE_BYTES_MAX`]. Must hold no secrets.
    pub note: String,
}

/// Writes events; clones share the memory.
#[derive(Clone)]
pub struct Events {
    client: Client,
    clock: Arc<dyn Clock>,
    controller: String,
    instance: String,
    memory: Arc<Mutex<Memory>>,
}

impl Events {
    /// A writer. `controller` is a name such as `orlop.dev/controller`, `instance` the process.
    pub fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        controller: impl Into<String>,
        instance: impl Into<String>,
    ) -> Self {
        Self {
            client,
            clock,
            controller: controller.into(),
            instance: instance.into(),
            memory: Arc::default(),
        }
    }

    /// Tells news about a live object, unless it is old news or too much. Returns whether the
    /// cluster was written to.
    pub async fn tell(&self, about: &Object, news: News) -> bool {
        let uid = about.uid().unwrap_or_default().to_owned();
        let decision = {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.decide(self.clock.monotonic(), &uid, &news)
        };
        let now = self.clock.now();
        let namespace = if about.namespace().is_empty() { "default" } else { about.namespace() };
        let result = match &decision {
            Decision::Drop => return false,
            Decision::Create(number) => {
                let name = self.name(about, *number, now);
                let created = self.create(about, &news, namespace, &name, now).await;
                if created.is_ok() {
                    let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                    memory.named(&uid, &news, name);
                }
                created
            }
            Decision::Count { name, count } => self.count(namespace, name, *count, now).await,
        };
        if let Err(error) = &result {
            tracing::warn!(object = %about.id(), %error, "event not written");
        }
        result.is_ok()
    }

    async fn create(
        &self,
        about: &Object,
        news: &News,
        namespace: &str,
        name: &str,
        now: SystemTime,
    ) -> Result<(), ClusterError> {
        let note = news.note.get(..news.note.floor_char_boundary(EVENT_NOTE_BYTES_MAX));
        let value = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"namespace": namespace, "name": name},
            "eventTime": micros_text(now),
            "reportingController": self.controller, "reportingInstance": self.instance,
            "type": match news.r#type { EventType::Normal => "Normal", EventType::Warning => "Warning" },
            "reason": news.reason, "action": news.action, "note": note.unwrap_or_default(),
            "regarding": {
                "apiVersion": about.api_version(), "kind": about.kind(), "name": about.name(),
                "namespace": about.namespace(), "uid": about.uid(),
            },
        });
        let event = Object::from_value(value).map_err(|error| ClusterError::BadRequest {
            subject: name.to_owned(),
            message: error.to_string(),
        })?;
        let options = ApplyOptions::new(self.controller.clone());
        self.client.create(&event_resource(), &event, &options).await.map(|_| ())
    }

    async fn count(
        &self,
        namespace: &str,
        name: &str,
        count: u64,
        now: SystemTime,
    ) -> Result<(), ClusterError> {
        let patch = json!({"series": {"count": count, "lastObservedTime": micros_text(now)}});
        let options =
            PatchOptions { field_manager: self.controller.clone(), ..PatchOptions::default() };
        self.client
            .patch_merge(&event_resource(), namespace, name, &patch, &options)
            .await
            .map(|_| ())
    }

    /// Unique per process, moment and event.
    fn name(&self, about: &Object, number: u64, now: SystemTime) -> String {
        let nanos = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let stem: String = about.name().chars().take(NAME_CHARS_MAX).collect();
        let stem = stem.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase();
        format!("{}.{nanos:x}{number:x}", stem.trim_matches('-'))
    }
}

fn event_resource() -> Resource {
    Resource {
        gvk: GroupVersionKind::from_api_version("events.k8s.io/v1", "Event"),
        plural: "events".to_owned(),
        singular: "event".to_owned(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: ["create", "patch"].map(str::to_owned).to_vec(),
        subresources: Vec::new(),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Drop,
    /// Write a new event; the number makes its name unique.
    Create(u64),
    Count {
        name: String,
        count: u64,
    },
}

/// What was told, and how much each object may still cause.
#[derive(Debug, Default)]
struct Memory {
    told: HashMap<(String, News), Told>,
    allowance: HashMap<String, (f64, Instant)>,
    numbers: u64,
}

#[derive(Debug)]
struct Told {
    name: String,
    since: Instant,
    count: u64,
}

impl Memory {
    fn decide(&mut self, now: Instant, uid: &str, news: &News) -> Decision {
        let memory = Duration::from_secs(EVENT_MEMORY_SECONDS);
        let key = (uid.to_owned(), news.clone());
        if let Some(told) = self.told.get_mut(&key)
            && now.saturating_duration_since(told.since) < memory
        {
            told.count += 1;
            let (count, name) = (told.count, told.name.clone());
            let worth =
                news.r#type == EventType::Warning && count.is_power_of_two() && !name.is_empty();
            return if worth && self.allowed(now, uid) {
                Decision::Count { name, count }
            } else {
                Decision::Drop
            };
        }
        if !self.allowed(now, uid) {
            return Decision::Drop;
        }
        if self.told.len() >= EVENTS_REMEMBERED_MAX {
            self.forget_old(now, memory);
        }
        self.numbers += 1;
        self.told.insert(key, Told { name: String::new(), since: now, count: 1 });
        Decision::Create(self.numbers)
    }

    fn named(&mut self, uid: &str, news: &News, name: String) {
        if let Some(told) = self.told.get_mut(&(uid.to_owned(), news.clone())) {
            told.name = name;
        }
    }

    /// Takes one from the object's allowance, if there is one.
    fn allowed(&mut self, now: Instant, uid: &str) -> bool {
        if self.allowance.len() >= EVENTS_REMEMBERED_MAX && !self.allowance.contains_key(uid) {
            self.allowance.retain(|_, (tokens, at)| {
                refilled(*tokens, now.saturating_duration_since(*at)) < f64::from(EVENT_BURST)
            });
            if self.allowance.len() >= EVENTS_REMEMBERED_MAX {
                self.allowance.clear();
            }
        }
        let entry = self.allowance.entry(uid.to_owned()).or_insert((f64::from(EVENT_BURST), now));
        let tokens = refilled(entry.0, now.saturating_duration_since(entry.1));
        let allowed = tokens >= 1.0;
        *entry = (if allowed { tokens - 1.0 } else { tokens }, now);
        allowed
    }

    /// Makes room: everything out of date, and the oldest half when that is not enough.
    fn forget_old(&mut self, now: Instant, memory: Duration) {
        self.told.retain(|_, told| now.saturating_duration_since(told.since) < memory);
        if self.told.len() < EVENTS_REMEMBERED_MAX {
            return;
        }
        let mut ages: Vec<Instant> = self.told.values().map(|told| told.since).collect();
        ages.sort_unstable();
        if let Some(middle) = ages.get(ages.len() / 2).copied() {
            self.told.retain(|_, told| told.since > middle);
        }
    }
}

fn refilled(tokens: f64, passed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let refill = EVENT_REFILL_SECONDS as f64;
    (tokens + passed.as_secs_f64() / refill).min(f64::from(EVENT_BURST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(r#type: EventType, note: &str) -> News {
        News { r#type, reason: "R".into(), action: "A".into(), note: note.into() }
    }

    #[test]
    fn operator_17_a_steady_state_writes_no_event() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let ready = news(EventType::Normal, "delivered abc");
        assert_eq!(memory.decide(start, "u", &ready), Decision::Create(1));
        for pass in 1..119 {
            let now = start + Duration::from_secs(pass * 30);
            assert_eq!(memory.decide(now, "u", &ready), Decision::Drop);
        }
        assert_eq!(memory.decide(start, "other", &ready), Decision::Create(2));
    }

    #[test]
    fn a_repeated_warning_is_one_series_whose_count_is_written_when_it_doubles() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let bad = news(EventType::Warning, "no");
        assert_eq!(memory.decide(start, "u", &bad), Decision::Create(1));
        memory.named("u", &bad, "n".into());
        let written: Vec<u64> = (2..=64)
            .filter_map(|_| match memory.decide(start, "u", &bad) {
                Decision::Count { count, .. } => Some(count),
                _ => None,
            })
            .collect();
        assert_eq!(written, [2, 4, 8, 16, 32, 64]);
    }

    #[test]
    fn one_object_cannot_flood_the_cluster() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let mut created = |at, count: u32| {
            (0..count)
                .filter(|i| {
                    let news = news(EventType::Warning, &format!("{i} {at:?}"));
                    matches!(memory.decide(start + at, "u", &news), Decision::Create(_))
                })
                .count()
        };
        assert_eq!(created(Duration::ZERO, 1000), EVENT_BURST as usize);
        assert_eq!(created(Duration::from_secs(EVENT_REFILL_SECONDS), 1000), 1);
    }

    #[test]
    fn the_memory_is_bounded() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        for i in 0..2 * EVENTS_REMEMBERED_MAX {
            let now = start + Duration::from_millis(i as u64);
            memory.decide(now, &format!("u{i}"), &news(EventType::Normal, "x"));
        }
        assert!(memory.told.len() <= EVENTS_REMEMBERED_MAX);
        assert!(memory.allowance.len() <= EVENTS_REMEMBERED_MAX);
    }
}
