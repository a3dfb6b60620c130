//! What an answer becomes, with servers that answer with fixed bytes.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What comes of a request to a server that answers with these bytes, to a sink with these further
/// fields.
async fn answered(answer: String, fields: &str, is_alone: bool) -> Answer {
    answered_to("otlp_http", answer, fields, is_alone).await
}

/// The same, to a sink of this type.
async fn answered_to(kind: &str, answer: String, fields: &str, is_alone: bool) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4_096]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    let text = format!("sinks: [{{type: {kind}, endpoint: 'http://{address}'{fields}}}]\n");
    let config = crate::config::parse(&text).unwrap();
    let transport = Transport::new(&config.sinks[0].kind).unwrap();
    let body = Bytes::from_static(b"x").into();
    transport.send(Packed { bytes: 1, body, encoding: None, is_alone }).await
}

fn page(status: u16, kind: &str) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: 2\r\n\r\n<a")
}

#[tokio::test]
async fn a_secret_that_a_server_repeats_is_in_no_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let bearer = format!(", bearer_file: {}", path.display());
    let header = format!(", headers_from_files: {{x-scope: {}}}", path.display());
    let shown = async |fields: &str, secret: &str, said: &str| {
        std::fs::write(&path, secret).unwrap();
        let length = said.len();
        let text = format!("HTTP/1.1 401 No\r\ncontent-length: {length}\r\n\r\n{said}");
        let words = answered(text, fields, true).await.words;
        words.split_once("answered 401").unwrap().1.to_owned()
    };
    assert_eq!(shown(&bearer, "CANARY\n", "no `Bearer CANARY`").await, ": no `[hidden]`");
    assert_eq!(shown(&bearer, "CANARY", "CANARY, CANARY").await, ": [hidden], [hidden]");
    assert_eq!(shown(&header, "Basic CANARY", "not CANARY").await, ": not [hidden]");
    // Words are cut, and with them what they repeat.
    let said = format!("{}CANARY", "x".repeat(TOLD_BYTES_MAX - 5));
    assert!(shown(&bearer, "CANARY", &said).await.ends_with("xx[hidden]"));
    assert_eq!(shown(&header, "abc", "no abc").await, "");
    assert_eq!(shown(&bearer, "abc", "no abc").await, "");
    assert_eq!(shown(&bearer, "", "no token").await, ": no token");
}

#[test]
fn a_secret_with_percent_signs_is_in_no_words_of_grpc() {
    let mut value = Value::from_static("Bearer CAN/ARY");
    value.set_sensitive(true);
    let said = otlp::grpc::decode_message(b"no CAN%2FARY");
    let secrets = secrets(&[(AUTHORIZATION, value), (CONTENT_TYPE, Value::from_static("said"))]);
    assert_eq!(without(said, &secrets), "no [hidden]");
}

#[tokio::test]
async fn r20_a_page_for_people_refuses_no_record_whatever_its_status_is() {
    for status in [200, 400, 404, 413, 422] {
        let answer = answered(page(status, "Text/HTML; charset=utf-8"), "", true).await;
        assert_eq!(answer.class, Class::Misdirected, "{status}");
        assert!(answer.words.ends_with(&format!("{status} with a page of HTML: <a")), "{answer:?}");
    }
    // A proxy with a limit of its own: smaller parts pass it.
    assert_eq!(answered(page(413, "text/html"), "", false).await.class, Class::TooLarge);
    assert_eq!(
        answered(page(503, "text/html"), "", true).await.class,
        Class::Retry { after: None }
    );
    for (status, class) in [(400, Class::Poisoned), (413, Class::TooLarge)] {
        assert_eq!(answered(page(status, "text/plain"), "", true).await.class, class);
    }
}

#[tokio::test]
async fn r20_loki_takes_a_batch_with_two_statuses_only() {
    for (kind, status, is_yes) in [
        ("loki", 200, true),
        ("loki", 204, true),
        // Of a tenant that is blocked, of which nothing is stored.
        ("loki", 260, false),
        ("loki", 201, false),
        ("loki", 202, false),
        ("otlp_http", 202, true),
    ] {
        let answer = answered_to(kind, page(status, "text/plain"), "", true).await;
        let wanted = if is_yes { Class::Accepted } else { Class::Misdirected };
        assert_eq!(answer.class, wanted, "{kind} {status}");
        assert_eq!(answer.words.ends_with(&format!("answered {status}: <a")), !is_yes);
    }
}

