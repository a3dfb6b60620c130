//! The client against a real OpenSSH server: every algorithm, every kind of key, re-keying, windows
//! and ends of commands.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

mod algorithms;
mod commands;
mod driver;
