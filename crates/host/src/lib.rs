//! The log files and the journal of this machine, as bytes.
//!
//! [`tail`] finds files by patterns and follows them over every kind of rotation. It reads; what
//! the bytes mean is the business of others.

mod hash;
mod sys;
pub mod tail;
