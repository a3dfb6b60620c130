//! Deliveries to a real API server, by promise. Without one every test says that it is skipped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
mod faults;
mod gate;
mod live;
mod moving;
mod order;
mod others;
mod ownership;
mod prove;
mod prune;
mod remember;
mod secrets;
mod steady;
mod waves;
