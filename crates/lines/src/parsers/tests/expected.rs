//! JSON lines one after the other: what the first ones taught changes nothing.

use super::*;

#[test]
fn r17_what_is_expected_after_a_string_is_not_taken_after_a_number() {
    let plan = Plan::new(with("json")).unwrap();
    let (mut file, mut streams, mut out) = <(File, Streams, Records)>::default();
    let lines = [
        r#"{"a":"x","b":"y"}"#,
        r#"{"a":1}"#,
        r#"{"a":1","b":"y"}"#,
        r#"{"a":1,"b":"y"}"#,
        r#"{"a":"x,"b":"y"}"#,
        r#"{"a":"x","b":"y"}"#,
        r#"{"a":1}"#,
        r#"{"a":12345678901234567890","b":"y"}"#,
        r#"{"a":"x","b":"y"}"#,
        r#"{"a":"x","b":"y"}}"#,
        r#"{"a":"x","b":"y""#,
    ];
    let text = lines.join("\n") + "\n";
    let chunk = Chunk { bytes: text.as_bytes(), now: NOW, ..Chunk::default() };
    Intake::new().feed(&plan, &mut file, &mut streams, &chunk, &mut out);
    for (line, record) in lines.iter().zip(out.records()) {
        let oracle = serde_json::from_str::<serde_json::Value>(line);
        assert_eq!(record.flags.has(Flags::UNPARSED), oracle.is_err(), "{line}");
    }
    assert_eq!(out.len(), lines.len());
}

#[test]
fn what_a_name_is_for_is_learned_anew_under_another_plan() {
    let plan = |wanted| {
        let options = Options::pick([wanted]).unwrap();
        (wanted, Plan::new(Settings { options, ..with("json") }).unwrap())
    };
    let (one, other) = (plan("a"), plan("b"));
    let mut intake = Intake::new();
    for (wanted, plan) in [&one, &other, &one, &one] {
        let (mut file, mut streams, mut out) = <(File, Streams, Records)>::default();
        let chunk = Chunk { bytes: b"{\"a\":1,\"b\":1}\n", now: NOW, ..Chunk::default() };
        intake.feed(plan, &mut file, &mut streams, &chunk, &mut out);
        let fields = out.fields(&out.records()[0]).iter();
        assert_eq!(fields.map(|field| out.text(field.key)).collect::<Vec<_>>(), [*wanted]);
    }
}

proptest! {
    #[test]
    fn r17_a_line_is_read_the_same_whatever_lines_came_before(
        lines in prop::collection::vec(
            prop::collection::vec(
                (
                    prop::sample::select(vec![
                        "a", "ab", "level", "status", "trace_id", "", "\\u0061", "thirteen_byte",
                        "fourteen_bytes", "a\\\"b", "é",
                    ]),
                    prop::sample::select(vec![
                        "1", " 2", "1.5", "\"x\"", " \"y\"", "true", "null", "{\"a\":1}", "\"\\n\"",
                        "  3", "\"500\"",
                    ]),
                ),
                0..5,
            ),
            1..6,
        ),
        broken in prop::collection::vec((any::<prop::sample::Index>(), "[\",:{}\\[ 1\\\\]?"), 6),
    ) {
        let whole = |members: &[(&str, &str)]| {
            let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        let whole = lines.iter().map(|members| whole(members));
        // After each line the same one with a character that is another or missing.
        let lines: Vec<String> = whole
            .zip(&broken)
            .flat_map(|(line, (at, other))| {
                let (at, old) = *at.get(&line.char_indices().collect::<Vec<_>>());
                let mut changed = line.clone();
                changed.replace_range(at..at + old.len_utf8(), other);
                [line, changed]
            })
            .collect();
        let plan = Plan::new(with("json")).unwrap();
        // What comes in two pieces is put together elsewhere, and looked at once it is.
        let read = |text: &str, first: usize| {
            let (mut file, mut streams, mut out) = <(File, Streams, Records)>::default();
            let (mut intake, mut offset) = (Intake::new(), 9);
            for bytes in [&text.as_bytes()[..first], &text.as_bytes()[first..]] {
                let chunk = Chunk { bytes, now: NOW, offset, ..Chunk::default() };
                intake.feed(&plan, &mut file, &mut streams, &chunk, &mut out);
                offset += bytes.len() as u64;
            }
            let told = out.records().iter().map(|record| {
                let fields = out.fields(record).iter();
                let fields = fields.map(|one| (out.text(one.key), show(&out, one.value)));
                let ids = (record.severity, record.status, record.trace_id, record.flags);
                let ids = (ids, record.plain, out.text(record.severity_text));
                format!("{} {:?} {ids:?}", out.body(record), fields.collect::<Vec<_>>())
            });
            told.collect::<Vec<_>>()
        };
        let together = read(&(lines.join("\n") + "\n"), 0);
        let alone = |first| lines.iter().flat_map(move |line| read(&format!("{line}\n"), first));
        prop_assert_eq!(&together, &alone(0).collect::<Vec<_>>());
        prop_assert_eq!(&together, &alone(1).collect::<Vec<_>>());
    }
}
