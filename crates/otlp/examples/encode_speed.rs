//! How many nanoseconds of processor time a record costs: `cargo run --release -p otlp --example
//! encode_speed`. Input: nothing; a body of 180 bytes, a trace, three attributes. Output: a line
//! for each step.

#![expect(clippy::print_stdout, reason = "this is its output")]

use otlp::{LogsRequest, Origin, Pushed, RecordHead, Request, RequestLimits, Value};
use std::hint::black_box;
use std::time::Instant;

const RECORDS: usize = 1_000;
const ROUNDS: usize = 2_000;

fn fill(request: &mut Request, origin: &Origin, body: &str) {
    request.clear();
    request.origin(origin);
    for at in 0..RECORDS {
        let number = at as u64;
        let head = RecordHead {
            time_ns: 1_760_000_000_000_000_000 + number,
            observed_ns: 1_760_000_000_000_000_000 + number,
            severity: 9,
            trace_id: [7; 16],
            span_id: [9; 8],
            ..RecordHead::default()
        };
        let pushed = request.push(&head, |fields| {
            let fields = fields.severity_text("info")?.body(&Value::Str(body))?;
            let fields = fields.attribute("http.request.method", &Value::Str("GET"))?;
            let fields = fields.attribute("http.response.status_code", &Value::Int(200))?;
            fields.attribute("url.path", &Value::Str("/api/v1/orders/4711"))
        });
        if pushed != Pushed::Added {
            break;
        }
    }
}

fn time(name: &str, mut run: impl FnMut()) {
    run();
    let mut best = f64::MAX;
    // The best of many short runs: those that nobody interrupted.
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_nanos() as f64 / RECORDS as f64);
    }
    println!("{name}: {best:.1} ns a record");
}

fn main() {
    let body = "x".repeat(180);
    let origin = Origin::new([("k8s.pod.name", Value::Str("web-0"))]).with_scope("orlop", "0.1");
    let limits = RequestLimits { records_max: RECORDS, bytes_max: 8 << 20 };
    let mut request = Request::new(limits);
    time("encode", || fill(black_box(&mut request), black_box(&origin), black_box(&body)));
    let mut bytes = Vec::new();
    time("assemble", || {
        bytes.clear();
        request.encode(0..RECORDS, &mut bytes);
        black_box(&bytes);
    });
    println!("{} records, {} bytes", request.len(), bytes.len());
    time("check and count", || {
        black_box(LogsRequest::read(black_box(&bytes)).map_or(0, |view| view.records()));
    });
    time("count alone", || {
        black_box(LogsRequest::count(black_box(&bytes)).unwrap_or(0));
    });
    let mut line = Vec::new();
    time("to a line of JSON", || {
        line.clear();
        if let Ok(view) = LogsRequest::read(&bytes) {
            otlp::json::write_line(&view, &mut line);
        }
        black_box(&line);
    });
}
