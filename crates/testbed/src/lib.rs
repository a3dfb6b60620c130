//! The single-host Kubernetes for tests and demos: components, images, nodes, clean-up.

pub mod packages;
pub mod probe;
