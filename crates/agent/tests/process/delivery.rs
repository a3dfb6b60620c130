//! Every protocol, with TLS and with secrets from files.

use super::support::{Desk, Sink, ask, lines, sink};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use testkit::certificates::{Authority, Identity};
use testkit::log_sink::{Keep, LogSinkOptions, Received, Reply, Way};

/// One input, and a sink of this type at this address, with more of it.
fn config(kind: &str, endpoint: &str, more: &str) -> String {
    format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}}]\n\
         checkpoint_interval: 50ms\nresource: {{team: shop}}\n\
         sinks:\n  - type: {kind}\n    name: s\n    endpoint: {endpoint}\n    \
         backoff_max: 200ms\n{more}"
    )
}

fn keeping(grpc: bool, way: Way<'_>) -> Sink {
    Sink::with(&LogSinkOptions { grpc, way, keep: Keep::Records, answers: None })
}

/// A sink of gRPC that decides how it answers.
fn grpc_sink(answers: impl Fn(usize, &[String]) -> Reply + Send + Sync + 'static) -> Sink {
    let answers = Some(Arc::new(answers) as _);
    Sink::with(&LogSinkOptions { grpc: true, keep: Keep::Bodies, way: Way::Plain, answers })
}

/// Replaced in one step, as whoever renews certificates does it.
fn put(path: &Path, text: &str) {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

fn put_identity(desk: &Desk, identity: &Identity) {
    put(&desk.path("client.pem"), &identity.certificate);
    put(&desk.path("client.key"), &identity.key);
}

/// One line of JSON with all that a record can carry.
const RICH: &str = "{\"level\":\"error\",\"msg\":\"a \\\"quoted\\\" body\",\"n\":7,\"ok\":true,\
                    \"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\
                    \"span_id\":\"00f067aa0ba902b7\"}\n";

fn rich(records: &[Received]) -> &Received {
    records.iter().find(|record| record.body == "a \"quoted\" body").unwrap()
}

#[test]
fn otlp_over_grpc_delivers_every_record_once_with_each_compression() {
    for (compression, encoding) in [("none", None), ("gzip", Some("gzip")), ("zstd", Some("zstd"))]
    {
        let (desk, sink) = (Desk::new(), keeping(true, Way::Plain));
        let endpoint = format!("http://{}", sink.address());
        desk.config(&config("otlp_grpc", &endpoint, &format!("    compression: {compression}\n")));
        desk.append("logs/a.log", &lines(0, 3_000));
        desk.append("logs/a.log", RICH);
        let agent = desk.start();
        sink.until(3_001);
        assert_eq!(agent.stop(), 0);
        sink.each_once(3_001);
        let records = sink.0.records();
        let one = rich(&records);
        assert_eq!(one.headers.get("grpc-encoding").map(String::as_str), encoding);
        assert_eq!((&one.resource["team"], &one.attributes["n"]), (&"shop".into(), &7.into()));
        assert_eq!(one.record["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(
            (&one.record["severityNumber"], &one.attributes["ok"]),
            (&17.into(), &true.into())
        );
    }
}

#[test]
fn r20_statuses_of_grpc_are_retried_bisected_or_waited_for_as_their_meaning_is() {
    let answers = |number: usize, bodies: &[String]| match number {
        // UNAVAILABLE, RESOURCE_EXHAUSTED without a pause, UNAUTHENTICATED.
        0 => Reply::Grpc(14),
        1 => Reply::Grpc(16),
        2 => Reply::Grpc(8),
        _ if bodies.iter().any(|body| body.contains("POISON")) => Reply::Grpc(3),
        _ => Reply::Take,
    };
    let desk = Desk::new();
    let sink = grpc_sink(answers);
    let endpoint = format!("http://{}", sink.address());
    desk.config(&config("otlp_grpc", &endpoint, "    in_flight: 1\n"));
    desk.append("logs/a.log", &lines(0, 500));
    desk.append("logs/a.log", "POISON one\n");
    desk.append("logs/a.log", &lines(500, 1_000));
    let agent = desk.start();
    sink.until(1_000);
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["quarantined"] == 1);
    assert_eq!(agent.stop(), 0);
    sink.each_once(1_000);
}

/// The places, among all batches that are taken, of two that were refused with this status until
/// one of them had so many tries: the pauses are seconds then, and end at different times.
fn places_after_an_outage(status: u16, tries: usize) -> Vec<usize> {
    // How often each batch was refused, by its first line, and those that were taken.
    let seen = Arc::new(Mutex::new((BTreeMap::<String, usize>::new(), Vec::new())));
    let seen_there = seen.clone();
    let answers = move |_: usize, bodies: &[String]| {
        let (mut seen, first) = (seen_there.lock().unwrap(), bodies.first().cloned());
        let first = first.unwrap_or_default();
        let (refused, taken) = &mut *seen;
        let is_down = refused.len() < 2 || refused.values().all(|times| *times < tries);
        if taken.is_empty() && is_down {
            *refused.entry(first).or_default() += 1;
            return Reply::Status(status);
        }
        taken.push(first);
        Reply::Take
    };
    let (desk, sink) = (Desk::new(), sink(answers));
    let endpoint = format!("http://{}", sink.address());
    let text = config("otlp_http", &endpoint, "    in_flight: 2\n    batch: {records: 10}\n");
    desk.config(&text.replace("backoff_max: 200ms", "backoff_max: 1m"));
    desk.append("logs/a.log", &lines(0, 5_000));
    let agent = desk.start();
    sink.until(5_000);
    assert_eq!(agent.stop(), 0);
    sink.each_once(5_000);
    let (refused, taken) = &*seen.lock().unwrap();
    assert_eq!(refused.len(), 2);
    refused.keys().map(|first| taken.iter().position(|one| one == first).unwrap()).collect()
}

#[test]
fn r20_when_a_batch_is_taken_after_an_outage_the_others_are_tried_at_once() {
    let places = places_after_an_outage(503, 5);
    assert!(places.iter().all(|place| *place < 50), "{places:?} of 500");
}

#[test]
fn r20_when_a_limit_of_rate_lets_a_batch_pass_the_others_wait_for_their_pauses() {
    // Both pauses may end together, but not each time.
    let waits = |_| places_after_an_outage(429, 4).iter().any(|place| *place >= 50);
    assert!((0..5).any(waits));
}

#[test]
fn r20_a_limit_of_rate_over_grpc_costs_no_record() {
    // RESOURCE_EXHAUSTED without a pause: also a record alone is refused.
    let answers =
        |number: usize, _: &[String]| if number < 12 { Reply::Grpc(8) } else { Reply::Take };
    let (desk, sink) = (Desk::new(), grpc_sink(answers));
    let endpoint = format!("http://{}", sink.address());
    desk.config(&config("otlp_grpc", &endpoint, "    in_flight: 1\n"));
    desk.append("logs/a.log", &lines(0, 100));
    let agent = desk.start();
    sink.until(100);
    let status =
        agent.until_status(&desk.path("state"), |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(status["sinks"][0]["quarantined"], 0);
    assert_eq!(agent.stop(), 0);
    sink.each_once(100);
}

#[test]
fn r20_a_batch_over_the_limit_of_a_receiver_is_made_smaller_whichever_status_says_so() {
    for status in [8, 11] {
        let answers = move |_: usize, bodies: &[String]| {
            if bodies.len() > 100 { Reply::Grpc(status) } else { Reply::Take }
        };
        let (desk, sink) = (Desk::new(), grpc_sink(answers));
        let endpoint = format!("http://{}", sink.address());
        desk.config(&config("otlp_grpc", &endpoint, "    in_flight: 1\n"));
        desk.append("logs/a.log", &lines(0, 300));
        let agent = desk.start();
        sink.until(300);
        assert_eq!(agent.stop(), 0);
        sink.each_once(300);
    }
}

#[test]
fn r20_a_limit_that_a_batch_never_passes_is_tried_five_times_and_then_with_half_of_it() {
    for (kind, refused) in [
        ("loki", Reply::Status(429)),
        ("otlp_http", Reply::Status(429)),
        ("otlp_grpc", Reply::Grpc(8)),
    ] {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = sizes.clone();
        let answers = move |_: usize, bodies: &[String]| {
            seen.lock().unwrap().push(bodies.len());
            if bodies.len() > 10 { refused } else { Reply::Take }
        };
        let grpc = kind == "otlp_grpc";
        let (desk, sink) = (Desk::new(), if grpc { grpc_sink(answers) } else { sink(answers) });
        desk.config(&config(kind, &format!("http://{}", sink.address()), "    in_flight: 1\n"));
        desk.append("logs/a.log", &lines(0, 40));
        let agent = desk.start();
        sink.until(40);
        assert_eq!(agent.stop(), 0);
        sink.each_once(40);
        // A limit of rate could have been over with any of the tries. What it refused five times it
        // is known to refuse.
        let wanted = [[40; 5], [20; 5]].concat();
        assert_eq!(*sizes.lock().unwrap(), [&wanted[..], &[10, 10, 20, 10, 10]].concat(), "{kind}");
    }
}

#[test]
fn r20_a_failure_that_is_about_size_makes_requests_smaller_and_costs_no_record() {
    // Of a Loki whose distributor may not send as much to its ingesters.
    const TOO_LARGE: Reply = Reply::Raw(
        b"HTTP/1.1 500 X\r\ncontent-length: 91\r\n\r\nrpc error: code = ResourceExhausted \
          desc = grpc: received message larger than max (5 vs. 4)",
    );
    // Also a record alone is refused at first.
    let answers = |number: usize, bodies: &[String]| {
        if number < 12 || bodies.len() > 10 { TOO_LARGE } else { Reply::Take }
    };
    let (desk, sink) = (Desk::new(), sink(answers));
    desk.config(&config("loki", &format!("http://{}", sink.address()), "    in_flight: 1\n"));
    desk.append("logs/a.log", &lines(0, 100));
    let agent = desk.start();
    sink.until(100);
    let status =
        agent.until_status(&desk.path("state"), |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(status["sinks"][0]["quarantined"], 0);
    assert_eq!(agent.stop(), 0);
    sink.each_once(100);
}

#[test]
fn what_a_grpc_server_left_out_is_counted_when_its_answer_is_compressed_and_told_when_unread() {
    // A partial success: two records are left out, because they are too old.
    let message = b"\x0a\x0b\x08\x02\x12\x07too old";
    let framed = |packed: &[u8]| -> &'static [u8] {
        let mut framed = vec![1];
        framed.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_be_bytes());
        framed.extend_from_slice(packed);
        framed.leak()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
    gzip.write_all(message).unwrap();
    let (gzip, zstd) = (framed(&gzip.finish().unwrap()), framed(b"\x28\xb5\x2f\xfd"));
    for (answer, left_out, said) in [
        (gzip, 2, "took a batch and left out 2 records of it: too old"),
        (zstd, 0, "what it says of it cannot be read"),
    ] {
        let (desk, sink) = (Desk::new(), grpc_sink(move |_, _| Reply::Framed(answer)));
        let endpoint = format!("http://{}", sink.address());
        desk.config(&config("otlp_grpc", &endpoint, "    compression: gzip\n"));
        desk.append("logs/a.log", &lines(0, 10));
        let agent = desk.start();
        let state = desk.path("state");
        let status =
            agent.until_status(&state, |status| status["sinks"][0]["sent"] == 10 - left_out);
        assert_eq!(status["sinks"][0]["quarantined"], left_out);
        desk.until_said(said);
        desk.append("logs/a.log", &lines(10, 20));
        agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 0);
        sink.until(20);
        assert_eq!(agent.stop(), 0);
        sink.each_once(20);
        let log = std::fs::read_to_string(desk.path("agent.log")).unwrap();
        assert!(log.matches("cannot be read").count() <= 1, "it is told each time: {log}");
    }
}

#[test]
fn a_grpc_sink_that_answers_garbage_is_tried_until_it_is_well() {
    let answers = |number: usize, _: &[String]| match number {
        0 => Reply::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\nthis is no HTTP/2"),
        1 => Reply::Raw(b"\0\0\0\x7f\xff\xff\xff\xff\xff\xff"),
        2 => Reply::Raw(b""),
        // What a proxy answers: no status of gRPC at all.
        3 => Reply::Status(503),
        4 => Reply::Status(200),
        5 => Reply::Grpc(9_999),
        _ => Reply::Take,
    };
    let desk = Desk::new();
    let sink = grpc_sink(answers);
    let endpoint = format!("http://{}", sink.address());
    desk.config(&config("otlp_grpc", &endpoint, "    in_flight: 1\n"));
    desk.append("logs/a.log", &lines(0, 100));
    let agent = desk.start();
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["sent"] == 100);
    assert_eq!(agent.stop(), 0);
    sink.each_once(100);
    assert_eq!(sink.requests(), 7);
}

