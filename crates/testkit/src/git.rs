//! Git repositories for tests, and the real smart-HTTP protocol on loopback to fetch them by.
//!
//! The server runs the system's `git http-backend`, so what a test talks to is Git itself; in
//! front of it are a request log, optional Basic authentication and TLS, and faults.

mod repository;
mod server;
mod zeros;

pub use repository::{Change, Repository};
pub use server::{GitFault, GitRequest, GitServer, GitServerOptions};
pub use zeros::Zeros;

use std::process::Command;

/// A `git` command that sees neither the user's nor the system's configuration.
pub(crate) fn git() -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("GIT_")) {
            command.env_remove(name);
        }
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C");
    command
}

#[cfg(test)]
mod tests;
