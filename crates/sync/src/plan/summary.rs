//! How many operations of each action a plan has, for its JSON form and in one line.

use super::{Action, Operation, is_default};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many objects of each action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// To be made.
    pub create: usize,
    /// To be changed.
    pub update: usize,
    /// To be taken over.
    pub takeover: usize,
    /// To be deleted and made again.
    #[serde(skip_serializing_if = "is_default")]
    pub recreate: usize,
    /// Hooks to run.
    #[serde(skip_serializing_if = "is_default")]
    pub hook: usize,
    /// To be deleted.
    pub prune: usize,
    /// To be forgotten, because another delivery has them.
    pub hand_over: usize,
    /// Out of the tree and left alone.
    pub keep: usize,
    /// Waiting for something broken.
    pub hold: usize,
    /// With fields that others own.
    pub conflict: usize,
    /// Not applicable as written.
    pub invalid: usize,
    /// Proven or found equal.
    pub unchanged: usize,
}

impl Summary {
    /// Counts operations; `unchanged` is known to the caller only.
    #[must_use]
    pub fn of<'a>(operations: impl IntoIterator<Item = &'a Operation>, unchanged: usize) -> Self {
        let mut summary = Self { unchanged, ..Self::default() };
        for operation in operations {
            *summary.slot(operation.action) += 1;
        }
        summary
    }

    fn slot(&mut self, action: Action) -> &mut usize {
        match action {
            Action::Create => &mut self.create,
            Action::Update => &mut self.update,
            Action::Takeover => &mut self.takeover,
            Action::Recreate => &mut self.recreate,
            Action::Hook => &mut self.hook,
            Action::Prune => &mut self.prune,
            Action::HandOver => &mut self.hand_over,
            Action::Keep => &mut self.keep,
            Action::Hold => &mut self.hold,
            Action::Conflict => &mut self.conflict,
            Action::Invalid => &mut self.invalid,
        }
    }

    /// How many writes would be made.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.create
            + self.update
            + self.takeover
            + self.recreate
            + self.hook
            + self.prune
            + self.hand_over
    }
}

impl fmt::Display for Summary {
    /// `2 to create, 1 to update, 7 unchanged`: what is zero is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.create, "to create"),
            (self.update, "to update"),
            (self.takeover, "to take over"),
            (self.recreate, "to make again"),
            (self.hook, if self.hook == 1 { "hook to run" } else { "hooks to run" }),
            (self.prune, "to prune"),
            (self.hand_over, "to hand over"),
            (self.keep, "left alone"),
            (self.hold, "held"),
            (self.conflict, "in conflict"),
            (self.invalid, "invalid"),
            (self.unchanged, "unchanged"),
        ];
        let mut first = true;
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{}{count} {what}", if first { "" } else { ", " })?;
            first = false;
        }
        if first { f.write_str("nothing to deliver") } else { Ok(()) }
    }
}
