//! The deliver path: repo, objects, sync and cluster bound into plan, apply, diff and status.
//!
//! Both planes call the same functions: the workstation with a person's terminal as
//! [`Progress`], the controller with its log.

mod apply;
mod decided;
mod delete;
mod deliver;
mod desired;
mod error;
mod leave;
mod look;
mod observe;
mod options;
mod prepared;
mod progress;
mod render;
mod report;
mod settle;
mod source;
mod status;
mod store;
mod takeover;
mod wait;

pub use apply::apply;
pub use delete::{DeletePolicy, delete};
pub use error::DeliveryError;
pub use options::{CONCURRENCY, DeliveryOptions, NAMESPACE, TIMEOUT_SECONDS};
pub use prepared::plan;
pub use progress::{Event, Progress, Silent};
pub use render::{KUBE_VERSION, RenderError, RenderOptions};
pub use report::{
    DeliverySummary, ObjectHealth, Outcome, OutcomeResult, REPORT_SCHEMA, Report, STATUS_SCHEMA,
    Status,
};
pub use source::{Source, Tree, load, load_rendered};
pub use status::{list, status};
