//! What journalctl prints.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| host::fuzzing::journal_export(bytes));
