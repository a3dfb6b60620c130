//! Following log files: found by patterns, read as bytes, over every kind of rotation.
//!
//! Input: patterns ([`Input`]), bounds ([`Limits`]), and where to go on ([`Resume`]). Output:
//! [`Chunk`]s of bytes, each right after the one before it in the same file, and records for a
//! checkpoint. It knows nothing of lines. See [`Tailer`] for how it is driven.

mod admit;
mod bases;
mod config;
mod copies;
mod discover;
mod events;
mod file;
mod glob;
mod gone;
mod identity;
mod links;
mod mute;
mod open;
mod own;
mod packed;
mod pod;
mod read;
mod remote;
mod rotate;
mod stats;
mod tailer;
#[cfg(test)]
mod tests;
mod watch;

pub use config::{Input, Limits, StartAt, Symlinks};
pub use file::FileKey;
pub use glob::{GlobError, PATTERN_BYTES_MAX, PATTERN_NAMES_MAX, Pattern};
pub use gone::{GONE_MAX, Gone, Unfound};
pub use identity::{HEAD_BYTES_MAX, Head, Identity, MARKER_BYTES_MAX, Marker, Resume};
pub use own::Own;
pub use packed::{DEPTH_MAX, PACKED_MAX, PackedFile, packed};
pub use pod::PodLog;
pub use remote::RemoteFile;
pub use stats::{FileStat, NOTICES_MAX, Notice, Stats};
pub use tailer::{
    CHUNK_BYTES_MAX, Chunk, DORMANT_KEPT, DORMANT_MAX, Flags, TICK, TailError, Tailer,
};
pub use watch::{Waker, Woken};
