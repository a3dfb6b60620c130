//! Verdicts compared with those of the real `git`, over the real `gpg` and `ssh-keygen`.
//!
//! Keys, commits and tags are made by these programs when a test runs. A test whose programs are
//! not on this machine prints `SKIP` and returns.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "tests fail by panicking, and say so when they are skipped"
)]

mod host;
mod openpgp;
mod openssh;
