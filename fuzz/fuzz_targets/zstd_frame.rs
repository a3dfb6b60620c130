//! Short answers of servers that lie in a frame of zstd as they are.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| agent::fuzzing::zstd_frame(bytes));
