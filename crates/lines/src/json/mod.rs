//! JSON text of one line: where its tokens are ([`scan`]), and what they say ([`walk`]).
//!
//! A line is looked at twice: once in blocks of 64 bytes to find every quote and every
//! punctuation mark outside of strings, once from mark to mark to check the grammar and to hand
//! out the members. No byte of a string without escapes is looked at on its own.

pub(crate) mod scan;
mod simd;
pub(crate) mod text;
pub(crate) mod walk;
