//! The GitOps engine: desired set and observed set in, plan of operations out. Pure.
//!
//! No I/O, no clock, no randomness: [`decide`] says what to do about one object, [`guard`] when
//! pruning is refused, [`schedule`] in which order work may start and who waits for whom ([`part`]:
//! of which objects that has to be asked),
//! [`inventory`] how the record of a delivery is written so that no crash loses an object, and
//! [`plan`] is the outcome as data with a stable JSON form. `delivery` binds all of it to a
//! cluster.

pub mod decide;
pub mod digest;
pub mod directives;
mod graph;
pub mod guard;
pub mod hooks;
pub mod ignore;
pub mod inventory;
pub mod name;
pub mod part;
pub mod plan;
pub mod reference;
pub mod schedule;

pub use digest::Digest;
pub use directives::{Directives, Phase};
pub use guard::PruneGuards;
pub use ignore::{IgnoreRule, Ignored};
pub use inventory::Inventory;
pub use name::DeliveryName;
pub use plan::{
    Action, Change, Conflict, ForceRecreate, Operation, Plan, PlanSource, Problem, Summary,
};
