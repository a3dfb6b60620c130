//! Zstandard with one context for each thread: making one for each batch costs more than small
//! batches themselves.

use std::cell::RefCell;
use std::io;

thread_local! {
    static CONTEXT: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// A frame with this content.
pub(crate) fn compress(body: &[u8]) -> io::Result<Vec<u8>> {
    CONTEXT.with_borrow_mut(|context| {
        let compressor = match context {
            Some(compressor) => compressor,
            None => context.insert(zstd::bulk::Compressor::new(crate::config::ZSTD_LEVEL)?),
        };
        compressor.compress(body)
    })
}
