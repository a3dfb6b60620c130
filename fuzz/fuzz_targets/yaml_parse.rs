//! Manifests from a repository.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| objects::fuzzing::yaml_parse(bytes));
