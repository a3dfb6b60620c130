//! A pattern of paths.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| host::fuzzing::path_pattern(bytes));
