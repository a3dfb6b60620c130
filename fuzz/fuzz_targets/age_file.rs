//! age files.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sops::fuzzing::age_file(bytes));
