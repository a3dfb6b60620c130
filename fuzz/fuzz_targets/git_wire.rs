//! What a Git server sends before and around a pack.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repo::fuzzing::git_wire(bytes));
