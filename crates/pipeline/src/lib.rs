//! Between reading and sending: what is kept, how it is handed over, what may be forgotten. Pure.
//!
//! [`sampling`] decides about one record at a time, [`deferred`] remembers what was dropped of a
//! trace until an error of it comes, [`balance`] counts what became of every record. [`ring`]
//! hands blocks from one reader to several sinks within a memory ceiling, [`ledger`] turns the
//! sinks' acknowledgements into offsets that may be committed, [`batch`] says when a batch is
//! due, what an answer means, how long to wait and which half of a refused batch to try next.
//!
//! Input: plain values; times in nanoseconds, sizes in bytes. No I/O, no clock, no randomness:
//! all three are arguments. `ring` alone blocks threads, with a timeout. Limits are constants in
//! each module.

pub mod balance;
pub mod batch;
pub mod deferred;
pub mod hash;
pub mod ledger;
pub mod ring;
pub mod sampling;
mod signal;
mod spsc;
mod sync;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
