//! Any bytes, cut at NUL into files of a tree, as the input of a Kustomize build.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kustomize::fuzzing::build(bytes));
