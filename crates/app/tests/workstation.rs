//! The workstation plane through the real binary: stdout, stderr and exit code.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "workstation/bad_clusters.rs"]
mod bad_clusters;
#[path = "workstation/bad_sources.rs"]
mod bad_sources;
#[path = "workstation/command_line.rs"]
mod command_line;
#[path = "workstation/delivering.rs"]
mod delivering;
#[path = "workstation/interrupting.rs"]
mod interrupting;
#[path = "workstation/secrets.rs"]
mod secrets;
