//! Log bytes in, records out: split, join, parse and redact. Pure.
//!
//! A [`Plan`] says what to do with one kind of file. An [`Intake`] is fed [`Chunk`]s together with
//! the reading state of the file ([`File`]) and of its container or path ([`Streams`]), and fills
//! a block of [`Records`]. No I/O and no clock: the time is part of the chunk. Nothing here fails
//! on a line, and nothing is allocated per line once buffers have grown.

mod cri;
pub mod digits;
mod docker;
mod draft;
mod encoding;
mod error;
mod expected;
pub mod fuzzing;
pub mod hex;
mod intake;
mod json;
pub mod meaning;
pub mod multiline;
mod options;
pub mod parsers;
mod plan;
mod record;
pub mod redact;
mod state;
mod texts;
pub mod time;
mod window;

pub use draft::FIELDS_MAX;
pub use encoding::Encoding;
pub use error::PlanError;
pub use intake::{Chunk, Counters, Intake};
pub use multiline::Multiline;
pub use options::{Body, Keep, NAME_BYTES_MAX, NAMES_MAX, Options, Role, USUAL_NAMES, role};
pub use plan::{
    CHAIN_PAUSE, Framing, LINE_BYTES, LINE_BYTES_MAX, LINE_BYTES_MIN, PAUSE_MAX, Plan, Settings,
};
pub use record::{
    ARENA_BYTES_MAX, BLOCK_BYTES, BLOCK_RECORDS, Field, Flags, Piece, Record, Records, Span, Value,
};
pub use redact::Redaction;
pub use state::{FILES_OF_A_RECORD_MAX, File, Streams, hold};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
