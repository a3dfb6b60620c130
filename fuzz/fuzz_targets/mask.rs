//! Secrets on their way into an output.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| objects::fuzzing::mask_secret(bytes));
