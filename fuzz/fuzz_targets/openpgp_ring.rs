//! OpenPGP key rings.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| signature::fuzzing::openpgp_ring(bytes));
