//! The deliver path: repo, objects, sync and cluster bound into plan, apply, diff and status.
//!
//! Both planes call the same functions: the workstation with a person's terminal as
//! [`Progress`], the controller with its log.

mod apply;
mod decided;
mod delete;
mod deliver;
mod desired;
mod drift;
mod error;
mod fate;
mod hook;
mod hook_run;
mod leave;
mod look;
mod observe;
mod options;
mod prepared;
mod progress;
mod remove;
mod report;
mod settle;
mod source;
mod status;
mod store;
mod takeover;
mod wait;
mod work;

pub use apply::apply;
pub use delete::{DeletePolicy, delete};
pub use error::DeliveryError;
pub use options::{
    CONCURRENCY, DeliveryOptions, Moves, NAMESPACE, SERVICE_ACCOUNT_CHARS_MAX, ServiceAccountName,
    TIMEOUT_SECONDS,
};
pub use prepared::plan;
pub use progress::{Event, Progress, Silent};
pub use report::{
    DRIFTED_FIELDS_MAX, DRIFTED_MAX, DeliverySummary, Drifted, DriftedField, ObjectHealth, Outcome,
    OutcomeResult, REPORT_SCHEMA, Report, STATUS_SCHEMA, Status,
};
pub use source::{Source, Tree, load};
pub use status::{list, status};