#[test]
fn loki_gets_every_line_once_with_labels_and_with_trace_ids_in_its_metadata() {
    let (desk, sink) = (Desk::new(), keeping(false, Way::Plain));
    let endpoint = format!("http://{}", sink.address());
    let labels = "    labels: {cluster: test}\n    labels_from: [team]\n";
    desk.config(&config("loki", &endpoint, labels));
    desk.append("logs/a.log", &lines(0, 3_000));
    desk.append("logs/a.log", RICH);
    let agent = desk.start();
    sink.until(3_001);
    assert_eq!(agent.stop(), 0);
    sink.each_once(3_001);
    let records = sink.0.records();
    let one = rich(&records);
    let wanted = [("cluster", "test"), ("team", "shop")];
    let wanted: BTreeMap<_, _> =
        wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    assert!(records.iter().all(|record| record.resource == wanted), "other labels than asked for");
    assert_eq!(one.attributes["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        (&one.attributes["n"], &one.attributes["severity_number"]),
        (&"7".into(), &"17".into())
    );
    assert_eq!(one.headers["content-type"], "application/x-protobuf");
}

#[test]
fn r20_loki_is_given_no_two_entries_that_it_takes_for_one() {
    let (desk, sink) = (Desk::new(), keeping(false, Way::Plain));
    let to = config("loki", &format!("http://{}", sink.address()), "");
    desk.config(&to.replace("start_at: beginning", "start_at: beginning, body: message"));
    let second = "2026-01-02T03:04:05";
    let lines = (0..3_000).fold(String::new(), |mut lines, number: usize| {
        // Without a time, with one in whole seconds, and with one that is the same ten times.
        let _ = match number % 3 {
            0 => writeln!(lines, "retrying"),
            1 => writeln!(lines, "time={second}Z msg=retrying"),
            _ => writeln!(
                lines,
                "{{\"time\":\"{second}.{:03}Z\",\"msg\":\"retrying\"}}",
                number / 30
            ),
        };
        lines
    });
    desk.append("logs/a.log", &lines);
    desk.append("logs/b.log", &lines);
    let agent = desk.start();
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["sent"] == 6_000);
    assert_eq!(agent.stop(), 0);
    let records = sink.0.records();
    let entry = |one: &Received| {
        let time: u64 = one.record["timeUnixNano"].as_str().unwrap().parse().unwrap();
        (format!("{:?}", one.resource), time, one.body.clone())
    };
    let kept: BTreeSet<_> = records.iter().map(entry).collect();
    assert_eq!((records.len(), kept.len()), (6_000, 6_000));
    assert!(records.iter().all(|one| one.body == "retrying"), "the lines were not alike");
}

