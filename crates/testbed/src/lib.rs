//! The single-host Kubernetes for tests and demos: components, images, nodes, clean-up.

mod error;
mod files;
pub mod images;
pub mod packages;
pub mod probe;

pub use error::TestbedError;
