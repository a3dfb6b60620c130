//! What a receiver of logs answers: messages, frames, trailers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| otlp::fuzzing::receiver_answer(bytes));
