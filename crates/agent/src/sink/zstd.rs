//! Zstandard with one context for each thread: making one for each batch costs more than small
//! batches themselves.

use std::cell::RefCell;
use std::io;

thread_local! {
    static CONTEXT: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// Writes a frame with this content to an empty buffer.
pub(crate) fn compress(body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.reserve(zstd::zstd_safe::compress_bound(body.len()));
    CONTEXT.with_borrow_mut(|context| {
        let compressor = match context {
            Some(compressor) => compressor,
            None => context.insert(zstd::bulk::Compressor::new(crate::config::ZSTD_LEVEL)?),
        };
        compressor.compress_to_buffer(body, out).map(drop)
    })
}
