use super::*;
use proptest::prelude::*;

fn limits(records: usize, bytes: usize) -> Batch {
    Batch { records, bytes, ..Batch::default() }
}

fn records(bodies: &[&str]) -> Records {
    let mut records = Records::new();
    for body in bodies {
        let (key, number) = (records.push_name("n\n"), Value::Int(-7));
        records.push_field(key, number);
        let body = records.push_text(body);
        let time = 1_700_000_000_000_000_042;
        records.push(&Record { body, line: body, time, severity: 9, ..Record::default() });
    }
    records
}

#[test]
fn a_line_is_json_with_the_names_of_the_page() {
    let records = records(&["say \"hi\"\u{1b}[31m"]);
    let mut lines = Lines::new(limits(10, 10_000), Members::ALL);
    let origin = Origin::new([("a".to_owned(), "b".to_owned())], "/p", None);
    assert_eq!(lines.push(&records, &records.records()[0], &origin), Pushed::Added);
    let text = std::str::from_utf8(lines.lines(0..1)).unwrap();
    assert_eq!(
        text,
        "{\"time\":\"2023-11-14T22:13:20.000000042Z\",\"severity_number\":9,\
         \"body\":\"say \\\"hi\\\"\\u001b[31m\",\"attributes\":{\"n\\n\":-7},\
         \"resource\":{\"a\":\"b\"}}\n"
    );
}

/// A record with everything.
fn rich() -> Records {
    let mut records = records(&[]);
    let (body, severity_text) = (records.push_text("b"), records.push_text("info"));
    let key = records.push_name("key");
    records.push_field(key, Value::Bool(true));
    records.push(&Record {
        body,
        severity_text,
        severity: 9,
        trace_id: [1; 16],
        span_id: [2; 8],
        ..Record::default()
    });
    records
}

#[test]
fn a_line_has_the_wanted_members_in_one_order_and_is_an_object_with_none_of_them() {
    let origin = Origin::new([("a".to_owned(), "b".to_owned())], "/p", None);
    let line = |records: &Records, members| {
        let mut lines = Lines::new(limits(10, 10_000), members);
        assert_eq!(lines.push(records, &records.records()[0], &origin), Pushed::Added);
        String::from_utf8(lines.lines(0..1).to_vec()).unwrap()
    };
    let names = [
        (Members::TIME, ["time", "time"]),
        (Members::SEVERITY, ["severity_number", "severity"]),
        (Members::BODY, ["body", "body"]),
        (Members::TRACE, ["trace_id", "span_id"]),
        (Members::ATTRIBUTES, ["attributes", "attributes"]),
        (Members::RESOURCE, ["resource", "resource"]),
    ];
    let rich = rich();
    let whole: serde_json::Value = serde_json::from_str(&line(&rich, Members::ALL)).unwrap();
    for subset in 1..64_u32 {
        let chosen = names.iter().enumerate().filter(|(at, _)| subset & (1 << at) != 0);
        let (members, mut wanted): (Vec<_>, Vec<_>) = chosen.map(|(_, one)| *one).unzip();
        let members = members.into_iter().reduce(Members::and).unwrap();
        let mut wanted: Vec<&str> = wanted.drain(..).flatten().collect();
        wanted.dedup();
        let parts = wanted.iter().map(|name| format!("{name:?}:{}", whole[*name]));
        let object = format!("{{{}}}\n", parts.collect::<Vec<_>>().join(","));
        assert_eq!(line(&rich, members), object);
    }
    let mut bare = Records::new();
    bare.push(&Record::default());
    assert_eq!(line(&bare, Members::TRACE.and(Members::SEVERITY)), "{}\n");
}

/// All choices of members but for none.
fn choices() -> impl Iterator<Item = Members> {
    let each = [
        Members::TIME,
        Members::SEVERITY,
        Members::BODY,
        Members::TRACE,
        Members::ATTRIBUTES,
        Members::RESOURCE,
    ];
    (1..64_u32).filter_map(move |subset| {
        let chosen = each.iter().enumerate().filter(|(at, _)| subset & (1 << at) != 0);
        chosen.map(|(_, members)| *members).reduce(Members::and)
    })
}

