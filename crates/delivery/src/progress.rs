//! What a delivery tells while it works. The workstation draws it, the controller logs it.

use objects::ObjectRef;
use objects::health::Health;
use sync::plan::PlanSource;
use sync::{Action, Summary};

/// One thing that happened. Secrets never get here.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The tree was read.
    Loaded {
        /// From where.
        source: PlanSource,
        /// How many objects.
        objects: usize,
        /// How many documents could not be read.
        problems: usize,
    },
    /// Live objects are being compared; sent as pages arrive.
    Observed {
        /// Live objects compared so far.
        compared: usize,
        /// Desired objects.
        of: usize,
    },
    /// What will be done is known.
    Planned {
        /// Counts by action.
        summary: Summary,
    },
    /// Work on an object began.
    Started {
        /// What.
        action: Action,
        /// On what.
        object: ObjectRef,
    },
    /// Work on an object ended well.
    Done {
        /// What; `None` when the server found nothing to change.
        action: Option<Action>,
        /// On what.
        object: ObjectRef,
    },
    /// Work on an object failed, or waits for something that failed.
    Failed {
        /// On what.
        object: ObjectRef,
        /// Whether it was held back because of another object.
        held: bool,
        /// Why, in one line.
        reason: String,
    },
    /// An object's dependants wait until it is ready.
    WaitingReady {
        /// For what.
        object: ObjectRef,
    },
    /// A managed object's health is this now.
    Health {
        /// Of what.
        object: ObjectRef,
        /// The verdict.
        health: Health,
        /// How many objects are still waited for.
        pending: usize,
    },
    /// The person asked to stop: nothing new is begun.
    Stopping {
        /// Operations that are finished first.
        in_flight: usize,
    },
}

/// Takes what happens. Called from the task that runs the delivery: must not block.
pub trait Progress: Send + Sync {
    /// One thing happened.
    fn event(&self, event: &Event);
}

/// Nobody looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &Event) {}
}
