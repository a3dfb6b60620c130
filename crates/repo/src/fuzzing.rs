//! The bodies of the fuzz targets in `fuzz/`: what a Git server sends before and around a pack,
//! the pack itself, and what a commit or tag says. Each takes any bytes and returns; what must not
//! happen is a panic. The property tests run the same code.

use crate::fetch;
use crate::tree::{Commit, Tag};
use crate::wire;
use gix_hash::{Kind, ObjectId};

/// Reading a greeting, a list of references and an answer with its pack.
pub fn git_wire(bytes: &[u8]) {
    wire::read_anything(bytes);
}

/// Reading a commit and a tag.
pub fn git_objects(bytes: &[u8]) {
    let id = ObjectId::null(Kind::Sha1);
    let _ = (Commit::read(id, bytes), Tag::read(id, bytes));
}

/// Looking at a pack on its way, in parts of two sizes: the verdict is the same.
///
/// # Panics
/// When the promise is broken.
pub fn git_pack(bytes: &[u8]) {
    fetch::scan_anything(bytes);
}
