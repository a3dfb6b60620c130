//! Test fixtures: clusters, namespaces, request recorder, fault proxy, Git server, log sink,
//! long forms of tests. Dev only.

pub mod cluster;
pub mod git;
pub mod log_sink;
pub mod proxy;
mod serve;
pub mod soak;
pub mod sshd;
mod tls;

pub use testbed::certificates;
