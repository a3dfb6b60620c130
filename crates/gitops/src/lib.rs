//! Continuous GitOps as decisions and formats. Pure: no I/O, no clock, no randomness.
//!
//! [`spec`] is the custom resource `GitSync` and [`crd`] its definition; [`file`] reads the same
//! documents on a host; [`semver`] chooses the tag of a range.

pub mod crd;
pub mod file;
pub mod semver;
pub mod spec;
mod strict;
