//! The structural scanner of JSON lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lines::fuzzing::json(bytes));