#[test]
fn r20_standard_output_that_does_not_block_gets_every_line_whole_and_once() {
    let (desk, number) = (Desk::new(), 20_000);
    desk.config(
        "inputs: [{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}]\n\
         sinks: [{type: stdout}]\n",
    );
    desk.append("logs/a.log", &lines(0, number));
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let agent = desk.start_by(&[], Stdio::from(writer));
    let mut bodies = BTreeSet::new();
    for line in std::io::BufReader::new(reader).lines() {
        let line = line.unwrap();
        // What the program that plays the agent says itself comes before.
        let Some(record) = line.find('{').and_then(|start| line.get(start..)) else { continue };
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        assert!(bodies.insert(record["body"].as_str().unwrap().to_owned()), "twice: {line}");
        if bodies.len() == number {
            break;
        }
    }
    assert_eq!(bodies.len(), number);
    assert_eq!(agent.stop(), 0);
}

#[test]
fn r20_a_page_for_people_is_no_yes_whatever_its_status_is() {
    let page = |number: usize, _: &[String]| match number {
        0 => Reply::Raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\
              content-length: 19\r\n\r\n<html>Sign in</html>",
        ),
        1 => Reply::Raw(b"HTTP/1.1 202 OK\r\nContent-Type: Text/HTML\r\ncontent-length: 0\r\n\r\n"),
        2 => Reply::Raw(b"HTTP/1.1 400 No\r\nContent-Type: text/html\r\ncontent-length: 0\r\n\r\n"),
        _ => Reply::Take,
    };
    for kind in ["otlp_http", "loki"] {
        let (desk, sink) = (Desk::new(), sink(page));
        let endpoint = format!("http://{}", sink.address());
        desk.config(&config(kind, &endpoint, "    in_flight: 1\n"));
        desk.append("logs/a.log", &lines(0, 100));
        let agent = desk.start();
        agent.until_status(&desk.path("state"), |status| status["sinks"][0]["sent"] == 100);
        desk.until_said("answered 200 with a page of HTML");
        assert_eq!(agent.stop(), 0);
        sink.each_once(100);
        // None of them made the batch smaller, as if a record of it were bad.
        assert_eq!(sink.requests(), 4);
    }
}

