//! Pointers of people, against the managed fields of clusters.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| objects::fuzzing::withhold_fields(bytes));
