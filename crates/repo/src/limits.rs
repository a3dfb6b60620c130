//! What bounds a fetch and a tree. Every figure is a named constant; a caller may set lower ones.

use std::time::Duration;

/// Bytes of one file that is read; a manifest beyond this is a mistake (the API server refuses
/// requests of 3 MiB).
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes of all files read from one tree.
pub const TREE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Files, links and submodules below the path, before the caller chooses by name.
pub const TREE_FILES_MAX: usize = 100_000;

/// Folders inside each other.
pub const TREE_DEPTH_MAX: usize = 64;

/// Bytes of a path inside the tree (`PATH_MAX` of Linux).
pub const PATH_BYTES_MAX: usize = 4096;

/// Bytes of one pack that a server may send.
pub const PACK_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Bytes of one object of a pack, as it may be held in memory while the pack is indexed.
pub const OBJECT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of all objects of one pack, unpacked: what a small pack of zeros may cost in work.
pub const PACK_CONTENT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// References that a server may list for one question.
pub const REFERENCES_MAX: usize = 100_000;

/// Commits between two revisions that are read.
pub const RANGE_COMMITS_MAX: usize = 1000;

/// Bytes of all commits between two revisions that are read.
pub const RANGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Time to reach a server, its TLS handshake included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Time without a byte from the server, after which it counts as stalled. Servers that count
/// objects send keep-alive packets every few seconds.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Time that one conversation may have us wait for the server in all, beside the time for what it
/// sends at [`PACE_BYTES_PER_SECOND`]. A server may count objects for minutes.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// What a server has to send, in bytes a second, once [`PATIENCE`] is used up. One that sends a
/// byte now and then is not stalled, and would hold a fetch for ever.
pub const PACE_BYTES_PER_SECOND: u64 = 64 * 1024;

/// The bounds of one fetch and of the tree that it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// See [`FILE_BYTES_MAX`].
    pub file_bytes: u64,
    /// See [`TREE_BYTES_MAX`].
    pub tree_bytes: u64,
    /// See [`TREE_FILES_MAX`].
    pub tree_files: usize,
    /// See [`PACK_BYTES_MAX`].
    pub pack_bytes: u64,
    /// See [`OBJECT_BYTES_MAX`].
    pub object_bytes: usize,
    /// See [`PACK_CONTENT_BYTES_MAX`].
    pub content_bytes: u64,
    /// See [`REFERENCES_MAX`].
    pub references: usize,
    /// See [`RANGE_COMMITS_MAX`].
    pub range_commits: usize,
    /// See [`RANGE_BYTES_MAX`].
    pub range_bytes: usize,
    /// See [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// See [`STALL_TIMEOUT`].
    pub stall_timeout: Duration,
    /// See [`PATIENCE`].
    pub patience: Duration,
    /// See [`PACE_BYTES_PER_SECOND`].
    pub bytes_per_second: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: FILE_BYTES_MAX,
            tree_bytes: TREE_BYTES_MAX,
            tree_files: TREE_FILES_MAX,
            pack_bytes: PACK_BYTES_MAX,
            object_bytes: OBJECT_BYTES_MAX,
            content_bytes: PACK_CONTENT_BYTES_MAX,
            references: REFERENCES_MAX,
            range_commits: RANGE_COMMITS_MAX,
            range_bytes: RANGE_BYTES_MAX,
            connect_timeout: CONNECT_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            patience: PATIENCE,
            bytes_per_second: PACE_BYTES_PER_SECOND,
        }
    }
}