#[test]
fn a_loki_that_refuses_a_line_costs_that_line_only() {
    let answers = |_: usize, bodies: &[String]| {
        let poisoned = bodies.iter().any(|body| body.contains("POISON"));
        if poisoned { Reply::Status(400) } else { Reply::Take }
    };
    let (desk, sink) = (Desk::new(), sink(answers));
    desk.config(&config("loki", &format!("http://{}", sink.address()), ""));
    desk.append("logs/a.log", &lines(0, 300));
    desk.append("logs/a.log", "POISON one\n");
    desk.append("logs/a.log", &lines(300, 600));
    let agent = desk.start();
    sink.until(600);
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["quarantined"] == 1);
    assert_eq!(agent.stop(), 0);
    sink.each_once(600);
    let letters = std::fs::read_to_string(desk.path("state/dead-letter.jsonl")).unwrap();
    let letter: serde_json::Value = serde_json::from_str(&letters).unwrap();
    // What Loki takes as JSON.
    let push = letter["record"].as_str().unwrap();
    let push: serde_json::Value = serde_json::from_str(push).unwrap();
    assert_eq!(push["streams"][0]["values"][0][1], "POISON one");
}

#[test]
fn a_server_of_another_authority_is_refused_until_the_file_of_authorities_is_replaced() {
    let (own, other) = (Authority::new("own").unwrap(), Authority::new("other").unwrap());
    for (kind, grpc) in [("otlp_http", false), ("otlp_grpc", true)] {
        let (desk, sink) = (Desk::new(), keeping(grpc, Way::Tls(&own)));
        put(&desk.path("ca.pem"), other.pem());
        let endpoint = format!("https://127.0.0.1:{}", sink.address().port());
        let dir = desk.dir.path().display();
        desk.config(&config(kind, &endpoint, &format!("    tls: {{ca_file: {dir}/ca.pem}}\n")));
        desk.append("logs/a.log", &lines(0, 100));
        let agent = desk.start();
        let status = agent
            .until_status(&desk.path("state"), |status| !status["sinks"][0]["failing"].is_null());
        let reason = status["sinks"][0]["failing"]["reason"].to_string().to_lowercase();
        assert!(reason.contains("certificate"), "{reason}");
        assert_eq!(sink.requests(), 0, "records went to a server that nobody vouches for");
        put(&desk.path("ca.pem"), own.pem());
        sink.until(100);
        assert_eq!(agent.stop(), 0);
        sink.each_once(100);
    }
}

