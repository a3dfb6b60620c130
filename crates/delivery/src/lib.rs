//! The deliver path: repo, objects, sync and cluster bound into plan, apply, diff and status.
//!
//! Both planes call the same functions: the workstation with a person's terminal as
//! [`Progress`], the controller with its log.

mod decided;
mod desired;
mod error;
mod look;
mod observe;
mod options;
mod prepared;
mod progress;
mod report;
mod source;
mod store;
mod takeover;

pub use error::DeliveryError;
pub use options::{CONCURRENCY, DeliveryOptions, NAMESPACE, TIMEOUT_SECONDS};
pub use prepared::plan;
pub use progress::{Event, Progress, Silent};
pub use report::{
    DeliverySummary, ObjectHealth, Outcome, OutcomeResult, REPORT_SCHEMA, Report, STATUS_SCHEMA,
    Status,
};
pub use source::{Source, Tree, load};
