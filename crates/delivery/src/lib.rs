//! The deliver path: repo, objects, sync and cluster bound into plan, apply, diff and status.
//!
//! Both planes call the same functions: the workstation with a person's terminal as
//! [`Progress`], the controller with its log.

mod apply;
mod cache;
mod decided;
mod delete;
mod deliver;
mod desired;
mod drift;
mod encrypted;
mod error;
mod fate;
mod gate;
mod hook;
mod hook_run;
mod leave;
mod live;
mod look;
mod observe;
mod options;
mod prepared;
mod progress;
mod recall;
mod remove;
mod render;
mod report;
mod settle;
mod source;
mod status;
mod store;
mod takeover;
mod wait;
mod work;

pub use apply::apply;
pub use cache::{TREE_CACHE_BYTES_MAX, TreeCache};
pub use delete::{DeletePolicy, delete};
pub use encrypted::EncryptedError;
pub use error::DeliveryError;
pub use live::{
    Check, DRIFT_FIELDS_MAX, DRIFT_VALUE_BYTES_MAX, DRIFTS_MAX, Drift, DriftField, DriftKind,
    HealthRule, KEPT_BYTES_MAX, KEPT_OBJECTS_MAX, LIVE_EVENTS_MAX, LIVE_MEMO_BYTES_MAX,
    LIVE_PAGE_OBJECTS, LIVE_SYNC_SECONDS, Live, LiveEvent, LiveEvents, LiveHealth, Unwatched,
};
pub use options::{
    CONCURRENCY, DeliveryOptions, Moves, NAMESPACE, SERVICE_ACCOUNT_CHARS_MAX, ServiceAccountName,
    TIMEOUT_SECONDS,
};
pub use prepared::plan;
pub use progress::{Event, Progress, Silent};
pub use render::{Engine, KUBE_VERSION, RenderError, RenderOptions};
pub use report::{
    DRIFTED_FIELDS_MAX, DRIFTED_MAX, DeliverySummary, Drifted, DriftedField, ObjectHealth, Outcome,
    OutcomeResult, REPORT_SCHEMA, Report, STATUS_SCHEMA, Status,
};
pub use source::{LoadOptions, Source, Tree, load, read};
pub use status::{list, status};