#[test]
fn a_sink_that_wants_certificates_of_clients_takes_the_new_one_when_the_file_is_replaced() {
    let (own, clients) = (Authority::new("own").unwrap(), Authority::new("clients").unwrap());
    for (kind, grpc) in [("otlp_http", false), ("otlp_grpc", true)] {
        let (desk, sink) = (Desk::new(), keeping(grpc, Way::MutualTls(&own, &clients)));
        put(&desk.path("ca.pem"), own.pem());
        // Not one that the server knows.
        put_identity(&desk, &own.issue("agent", "", &["agent"], &[]).unwrap());
        let endpoint = format!("https://localhost:{}", sink.address().port());
        let dir = desk.dir.path().display();
        let tls = format!(
            "    tls: {{ca_file: {dir}/ca.pem, cert_file: {dir}/client.pem, key_file: \
             {dir}/client.key}}\n"
        );
        desk.config(&config(kind, &endpoint, &tls));
        desk.append("logs/a.log", &lines(0, 100));
        let agent = desk.start();
        agent.until_status(&desk.path("state"), |status| !status["sinks"][0]["failing"].is_null());
        assert_eq!(sink.requests(), 0);
        put_identity(&desk, &clients.issue("agent", "", &["agent"], &[]).unwrap());
        sink.until(100);
        assert_eq!(agent.stop(), 0);
        sink.each_once(100);
    }
}