#[test]
fn a_line_is_json_whatever_is_special_about_its_record() {
    let each = [
        Flags::STDERR,
        Flags::PARTIAL,
        Flags::TRUNCATED,
        Flags::UNPARSED,
        Flags::MULTILINE,
        Flags::MALFORMED,
        Flags::REPAIRED,
        Flags::FIELDS_CUT,
        Flags::REDACTED,
        Flags::JOINED,
    ];
    // Each alone is the pair of it and itself.
    let pairs = each.iter().flat_map(|one| each.iter().map(|other| *one | *other));
    let origin = Origin::new([("a".to_owned(), "b".to_owned())], "/p", None);
    let mut all: Vec<Lines> =
        choices().map(|members| Lines::new(limits(10, 10_000), members)).collect();
    for flags in std::iter::once(Flags::default()).chain(pairs) {
        for parts in 0..16_u8 {
            let has = |bit: u8| parts & bit != 0;
            let mut records = Records::new();
            let body = if has(1) { records.push_text("a text") } else { Span::default() };
            if has(2) {
                let key = records.push_name("key");
                records.push_field(key, Value::Bool(true));
            }
            let trace_id = if has(4) { [1; 16] } else { [0; 16] };
            let adjusted = if has(8) { 4.0 } else { 1.0 };
            records.push(&Record { body, trace_id, adjusted, flags, ..Record::default() });
            for lines in &mut all {
                lines.clear();
                let members = lines.members;
                assert_eq!(lines.push(&records, &records.records()[0], &origin), Pushed::Added);
                let line = std::str::from_utf8(lines.lines(0..1)).unwrap();
                let read = serde_json::from_str::<serde_json::Value>(line);
                let read = read.unwrap_or_else(|error| panic!("{flags:?}: {error}: {line}"));
                assert_eq!(read.get("trace_id").is_some(), has(4) && members.has(Members::TRACE));
                let attributes = read.get("attributes").map(|all| all.as_object().unwrap());
                assert!(attributes.is_none_or(|all| !all.is_empty()), "{line}");
                let wanted = |yes: bool| (yes && members.has(Members::ATTRIBUTES)).then_some(true);
                let found = |name| Some(attributes?.contains_key(name)).filter(|found| *found);
                assert_eq!(found("key"), wanted(has(2)), "{line}");
                assert_eq!(found("sampling.adjusted_count"), wanted(has(8)), "{line}");
                assert_eq!(found("log.iostream"), wanted(flags.has(Flags::STDERR)), "{line}");
                assert_eq!(found("log.partial"), wanted(flags.has(Flags::PARTIAL)), "{line}");
            }
        }
    }
}

#[test]
fn r17_a_surrogate_without_its_partner_is_mended_in_nested_values_too() {
    let mut records = Records::new();
    let text = r#"{"\ud800":["cut \ud83d","\uD83D\uDE00 \\ud83d"],"\udE00":1}"#;
    let (key, span) = (records.push_name("req"), records.push_text(text));
    records.push_field(key, Value::Json(span));
    records.push(&Record::default());
    let mut lines = Lines::new(limits(10, 10_000), Members::ATTRIBUTES);
    let origin = Origin::new([], "/p", None);
    assert_eq!(lines.push(&records, &records.records()[0], &origin), Pushed::Added);
    assert_eq!(
        std::str::from_utf8(lines.lines(0..1)).unwrap(),
        concat!(
            r#"{"attributes":{"req":{"\ufffd":["cut \ufffd","\uD83D\uDE00 \\ud83d"],"\ufffd":1}}}"#,
            "\n"
        ),
    );
}

#[test]
fn a_batch_is_full_at_its_bounds_and_any_range_can_be_taken_out() {
    let records = records(&["a", "b", "c"]);
    let origin = Origin::new([], "/p", None);
    let push = |lines: &mut Lines, at: usize| lines.push(&records, &records.records()[at], &origin);
    let mut lines = Lines::new(limits(2, 10_000), Members::ALL);
    assert_eq!(
        [0, 1, 2].map(|at| push(&mut lines, at)),
        [Pushed::Added, Pushed::Added, Pushed::Full]
    );
    assert!(lines.lines(1..2).starts_with(b"{") && lines.lines(1..2).ends_with(b"}\n"));
    assert_eq!(lines.lines(5..9), b"");
    let mut small = Lines::new(limits(10, 10), Members::ALL);
    assert_eq!([0, 1].map(|at| push(&mut small, at)), [Pushed::Added, Pushed::Full]);
    small.clear();
    assert_eq!((small.len(), small.bytes.capacity()), (0, 10 + AHEAD));
    assert_eq!(push(&mut small, 2), Pushed::Added);
    let mut whole = Lines::new(limits(10, 10_000), Members::ALL);
    push(&mut whole, 2);
    assert_eq!(small.lines(0..1), whole.lines(0..1));
}

