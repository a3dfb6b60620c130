//! A real OpenTelemetry Collector takes what we send, over HTTP and gRPC with each compression, and
//! passes it on as OTLP/JSON: what it understood is compared with what we write, record by record.

use super::support::{Desk, Sink, WAIT, lines};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use testkit::log_sink::Received;

/// A running Collector.
struct Collector {
    child: Child,
    grpc: u16,
    http: u16,
}

impl Collector {
    /// It passes everything on to `sink`.
    fn start(desk: &Desk, sink: &Sink) -> Option<Self> {
        let program = match testbed::peers::peer("otelcol") {
            Ok(program) => program,
            Err(missing) => {
                testkit::cluster::skip(missing);
                return None;
            }
        };
        let [grpc, http] = free_ports();
        let config = format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{endpoint: '127.0.0.1:{grpc}'}}\n      \
             http: {{endpoint: '127.0.0.1:{http}'}}\n\
             exporters:\n  otlphttp:\n    endpoint: http://{}\n    encoding: json\n    \
             compression: none\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    logs: \
             {{receivers: [otlp], exporters: [otlphttp]}}\n",
            sink.address()
        );
        let path = desk.path("collector.yaml");
        std::fs::write(&path, config).unwrap();
        let log = std::fs::File::create(desk.path("collector.log")).unwrap();
        let child = Command::new(program)
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut collector = Self { child, grpc, http };
        let ready = testbed::wait::until(WAIT, || {
            assert!(collector.child.try_wait().unwrap().is_none(), "{}", said(desk));
            let up = [grpc, http].map(|port| std::net::TcpStream::connect(("127.0.0.1", port)));
            Ok::<_, std::convert::Infallible>(up.iter().all(Result::is_ok).then_some(()))
        });
        assert!(ready.unwrap().is_some(), "{}", said(desk));
        Some(collector)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(desk: &Desk) -> String {
    std::fs::read_to_string(desk.path("collector.log")).unwrap_or_default()
}

/// Both are held until both are known, so they differ.
fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.each_ref().map(|held| held.local_addr().unwrap().port())
}

/// What a record says, without the times at which it was read.
fn meaning(record: &Received) -> (BTreeMap<String, Value>, BTreeMap<String, Value>, Value) {
    let mut rest = record.record.clone();
    if let Some(fields) = rest.as_object_mut() {
        for name in ["attributes", "observedTimeUnixNano"] {
            fields.remove(name);
        }
        // A line without a time of its own has the time at which it was read.
        if record.body.starts_with("line number") {
            fields.remove("timeUnixNano");
        }
        // What is zero or empty may be left out or not.
        fields.retain(|_, value| !matches!(value.as_str(), Some("")) && *value != 0);
    }
    let mut resource = record.resource.clone();
    resource.remove("log.file.path");
    (resource, record.attributes.clone(), rest)
}

const LINES: [&str; 6] = [
    "{\"level\":\"warn\",\"msg\":\"umlaut \\u00e4 \\ud83d\\ude00\",\"ts\":\"2026-01-02T03:04:05.678Z\",\"n\":-7}",
    "{\"level\":\"error\",\"msg\":\"traced\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"span_id\":\"00f067aa0ba902b7\",\"ts\":\"2026-01-02T03:04:06Z\"}",
    "{\"msg\":\"nested\",\"ts\":\"2026-01-02T03:04:07Z\",\"map\":{\"a\":[1,2.5,true,null]},\"big\":9007199254740993}",
    "{\"msg\":\"numbers\",\"ts\":\"2026-01-02T03:04:08Z\",\"f\":0.1,\"e\":1e300,\"b\":false}",
    "ts=2026-01-02T03:04:09Z level=info msg=\"logfmt with = and \\\" in it\" user=7",
    "{\"msg\":\"\",\"ts\":\"2026-01-02T03:04:10Z\",\"empty\":\"\"}",
];

/// The records that a sink has after an agent with this config has sent everything.
fn sent(desk: &Desk, sink: &Sink, kind: &str, endpoint: &str, compression: &str) -> Vec<Received> {
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}}]\n\
         sinks: [{{type: {kind}, endpoint: '{endpoint}', compression: {compression}}}]\n"
    ));
    let _ = std::fs::remove_dir_all(desk.path("state"));
    let before = sink.0.records().len();
    let agent = desk.start();
    let wanted = before + LINES.len() + 1_000;
    let came = testbed::wait::until(WAIT, || {
        Ok::<_, std::convert::Infallible>((sink.0.records().len() >= wanted).then_some(()))
    });
    let records = sink.0.records();
    assert!(came.unwrap().is_some(), "{} of {wanted} came:\n{}", records.len(), said(desk));
    assert_eq!(agent.stop(), 0);
    let mut records = records.get(before..).unwrap().to_vec();
    // Requests overtake each other.
    records.sort_by(|one, other| one.body.cmp(&other.body));
    records
}

#[test]
fn a_real_collector_understands_every_record_as_we_wrote_it() {
    let desk = Desk::new();
    let (direct, behind) = (Sink::of_records(), Sink::of_records());
    let Some(collector) = Collector::start(&desk, &behind) else { return };
    for line in LINES {
        desk.append("logs/a.log", &format!("{line}\n"));
    }
    desk.append("logs/a.log", &lines(0, 1_000));
    let endpoint = format!("http://{}", direct.address());
    let ours = sent(&desk, &direct, "otlp_http", &endpoint, "none");
    let ours: Vec<_> = ours.iter().map(meaning).collect();
    for (kind, port) in [("otlp_http", collector.http), ("otlp_grpc", collector.grpc)] {
        for compression in ["none", "gzip", "zstd"] {
            let endpoint = format!("http://127.0.0.1:{port}");
            let theirs = sent(&desk, &behind, kind, &endpoint, compression);
            assert_eq!(theirs.len(), ours.len(), "{kind} {compression}");
            // Its answers are compressed as the requests are.
            let said = crate::full_disk::said(&desk);
            assert!(!said.contains("cannot be read"), "{said}");
            for (their, our) in theirs.iter().map(meaning).zip(&ours) {
                assert_eq!(&their, our, "{kind} {compression}");
            }
        }
    }
}
