//! Files with private keys, and the messages of an agent.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ssh::fuzzing::ssh_keys(bytes));
