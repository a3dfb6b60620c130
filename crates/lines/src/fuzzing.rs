//! The bodies of the fuzz targets in `fuzz/`, one per reader of foreign bytes.
//!
//! They live here so that the property tests run the same code. Each takes any bytes and
//! returns; what must not happen is a panic, growth, or a span that is no text of its block.

use crate::json::scan::Index;
use crate::json::walk;
use crate::record::{Records, Value};
use crate::{Chunk, File, Framing, Intake, Multiline, Plan, Redaction, Settings, Streams};
use std::sync::OnceLock;

const LIMIT: u64 = 1_024;
/// How many settings of the intake there are: framings, encodings, with groups or without.
const INTAKES: usize = 3 * 5 * 2;
/// At least twice as many as there are parsers.
const ORDERS: usize = 32;

/// A plan that is compiled when it is first used: that takes far longer than to run it.
type Once = OnceLock<Option<Plan>>;

static INTAKE_PLANS: [Once; INTAKES] = [const { Once::new() }; INTAKES];
static PARSER_PLANS: [Once; ORDERS] = [const { Once::new() }; ORDERS];

/// Splitting, container framing, joins and groups. The first byte picks the framing and encoding.
///
/// # Panics
/// When the promise is broken.
pub fn intake(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let number = usize::from(*choice) % INTAKES;
    let plan = INTAKE_PLANS
        .get(number)
        .and_then(|once| once.get_or_init(|| Plan::new(intake_settings(number)).ok()).as_ref());
    if let Some(plan) = plan {
        run(plan, bytes, usize::from(*choice) / INTAKES * 7 + 3);
    }
}

fn intake_settings(choice: usize) -> Settings {
    let framings = [Framing::Raw, Framing::Cri, Framing::Docker];
    let framing = framings.get(choice % 3).copied().unwrap_or_default();
    let labels = ["utf-8", "utf-16le", "utf-16be", "gbk", "shift_jis"];
    let label = labels.get(choice / 3 % 5).copied().unwrap_or("utf-8");
    let multiline = (choice / 15 % 2 == 1)
        .then(|| Multiline::presets(["java", "go", "python", "dotnet"]).ok())
        .flatten();
    Settings {
        framing,
        encoding: (framing == Framing::Raw).then(|| label.to_owned()),
        line_bytes_max: Some(LIMIT),
        multiline,
        ..Settings::default()
    }
}

/// All parsers after one another, with all redaction rules or none. The first byte picks that and
/// where to begin.
///
/// # Panics
/// When the promise is broken.
pub fn parsers(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let number = usize::from(*choice) % (2 * crate::parsers::names().len()).min(ORDERS);
    let plan = PARSER_PLANS
        .get(number)
        .and_then(|once| once.get_or_init(|| Plan::new(parser_settings(number)).ok()).as_ref());
    if let Some(plan) = plan {
        run(plan, bytes, usize::MAX);
    }
}

/// A redaction pattern of one's own: what is before the first newline; behind it are lines. The
/// first byte picks the parsers, what is shown, and whether a built-in rule is there, too.
///
/// # Panics
/// When the promise is broken.
pub fn own_pattern(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let Some((pattern, lines)) =
        std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n'))
    else {
        return;
    };
    let Some(plan) = own_plan(usize::from(*choice), pattern) else { return };
    let whole = run(&plan, lines.as_bytes(), usize::MAX);
    assert_eq!(run(&plan, lines.as_bytes(), 7), whole, "however the lines are cut");
}

fn own_plan(choice: usize, pattern: &str) -> Option<Plan> {
    let rules = (choice % 2 == 1).then_some("ipv4");
    let redaction = Redaction::builtin(rules).ok()?.with_pattern("own", pattern, None).ok()?;
    let parsers = [&["json", "logfmt"][..], &["access", "syslog-rfc5424"], &["regex"], &[]];
    let parsers = parsers.get(choice / 4 % 4).copied().unwrap_or_default();
    let settings = Settings {
        parsers: parsers.iter().map(|name| (*name).to_owned()).collect(),
        pattern: Some(r"(?P<a>\w+)=(?P<b>[^ ]*)".to_owned()),
        line_bytes_max: Some(LIMIT),
        redaction: Some(if choice / 2 % 2 == 1 { redaction.with_stars() } else { redaction }),
        ..Settings::default()
    };
    Plan::new(settings).ok()
}

fn parser_settings(choice: usize) -> Settings {
    let mut parsers = crate::parsers::names().map(str::to_owned).to_vec();
    parsers.rotate_left(choice / 2);
    let rules =
        choice.is_multiple_of(2).then(|| Redaction::builtin(crate::redact::rule_names()).ok());
    Settings {
        parsers,
        pattern: Some(r"(?P<a>\w+)=(?P<b>[^ ]*)".to_owned()),
        redaction: rules.flatten(),
        ..Settings::default()
    }
}

