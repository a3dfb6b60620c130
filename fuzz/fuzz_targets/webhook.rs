//! A push that is taken for authentic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gitops::fuzzing::webhook(bytes));
