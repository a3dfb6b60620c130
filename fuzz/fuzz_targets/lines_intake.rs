//! Splitting, container framing, joins and multi-line groups.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lines::fuzzing::intake(bytes));