/// The scanner and the walk: both ways to scan agree, and members are parts of the line.
///
/// # Panics
/// When the promise is broken.
pub fn json(bytes: &[u8]) {
    let (mut fast, mut portable) = (Index::default(), Index::default());
    fast.scan(bytes);
    portable.scan_portable(bytes);
    assert_eq!(fast.words(), portable.words());
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    let _outcome = walk::object(line, &mut fast, |member: walk::Member| {
        assert!(line.get(member.key.range()).is_some());
        assert!(line.get(member.value.range()).is_some());
    });
}

/// The bodies and fields of the records of some bytes, as one text.
fn run(plan: &Plan, bytes: &[u8], size: usize) -> String {
    let mut said = String::new();
    let (mut intake, mut file, mut streams) = (Intake::new(), File::default(), Streams::default());
    let (mut out, mut offset, mut records) = (Records::new(), 0, 0);
    for piece in bytes.chunks(size.max(1)) {
        let mut rest = piece;
        while !rest.is_empty() {
            let chunk = Chunk { bytes: rest, offset, now: offset + 1, ..Chunk::default() };
            let taken = intake.feed(plan, &mut file, &mut streams, &chunk, &mut out);
            rest = rest.get(taken..).unwrap_or_default();
            offset += taken as u64;
            assert!(crate::hold(&file, &streams, 0) <= offset);
            if out.is_full() {
                records += check(&mut out, &mut said);
            }
        }
    }
    let end = Chunk { offset, last: true, now: offset + 1, ..Chunk::default() };
    intake.feed(plan, &mut file, &mut streams, &end, &mut out);
    intake.close(plan, &mut streams, offset, &mut out);
    records += check(&mut out, &mut said);
    assert_eq!(records, intake.counters().records);
    assert_eq!((file.settled(), streams.is_idle()), (offset, true));
    assert_eq!(intake.counters().bytes, offset);
    said
}

/// Every span of the block is a text of it.
fn check(out: &mut Records, said: &mut String) -> u64 {
    let within = |span: crate::Span| out.text(span).len() == span.len as usize;
    for record in out.records() {
        assert!(within(record.body) && within(record.line) && within(record.severity_text));
        assert!(record.start <= record.end);
        assert_eq!(out.fields(record).len(), record.fields.len as usize);
        said.extend([out.text(record.body), "\n"]);
        for field in out.fields(record) {
            assert!(within(field.key));
            if let Value::Str(span) | Value::Number(span) | Value::Json(span) = field.value {
                assert!(within(span));
                said.extend([out.text(field.key), "=", out.text(span), "\n"]);
            }
        }
    }
    let count = out.len() as u64;
    out.clear();
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    proptest! {
        #[test]
        fn no_bytes_make_the_intake_panic(
            choice in any::<u8>(),
            raw in prop::collection::vec(any::<u8>(), 0..300),
            text in "(1970-01-01T00:00:01Z (stdout|stderr) [FP](:x)? ?|\\{\"log\":\"|\\\\n\"\\}|\n|\r|\u{0}|panic: |\tat |Traceback|é|a){0,60}",
        ) {
            intake(&[&[choice], raw.as_slice()].concat());
            intake(&[&[choice], text.as_bytes()].concat());
        }

        #[test]
        fn no_pattern_of_ones_own_makes_a_rule_panic(
            choice in any::<u8>(),
            pattern in "([a-c.^$|()?*+\\[\\]é\"=-]|\\\\[bBdDwWsSAz<>n\"]|\\{1,3\\}|\\(\\?[isx:]|\\\\x\\{41\\}|\\\\p\\{L\\}){0,8}",
            text in "([a-c {}\\[\\]:,\"=\n.-]|\\\\u00[46]1|\\\\n|\"msg\":|level=|10\\.0\\.0\\.1|[0-9]{1,9}|é|\u{1b}\\[36m){0,40}",
        ) {
            own_pattern(&[&[choice], pattern.as_bytes(), b"\n", text.as_bytes()].concat());
        }

        #[test]
        fn no_bytes_make_a_parser_or_a_rule_panic(
            choice in any::<u8>(),
            raw in prop::collection::vec(any::<u8>(), 0..200),
            text in "([{}\\[\\]:,\"=' \n<>@.-]|\\\\|\\\\u00[46]0|\"msg\":|level=|<34>1? ?|May  6 07:08:09 |E0506 07:08:09\\.1 |a\\.go:1\\] |\\[06/May/2024:07:08:09 \\+0000\\] |\"GET / HTTP/1\\.1\" |200 |1\\.2\\.3\\.4 |- |a@b\\.de|4111111111111111|fe80::1|eyJ|Bearer |é|[a-f0-9]{1,9}){0,40}",
        ) {
            parsers(&[&[choice], raw.as_slice()].concat());
            parsers(&[&[choice], text.as_bytes()].concat());
            json(&raw);
            json(text.as_bytes());
        }
    }
}
