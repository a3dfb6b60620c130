//! Continuous delivery: one task per `GitSync` that watches, fetches, delivers and heals.
//!
//! The controller in the cluster and `orlop sync run` on a host run the same [`Engine`]. Where
//! GitSyncs come from, where their status goes and where secrets are is a [`Home`]: objects of
//! the cluster, or a file.

mod audit;
mod engine;
mod error;
mod folders;
mod home;
mod host;
mod letters;
mod names;
mod numbers;
mod places;
mod secrets;
mod source;
mod syncer;
mod verify;
mod webhook;

pub use audit::Audit;
pub use engine::{CONCURRENCY, Engine, EngineOptions};
pub use error::ReconcileError;
pub use home::cluster::ClusterHome;
pub use home::host::{HostHome, SPEC_KEY, STATUS_KEY, STATUS_LABEL, status_object};
pub use home::{Home, MATERIAL_SECONDS, Material, MaterialKind};
pub use host::run_host;
pub use names::{delivery_name, manager_of, user_of};
pub use numbers::Numbers;
pub use syncer::record::{HISTORY_KEY, HISTORY_LABEL, history_object, whole_history};
pub use webhook::{WEBHOOK_BODY_BYTES_MAX, WEBHOOK_PATH};
