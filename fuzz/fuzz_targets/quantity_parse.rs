//! Quantities from manifests and clusters.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| objects::fuzzing::quantity_parse(bytes));
