//! The log files and the journal of this machine, as bytes.
//!
//! [`tail`] finds files by patterns and follows them over every kind of rotation; [`journal`]
//! reads systemd's journal. They read; what the bytes mean is the business of others. [`changes`]
//! tells when one file, such as a config, may have changed.

pub mod changes;
pub mod fuzzing;
mod hash;
pub mod journal;
mod sys;
pub mod tail;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
