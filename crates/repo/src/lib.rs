//! The port to Git: fetch one revision of a tree, shallow and without a work tree.
//!
//! [`fetch`] brings the wanted revision into a bare cache and gives its [`Tree`]; files are read
//! from the objects, never from a checkout. [`Tree::directory`] gives the same interface over a
//! local folder. Everything here blocks; an async caller runs it on a blocking thread.

mod credentials;
mod error;
mod fetch;
mod lfs;
mod limits;
mod names;
mod reference;
mod tree;
mod url;

pub use credentials::{CREDENTIAL_BYTES_MAX, Credentials, Secret, Ssh, TOKEN_USERNAME};
pub use error::{Cause, RETRY_PAUSE, Refusal, RepoError};
pub use fetch::{Fetch, Step, fetch};
pub use limits::{
    CONNECT_TIMEOUT, FILE_BYTES_MAX, Limits, OBJECT_BYTES_MAX, PACK_BYTES_MAX, PATH_BYTES_MAX,
    STALL_TIMEOUT, TREE_BYTES_MAX, TREE_DEPTH_MAX, TREE_FILES_MAX,
};
pub use reference::{REFERENCE_BYTES_MAX, Reference};
pub use tree::{Commit, ContentDigest, Entry, Listing, Person, Tree};
pub use url::{RepoUrl, URL_BYTES_MAX};
