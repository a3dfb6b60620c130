//! The single-host Kubernetes for tests and demos: components, images, nodes, clean-up.

pub mod cluster;
pub mod components;
mod error;
mod files;
mod golang;
pub mod images;
pub mod packages;
pub mod peers;
pub mod probe;
mod sandbox;
pub mod wait;

pub use cluster::{Cluster, Spec, Tier};
pub use components::Components;
pub use error::TestbedError;
pub use peers::{MissingPeer, peer};
