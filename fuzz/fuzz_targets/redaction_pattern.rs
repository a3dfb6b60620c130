//! A redaction pattern of one's own, and lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lines::fuzzing::own_pattern(bytes));
