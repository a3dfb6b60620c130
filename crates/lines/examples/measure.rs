//! Measures the stages on one core: `cargo run --release -p lines --example measure`.
//!
//! Prints nanoseconds of processor time of this thread (Linux) per JSON line of 258 bytes, fed in
//! chunks of 256 KiB. Each chunk is first copied into one buffer, as read(2) does; the case
//! `copy` is that alone and is part of all others. An argument picks the cases that contain it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measuring program over input of its own; what is wrong with it should stop it"
)]

use std::fmt::Write as _;

use lines::{Chunk, File, Framing, Intake, Options, Plan, Records, Redaction, Settings, Streams};

const LINES: usize = 40_000;
const ROUNDS: usize = 15;
const CHUNK: usize = 256 * 1024;

fn main() {
    let raw = input("");
    let cri = input("2024-05-06T07:08:09.123456789Z stdout F ");
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let pick = || Options::pick(["user_id", "path", "method"]).expect("few names");
    let rules = || Redaction::builtin(["email", "credit-card", "ipv4"]).expect("known names");
    let base = Settings::default;
    let json = || Settings { parsers: named(&["json"]), ..base() };
    let cases = [
        ("split", &raw, base()),
        ("split + CRI", &cri, Settings { framing: Framing::Cri, ..base() }),
        ("split + JSON, pick 3", &raw, Settings { options: pick(), ..json() }),
        ("split + JSON, all fields", &raw, json()),
        (
            "split + CRI + JSON, pick 3",
            &cri,
            Settings { framing: Framing::Cri, options: pick(), ..json() },
        ),
        ("split + redaction of 3", &raw, Settings { redaction: Some(rules()), ..base() }),
        (
            "split + JSON, pick 3 + redaction of 3",
            &raw,
            Settings { options: pick(), redaction: Some(rules()), ..json() },
        ),
        (
            "split + CRI + JSON, all + redaction of 3",
            &cri,
            Settings { framing: Framing::Cri, redaction: Some(rules()), ..json() },
        ),
    ];
    let mut report = String::new();
    let _ = writeln!(report, "{:42} {:7.1} ns/line", "copy", measure(None, &raw).0);
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted.is_empty() {
        compare(&raw, &mut report);
    }
    for (name, bytes, settings) in cases {
        if !name.contains(&wanted) {
            continue;
        }
        let plan = Plan::new(settings).expect("valid settings");
        let (best, records, parsed) = measure(Some(&plan), bytes);
        let _ =
            writeln!(report, "{name:42} {best:7.1} ns/line  {records} records, {parsed} parsed");
    }
    print(&report);
}

/// What a JSON library takes that builds a value of each line.
fn compare(bytes: &[u8], report: &mut String) {
    let begun = processor_time();
    let values =
        bytes.split(|byte| *byte == b'\n').map(serde_json::from_slice::<serde_json::Value>);
    let valid = values.filter(Result::is_ok).count();
    let spent = (processor_time() - begun) as f64 / LINES as f64;
    let _ = writeln!(
        report,
        "{:42} {spent:7.1} ns/line  {valid} parsed",
        "serde_json::Value, to compare"
    );
}

#[expect(clippy::print_stdout, reason = "the result of a measuring program")]
fn print(report: &str) {
    print!("{report}");
}

/// Lines of 258 bytes with a newline, each after `header`.
fn input(header: &str) -> Vec<u8> {
    let mut text = String::new();
    for number in 0..LINES {
        let start = text.len();
        let _ = write!(
            text,
            "{header}{{\"timestamp\":\"2024-05-06T07:08:{:02}.{:06}Z\",\"level\":\"info\",\
             \"trace_id\":\"{:032x}\",\"service\":\"checkout\",\"method\":\"GET\",\
             \"path\":\"/api/v1/orders/{number}\",\"status\":200,\"duration_ms\":12.5,\"user_id\":{},\
             \"message\":\"request completed",
            number % 60,
            number % 1_000_000,
            (number as u128 + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835 % u128::MAX,
            number * 7,
        );
        let target = start + header.len() + 255;
        while text.len() < target {
            text.push_str(" in good time");
        }
        text.truncate(target);
        text.push_str("\"}\n");
    }
    text.into_bytes()
}

/// Nanoseconds that this thread has run.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number")
}

fn measure(plan: Option<&Plan>, bytes: &[u8]) -> (f64, u64, u64) {
    let (mut records, mut parsed) = (0, 0);
    let mut block = Records::new();
    let mut buffer = vec![0_u8; CHUNK];
    let begun = processor_time();
    for _ in 0..ROUNDS {
        let (mut intake, mut file, mut streams) =
            (Intake::new(), File::default(), Streams::default());
        let mut offset = 0;
        for piece in bytes.chunks(CHUNK) {
            let target = &mut buffer[..piece.len()];
            target.copy_from_slice(piece);
            let mut taken = if plan.is_some() { 0 } else { piece.len() };
            while let Some(plan) = plan
                && taken < piece.len()
            {
                let chunk = Chunk {
                    bytes: &target[taken..],
                    offset: offset + taken as u64,
                    now: 1,
                    ..Chunk::default()
                };
                taken += intake.feed(plan, &mut file, &mut streams, &chunk, &mut block);
                if block.is_full() {
                    block.clear();
                }
            }
            offset += piece.len() as u64;
        }
        let counters = intake.counters();
        (records, parsed) = (counters.records, counters.records - counters.unparsed);
    }
    let spent = (processor_time() - begun) as f64;
    (spent / (LINES * ROUNDS) as f64, records, parsed)
}
