//! The oracle: messages as `prost` knows them, declared by hand from the published definitions.
//! What we write prost must read as the same, what prost writes we must read as the same.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail the test"
)]

mod loki;
mod messages;
mod read;
mod requests;
mod write;
