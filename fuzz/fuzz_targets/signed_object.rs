//! Commits and tags, with whatever stands where their signature belongs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| signature::fuzzing::signed_object(bytes));