#[test]
fn an_answer_of_grpc_that_is_compressed_is_read_within_a_bound() {
    let packed = |length: usize| {
        let mut encoder = flate2::write::GzEncoder::new(vec![1], flate2::Compression::new(1));
        encoder.get_mut().extend_from_slice(&[0; 4]);
        encoder.write_all(&vec![7; length]).unwrap();
        encoder.finish().unwrap()
    };
    let bound = ANSWER_BYTES_MAX;
    assert_eq!(unpacked(&packed(9)).unwrap().as_ref(), [7; 9]);
    assert_eq!(unpacked(&packed(bound)).map(|plain| plain.len()), Some(bound));
    assert!(unpacked(&packed(bound + 1)).is_none());
    assert_eq!(unpacked(&packed(9)[..20]), None);
    assert_eq!(unpacked(b"\x01\0\0\0\x04\x28\xb5\x2f\xfd"), None);
    let stored = zstd::bulk::compress(b"hi", 1).unwrap();
    assert_eq!(unpacked(&[b"\x01\0\0\0\x04", &stored[..]].concat()).unwrap().as_ref(), b"hi");
    assert_eq!(unpacked(b"\x01\0\0\0\0").unwrap().as_ref(), b"");
    assert_eq!(unpacked(b"\0\0\0\0\x02hi").unwrap().as_ref(), b"hi");
    assert_eq!(unpacked(b"").unwrap().as_ref(), b"");
}

#[test]
fn the_path_of_the_protocol_is_put_behind_an_address_without_one() {
    assert_eq!(path_for("http://h:1", OTLP_PATH), OTLP_PATH);
    assert_eq!(path_for("http://h:1/", OTLP_PATH), OTLP_PATH);
    assert_eq!(path_for("http://h:1/otlp/v1/logs", OTLP_PATH), "");
}

#[test]
fn the_buffer_of_a_body_that_was_sent_is_used_again() {
    let spare = Spare::default();
    let mut body = spare.body();
    body.bytes.extend_from_slice(&[7; 1_000]);
    let place = body.bytes.as_ptr();
    let sent = Bytes::from_owner(body);
    let clone = sent.clone();
    drop(sent);
    assert_eq!((clone.as_ref(), clone.as_ptr()), ([7; 1_000].as_slice(), place));
    drop(clone);
    let again = spare.body();
    assert!(again.bytes.is_empty());
    assert_eq!((again.bytes.as_ptr(), spare.body().bytes.capacity()), (place, 0));
}

#[test]
fn foreign_words_are_short_and_hold_no_control_characters() {
    let text = told(&b"\x1b[31m\r\nno".repeat(1_000));
    assert!(text.len() <= TOLD_BYTES_MAX && !text.chars().any(char::is_control));
}

#[test]
fn r20_what_loki_says_of_times_is_understood() {
    // As Loki 3.5.0 answers.
    let behind = "entry with timestamp 2026-11-28 00:57:55.580972194 +0000 UTC ignored, reason: \
                  'entry too far behind, entry timestamp is: 2026-11-28T00:57:55Z, oldest \
                  acceptable timestamp is: 2026-11-28T04:56:15Z',\nuser 'fake', total ignored: 37 \
                  out of 40 for stream: {host_name=\"vm\"}";
    let old = "entry for stream '{host_name=\"vm\"}' has timestamp too old: 2026-10-19T06:04:49Z, \
               oldest acceptable timestamp is: 2026-11-21T05:54:49Z";
    let new = "entry for stream '{host_name=\"vm\"}' has timestamp too new: 2026-11-29T05:55:14Z";
    let long = "Max entry size '262144' bytes exceeded for stream '{host_name=\"vm\"}' while \
                adding an entry with length '300006' bytes";
    let cut = behind.split_once("',").unwrap().0;
    for (said, untimely) in [
        (behind, Some(Untimely::Behind(37))),
        (cut, Some(Untimely::Behind(0))),
        (old, Some(Untimely::Beyond)),
        (new, Some(Untimely::Beyond)),
        (long, None),
    ] {
        assert_eq!(Untimely::read(said), untimely, "{said}");
    }
}
