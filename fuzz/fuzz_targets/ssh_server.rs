//! What an SSH server sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ssh::fuzzing::ssh_server(bytes));
