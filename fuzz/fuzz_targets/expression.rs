//! An expression of a spec.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gitops::fuzzing::expression(bytes));
