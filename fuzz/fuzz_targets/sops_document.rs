//! Files encrypted by SOPS.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sops::fuzzing::document(bytes));
