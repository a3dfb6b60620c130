//! Continuous GitOps as decisions and formats. Pure: no I/O, no clock, no randomness.
//!
//! [`spec`] is the custom resource `GitSync` and [`crd`] its definition; [`mod@file`] reads the
//! same documents on a host. [`decide`] says what to do next, [`shard`] which replica does it,
//! [`webhook`] what a push says and whether to believe it.
//! [`expression`] is CEL, and [`health`] the rules that are written in it. [`history`] and
//! [`report`] make the delivery figures; [`audit`] and [`notify`] are what others get to see.

pub mod audit;
pub mod chance;
pub mod crd;
pub mod decide;
pub mod expression;
pub mod file;
pub mod fuzzing;
pub mod health;
pub mod history;
pub mod notify;
pub mod report;
pub mod shard;
pub mod spec;
mod strict;
pub mod webhook;

pub use spec::{GitSync, Spec, Status, SyncKey, Valid};
