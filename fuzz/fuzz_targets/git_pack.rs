//! A pack, looked at on its way.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repo::fuzzing::git_pack(bytes));
