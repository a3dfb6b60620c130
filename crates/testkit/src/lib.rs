//! Test fixtures: clusters, namespaces, request recorder, fault proxy, Git server. Dev only.

pub mod git;
mod serve;
pub mod sshd;
mod tls;
