//! The workstation plane through the real binary: stdout, stderr and exit code.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::Child;
use support::{Desk, Ran};

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
#[path = "workstation/schemas.rs"]
mod schemas;
#[path = "workstation/secrets.rs"]
mod secrets;

impl Desk {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Starts and does not wait.
    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Waits for a child.
    fn wait(&self, child: Child) -> Ran {
        self.ran(child.wait_with_output().unwrap())
    }
}
