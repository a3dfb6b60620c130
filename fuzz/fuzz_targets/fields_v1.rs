//! Managed fields from a cluster.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| objects::fuzzing::fields_v1(bytes));
