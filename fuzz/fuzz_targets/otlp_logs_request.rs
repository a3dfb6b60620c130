//! A request of logs, as the agent receives it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| otlp::fuzzing::logs_request(bytes));
