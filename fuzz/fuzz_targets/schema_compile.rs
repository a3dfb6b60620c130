//! OpenAPI documents and definitions of custom resources.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| schema::fuzzing::compile_schema(bytes));