#[test]
fn what_a_parser_knows_to_be_plain_is_written_as_it_is_and_the_line_itself_is_not() {
    let mut records = Records::new();
    let line = records.push_text(r#"{"key":"some text","n":1.5}"#);
    let part = |start, len| Span { start: line.start + start, len };
    records.push_field(part(2, 3), Value::Str(part(8, 9)));
    records.push_field(part(20, 1), Value::Number(part(23, 3)));
    let record = Record { line, body: line, time: 1, plain: true, ..Record::default() };
    records.push(&record);
    records.push(&Record { body: part(8, 9), ..record });
    let mut lines = Lines::new(limits(10, 10_000), Members::ALL);
    let origin = Origin::new([], "/p", None);
    for record in records.records() {
        assert_eq!(lines.push(&records, record, &origin), Pushed::Added);
    }
    let start = r#"{"time":"1970-01-01T00:00:00.000000001Z","body":"#;
    let wanted = [
        r#""{\"key\":\"some text\",\"n\":1.5}","attributes":{"key":"some text","n":1.5},"#,
        r#""some text","#,
    ];
    let wanted = wanted.map(|rest| format!("{start}{rest}\"resource\":{{}}}}\n"));
    assert_eq!(std::str::from_utf8(lines.lines(0..2)).unwrap(), wanted.concat());
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (second, text) in [
        (0, "1970-01-01T00:00:00"),
        (951_782_399, "2000-02-28T23:59:59"),
        (951_782_400, "2000-02-29T00:00:00"),
        (4_102_444_799, "2099-12-31T23:59:59"),
    ] {
        assert_eq!(std::str::from_utf8(&date(second)).unwrap(), text);
    }
}

proptest! {
    #[test]
    fn what_is_copied_as_it_stands_is_what_would_be_written_otherwise(
        members in prop::collection::vec(
            (
                prop::sample::select(vec!["a", "level", "status", "message", "", "an é"]),
                prop::sample::select(vec![":", " : ", ": ", " :"]),
                prop::sample::select(vec![
                    "\"x\"", "1.5", "12", "\"\"", "null", "true", "[1, \"b\"]", "-1e3", "30", "99",
                    "0", "-7", "1234567", "12345678", "9007199254740993",
                    "\"a long text of more than thirty-two bytes, and then more than ninety-six \
                     of them, so that each copy has its turn\"",
                ]),
            ),
            0..7,
        ),
    ) {
        let members = members.iter().map(|(name, colon, value)| format!("\"{name}\"{colon}{value}"));
        let line = format!("{{{}}}\n", members.collect::<Vec<_>>().join(","));
        let parsers = vec!["json".to_owned()];
        let settings = lines::Settings { parsers, ..lines::Settings::default() };
        let plan = lines::Plan::new(settings).unwrap();
        let (mut file, mut streams, mut records) =
            <(lines::File, lines::Streams, Records)>::default();
        let chunk = lines::Chunk { bytes: line.as_bytes(), now: 1, ..lines::Chunk::default() };
        lines::Intake::new().feed(&plan, &mut file, &mut streams, &chunk, &mut records);
        let origin = Origin::new([], "/p", None);
        let mut lines = Lines::new(limits(10, 100_000), Members::ALL);
        for plain in [true, false] {
            records.records_mut()[0].plain &= plain;
            let record = records.records()[0];
            prop_assert_eq!(record.plain, plain, "{}", line);
            prop_assert_eq!(lines.push(&records, &record, &origin), Pushed::Added);
        }
        let text = |at: usize| std::str::from_utf8(lines.lines(at..at + 1)).unwrap();
        prop_assert_eq!(text(0), text(1));
        let read: serde_json::Value = serde_json::from_str(text(0)).unwrap();
        prop_assert!(read["body"].is_string());
    }

    #[test]
    fn digits_are_those_of_the_number(number in 0_u32..1_000_000_000) {
        let wanted = format!(".{number:09}Z\"");
        let digits = fraction(number);
        prop_assert_eq!(std::str::from_utf8(&digits).unwrap(), wanted);
    }

    #[test]
    fn a_number_is_written_as_it_is(number in prop_oneof![0..100_000_u64, any::<u64>()]) {
        let mut out = [0; 30];
        let left = decimal(Room::new(&mut out), number).unwrap().left();
        let wanted = number.to_string();
        prop_assert_eq!(std::str::from_utf8(&out[..30 - left]).unwrap(), wanted);
    }

    #[test]
    fn a_text_is_copied_whatever_its_length(before in 0_usize..100, text in "[a-z]{0,130}") {
        let mut records = Records::new();
        let span = records.push_text(&text);
        records.push_text(&"x".repeat(before));
        let mut out = vec![b'.'; text.len() + AHEAD];
        let room = copy(Room::new(&mut out), &records, span).unwrap();
        prop_assert_eq!(room.left(), AHEAD);
        prop_assert_eq!(&out[..text.len()], text.as_bytes());
    }

    #[test]
    fn a_string_is_what_serde_json_reads_back(text in "\\PC{0,40}[\\x00-\\x1f\"\\\\\\x7f]{0,3}\\PC{0,40}") {
        let mut out = Vec::new();
        string(&mut out, &text);
        prop_assert!(out.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
        let back: String = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(back, text);
    }
}
