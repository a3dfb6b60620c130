//! The checkpoint of an agent, as it is read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| store::fuzzing::checkpoint(bytes));
