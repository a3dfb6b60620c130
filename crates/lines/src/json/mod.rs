//! JSON text of one line: where its strings can end ([`scan`]), and what it says ([`walk`]).
//!
//! A line is looked at twice: once in blocks of 64 bytes to find every quote, backslash and control
//! character, once from token to token to check the grammar and to hand out the members. No byte
//! of a string without escapes is looked at on its own.

pub(crate) mod scan;
mod simd;
pub(crate) mod text;
pub(crate) mod walk;
