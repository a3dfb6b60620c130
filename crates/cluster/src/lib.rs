//! The port to Kubernetes: client, discovery, apply, watch, lease, events, work queue.
//!
//! The only crate with kube and k8s-openapi, and none of their types leaves it: the public API
//! speaks [`objects::Object`], [`objects::GroupVersionKind`] and types of its own.

mod backoff;
mod client;
mod conditions;
mod config;
mod discovery;
mod error;
mod events;
mod gauges;
mod lease;
mod list;
mod metrics;
mod openapi;
mod operations;
mod queue;
mod request;
mod resource;
mod service_account;
mod status;
mod timestamp;
mod token_file;
mod transport;
mod watch;

pub use backoff::{Backoff, Jitter};
pub use client::{Client, ServerVersion};
pub use conditions::{CONDITION_MESSAGE_BYTES_MAX, Condition, conditions_of, set_condition};
pub use config::{
    CONNECT_TIMEOUT_SECONDS, ConnectOptions, IN_FLIGHT_MAX, Impersonate, REQUEST_TIMEOUT_SECONDS,
    TRIES_MAX, TRIES_TOTAL_SECONDS, USER_AGENT,
};
pub use discovery::{DISCOVERY_REFRESH_MILLISECONDS, UnavailableApi};
pub use error::{
    Cause, CertificateProblem, ClusterError, FieldCause, FieldConflict, Forbidden,
    KubeconfigProblem,
};
pub use events::{
    EVENT_BURST, EVENT_MEMORY_SECONDS, EVENT_NOTE_BYTES_MAX, EVENT_REFILL_SECONDS,
    EVENTS_REMEMBERED_MAX, EventType, Events, News,
};
pub use gauges::GaugeGroups;
pub use lease::{Leadership, LeaseOptions, LeaseTimes, LeaseTimesError};
pub use list::{
    Freshness, LIST_RESTARTS_MAX, ListOptions, Listed, PAGE_OBJECTS, Page, PageEnd, Pages,
};
pub use metrics::{Metrics, OPENMETRICS_CONTENT_TYPE, RequestCount};
pub use openapi::{OpenApiIndex, Schemas};
pub use operations::{
    Applied, ApplyOptions, DeleteOptions, Deleted, FIELD_MANAGER_CHARS_MAX, FieldValidation,
    PatchOptions, Propagation,
};
pub use queue::{
    Outcome, QUEUE_BACKOFF_BASE_MILLISECONDS, QUEUE_BACKOFF_CAP_SECONDS, Queue, QueueOptions, Work,
};
pub use resource::Resource;
pub use service_account::{SERVICE_ACCOUNT_FOLDER, ServiceAccount};
pub use token_file::TOKEN_FILE_SECONDS;
pub use watch::{
    Deletion, WATCH_EVENT_BYTES_MAX, WATCH_FAILURES_SILENT, WATCH_IDLE_SECONDS,
    WATCH_QUIET_SECONDS, WATCH_TIMEOUT_MAX_SECONDS, WATCH_TIMEOUT_MIN_SECONDS, Watch, WatchEvent,
    WatchPosition,
};