#[test]
fn secrets_of_headers_come_from_files_are_read_anew_and_are_told_nowhere() {
    let own = Authority::new("own").unwrap();
    let (desk, sink) = (Desk::new(), keeping(false, Way::Tls(&own)));
    put(&desk.path("ca.pem"), own.pem());
    put(&desk.path("token"), "hush-one\n");
    put(&desk.path("tenant"), "hush-tenant\n");
    let endpoint = format!("https://localhost:{}", sink.address().port());
    let dir = desk.dir.path().display();
    let more = format!(
        "    tls: {{ca_file: {dir}/ca.pem}}\n    bearer_file: {dir}/token\n    \
         headers: {{x-plain: seen}}\n    headers_from_files: {{x-scope-orgid: {dir}/tenant}}\n"
    );
    desk.config(&config("otlp_http", &endpoint, &more));
    desk.append("logs/a.log", "first\n");
    let agent = desk.start();
    sink.until(1);
    put(&desk.path("token"), "hush-two\n");
    desk.append("logs/a.log", "second\n");
    sink.until(2);
    let state = desk.path("state");
    let told = ask(&state, "/status").unwrap() + &ask(&state, "/metrics").unwrap();
    assert!(!told.contains("hush"), "a secret is told");
    // A secret that is not there any more costs no record.
    std::fs::remove_file(desk.path("token")).unwrap();
    desk.append("logs/a.log", "third\n");
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    put(&desk.path("token"), "hush-three\n");
    sink.until(3);
    assert_eq!(agent.stop(), 0);
    let records = sink.0.records();
    let bearers: Vec<&str> =
        records.iter().map(|record| record.headers["authorization"].as_str()).collect();
    assert_eq!(bearers, ["Bearer hush-one", "Bearer hush-two", "Bearer hush-three"]);
    assert_eq!(records[0].headers["x-scope-orgid"], "hush-tenant");
    assert_eq!(records[0].headers["x-plain"], "seen");
    let log = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(!log.contains("hush"), "{log}");
}
