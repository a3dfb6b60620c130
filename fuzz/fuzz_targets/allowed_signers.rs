//! Files of allowed SSH signers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| signature::fuzzing::allowed_signers(bytes));
