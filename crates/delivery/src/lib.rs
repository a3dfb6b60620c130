//! The deliver path: repo, objects, sync and cluster bound into plan, apply, diff and status.
//!
//! Both planes call the same functions: the workstation with a person's terminal as
//! [`Progress`], the controller with its log.
//!
//! ```text
//! load(source, cancel)                          -> Tree            files to documents
//! plan(client, tree, options, progress, cancel) -> sync::Plan      looks, never writes
//! apply(client, tree, options, saved, progress, cancel) -> Report  writes; `saved`: only as planned
//! status(client, name, namespace)               -> Status          inventory with health
//! list(client)                                  -> Vec<DeliverySummary>
//! delete(client, options, policy, progress, cancel) -> Report      prune all, or orphan all
//! ```

mod options;

pub use options::{CONCURRENCY, DeliveryOptions, NAMESPACE, TIMEOUT_SECONDS};
