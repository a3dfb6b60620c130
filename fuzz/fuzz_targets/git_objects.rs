//! Commits and annotated tags.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repo::fuzzing::git_objects(bytes));
