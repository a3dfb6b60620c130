//! Files of known hosts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ssh::fuzzing::known_hosts(bytes));
