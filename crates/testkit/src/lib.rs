//! Test fixtures: clusters, namespaces, request recorder, fault proxy, Git server. Dev only.

pub mod cluster;
pub mod git;
pub mod proxy;
mod serve;
pub mod sshd;
mod tls;

pub use testbed::certificates;
