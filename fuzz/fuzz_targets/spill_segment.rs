//! A segment of spilled bytes, as it is read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| store::fuzzing::spill_segment(bytes));
