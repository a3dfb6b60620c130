//! Kubernetes objects as documents, never as typed round trips.
//!
//! Bytes ↔ documents without I/O, async or a clock: an [`Object`] is the JSON that the API server
//! would see, a [`Packed`] one is the same in a tenth of the memory, a [`Manifest`] is an object
//! with the place in the tree it came from, an [`ObjectRef`] is its identity.

mod brief;
mod builtin;
pub mod diff;
pub mod emit;
pub mod fields;
pub mod fuzzing;
pub mod health;
mod identity;
mod manifest;
pub mod mask;
mod object;
pub mod order;
mod packed;
pub mod proof;
pub mod quantity;
pub mod yaml;

pub use brief::{Uid, Version};
pub use identity::{GroupKind, GroupVersionKind, Identity, ObjectRef};
pub use manifest::{Manifest, Origin};
pub use object::{Object, ShapeError};
pub use packed::{PACKED_DEPTH_MAX, Packed};
