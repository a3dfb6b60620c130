//! The port to Git: poll a reference, and fetch one revision of a tree, shallow and without a work
//! tree.
//!
//! [`fetch`] brings the wanted revision into a bare cache and gives its [`Tree`]; files are read
//! from the objects, never from a checkout. [`Tree::directory`] gives the same interface over a
//! local folder. An agent keeps one [`Connections`]: [`Connections::poll`] asks where a reference
//! is now and writes nothing, [`Connections::fetch`] fetches over the same connections, and
//! [`Connections::commits_between`] gives every commit between two revisions. Everything here
//! blocks, and an async caller runs it on a blocking thread, but for [`Connections::glance`]: the
//! one request of a poll, where that is enough.

mod connections;
mod credentials;
mod error;
mod fetch;
pub mod fuzzing;
mod lfs;
mod limits;
mod names;
mod reference;
mod tree;
mod url;
mod versions;
mod wire;

pub use connections::{
    Connections, GREETING_TIME, GREETINGS_MAX, IDLE_PER_HOST_MAX, IDLE_TIME, TRUST_TIME,
};
pub use credentials::{CREDENTIAL_BYTES_MAX, Credentials, Secret, Ssh, TOKEN_USERNAME};
pub use error::{Cause, RETRY_PAUSE, Refusal, RepoError};
pub use fetch::{CommitRange, Fetch, Head, Step, fetch, poll};
pub use limits::{
    CONNECT_TIMEOUT, FILE_BYTES_MAX, Limits, OBJECT_BYTES_MAX, PACE_BYTES_PER_SECOND,
    PACK_BYTES_MAX, PACK_CONTENT_BYTES_MAX, PATH_BYTES_MAX, PATIENCE, RANGE_BYTES_MAX,
    RANGE_COMMITS_MAX, REFERENCES_MAX, STALL_TIMEOUT, TREE_BYTES_MAX, TREE_DEPTH_MAX,
    TREE_FILES_MAX,
};
pub use reference::{REFERENCE_BYTES_MAX, Reference};
pub use tree::{
    BlobId, Commit, ContentDigest, Entry, HEADER_CHARS_MAX, Listing, Person, Tag, Tree,
};
pub use url::{RepoUrl, URL_BYTES_MAX};
pub use versions::{RANGE_TEXT_BYTES_MAX, VersionRange};
