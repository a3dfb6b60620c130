//! All parsers of lines, and the redaction rules.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lines::fuzzing::parsers(bytes));
