//! Messages of an SSH server behind the first keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ssh::fuzzing::ssh_messages(bytes));
