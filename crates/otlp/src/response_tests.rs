//! Answers of receivers: what is kept of them, and at which bounds.

use super::*;
use crate::proto;

fn any(kind: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    proto::bytes(&mut out, 1, kind.as_bytes());
    proto::bytes(&mut out, 2, value);
    out
}

fn status(seconds: i64, nanos: i64) -> Status {
    let mut pause = Vec::new();
    proto::number(&mut pause, 1, seconds.cast_unsigned());
    proto::number(&mut pause, 2, nanos.cast_unsigned());
    let mut info = Vec::new();
    proto::bytes(&mut info, 1, &pause);
    let mut out = Vec::new();
    proto::number(&mut out, 1, 8);
    proto::bytes(&mut out, 2, "slow\u{1b}[2J down".as_bytes());
    proto::bytes(&mut out, 3, &any("type.googleapis.com/google.rpc.RetryInfo", &info));
    proto::bytes(&mut out, 3, &any("type.googleapis.com/google.rpc.Help", b"not even a message"));
    Status::read(&out).unwrap()
}

#[test]
fn r20_the_pause_that_a_receiver_asks_for_is_read_and_bounded() {
    let read = status(2, 500_000_000);
    assert_eq!((read.code, read.retry_delay), (8, Some(Duration::from_millis(2_500))));
    assert_eq!(read.message, "slow [2J down");
    assert_eq!(status(i64::MAX, i64::from(i32::MAX)).retry_delay, Some(RETRY_DELAY_MAX));
    assert_eq!(status(-1, 0).retry_delay, None);
}

#[test]
fn an_empty_answer_is_a_full_success_and_a_count_below_zero_is_none() {
    assert!(PartialSuccess::read(&[]).unwrap().is_full());
    let mut partial = Vec::new();
    proto::number(&mut partial, 1, (-5_i64).cast_unsigned());
    let mut out = Vec::new();
    proto::bytes(&mut out, 1, &partial);
    assert!(PartialSuccess::read(&out).unwrap().is_full());
}

#[test]
fn a_long_message_is_cut_at_the_bound_and_bad_text_is_mended() {
    let mut partial = Vec::new();
    proto::number(&mut partial, 1, 3);
    proto::bytes(&mut partial, 2, "ä".repeat(MESSAGE_BYTES_MAX).as_bytes());
    let mut out = Vec::new();
    proto::bytes(&mut out, 1, &partial);
    let read = PartialSuccess::read(&out).unwrap();
    assert_eq!((read.rejected, read.message.len()), (3, MESSAGE_BYTES_MAX));
    assert!(told(&[0xff; MESSAGE_BYTES_MAX]).len() <= MESSAGE_BYTES_MAX);
}
