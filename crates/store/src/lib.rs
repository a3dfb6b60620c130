//! The agent's state on disk: how far each file was delivered, bytes of files that are about to
//! vanish, and records that no sink takes.
//!
//! One [`State`] directory, used by one process at a time. [`checkpoint`] is written whole and
//! atomically, with the generation before it kept; [`spill`] is a bounded queue of bytes;
//! [`dead_letter`] is a bounded file of JSON lines for people. Everything on disk has a checksum
//! or is text, is readable by its owner alone, and is foreign input when it is read back.

pub mod checkpoint;
pub mod dead_letter;
mod error;
pub mod fuzzing;
pub mod spill;
mod state;

pub use checkpoint::{CHECKPOINT, Checkpoint, Entry, FileRecord, Loaded, Outcome};
pub use dead_letter::{DeadLetter, DeadLetters};
pub use error::StoreError;
pub use spill::{Frame, Spill, SpillStats, Token};
pub use state::State;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
