//! Pushes to Loki: labels, order, ranges, bounds.

use crate::messages::{self, Push};
use otlp::loki::{
    self, LABEL_VALUE_BYTES_MAX, Labels, PART_LABEL, PushLimits, Pushed, STREAM_PARTS, STREAMS_MAX,
};
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeMap;

const WIDE: PushLimits = PushLimits { entries_max: 1_000_000, bytes_max: 1 << 30 };

fn decode(bytes: &[u8]) -> Push {
    let block = loki::compress(bytes).unwrap();
    let plain = snap::raw::Decoder::new().decompress_vec(&block).unwrap();
    Push::decode(&plain[..]).unwrap()
}

type Line = (usize, u64, String, Vec<(String, String)>);
/// Labels, time, line, metadata.
type Seen = (String, u64, String, Vec<(String, String)>);

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let metadata = proptest::collection::vec(("[a-z_]{1,9}", messages::text()), 0..3);
    let line = (0..4_usize, 0..3_000_000_000_u64, messages::text(), metadata);
    proptest::collection::vec(line, 0..20)
}

/// A label of each stream; one without it.
const APPS: [&str; 4] = ["web", "db", "a\"b\\c\n=d, {e}\\", ""];

fn labels(stream: usize) -> Labels {
    Labels::new([("app", APPS[stream]), ("namespace", "shop")])
}

fn push(push: &mut loki::Push, line: &Line) -> Pushed {
    let Some(stream) = push.stream(&labels(line.0)) else { return Pushed::Full };
    let metadata = line.3.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    push.entry(stream, line.1, &line.2, metadata)
}

/// What Loki should see: by stream in the order of their first line, then by time.
fn expected(lines: &[Line]) -> Vec<Seen> {
    let mut all = Vec::new();
    for stream in 0..4 {
        let mut own: Vec<_> = lines.iter().filter(|line| line.0 == stream).cloned().collect();
        own.sort_by_key(|line| line.1);
        let text = labels(stream).as_str().to_owned();
        all.extend(own.into_iter().map(|line| (text.clone(), line.1, line.2, line.3)));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

fn seen(push: &Push) -> Vec<Seen> {
    let mut all = Vec::new();
    for stream in &push.streams {
        for entry in &stream.entries {
            let time = entry.timestamp.as_ref().unwrap();
            let ns = time.seconds.cast_unsigned() * 1_000_000_000
                + u64::from(time.nanos.cast_unsigned());
            let metadata = entry.structured_metadata.iter();
            let metadata = metadata.map(|pair| (pair.name.clone(), pair.value.clone())).collect();
            all.push((stream.labels.clone(), ns, entry.line.clone(), metadata));
        }
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_range_of_a_push_is_read_by_prost_grouped_and_sorted(
        lines in lines(), start in 0..20_usize, length in 0..20_usize,
    ) {
        let mut made = loki::Push::new(WIDE);
        for line in &lines {
            prop_assert_eq!(push(&mut made, line), Pushed::Added);
        }
        let mut bytes = Vec::new();
        made.encode(0..made.len(), &mut bytes);
        prop_assert!(bytes.len() <= made.encoded_len_max());
        let read = decode(&bytes);
        prop_assert_eq!(seen(&read), expected(&lines));
        let mut names: Vec<_> = read.streams.iter().map(|stream| &stream.labels).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), read.streams.len());
        let end = lines.len().min(start + length);
        bytes.clear();
        made.encode(start..start + length, &mut bytes);
        prop_assert_eq!(seen(&decode(&bytes)), expected(&lines[start.min(end)..end]));
    }

    #[test]
    fn r20_streams_can_be_sent_alone_and_in_parts(lines in lines(), parts in 1..40_u64) {
        let (mut made, mut order) = (loki::Push::new(WIDE), Vec::new());
        for (at, line) in lines.iter().enumerate() {
            let stream = made.stream(&labels(line.0)).unwrap().part(at as u64 % parts);
            let metadata = line.3.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            prop_assert_eq!(made.entry(stream, line.1, &line.2, metadata), Pushed::Added);
            order.push(at);
        }
        let order_now = made.group();
        order.sort_by_key(|at| lines.iter().position(|line| line.0 == lines[*at].0));
        prop_assert_eq!(&order_now, &order);
        let (mut seen_alone, mut seen_apart, mut count) = (Vec::new(), Vec::new(), 0);
        for stream in made.streams() {
            count += stream.len();
            let mut bytes = Vec::new();
            made.encode(stream.clone(), &mut bytes);
            let push = decode(&bytes);
            prop_assert_eq!(push.streams.len(), 1);
            seen_alone.extend(seen(&push));
            bytes.clear();
            made.encode_in_parts(stream.clone(), &mut bytes);
            let push = decode(&bytes);
            let part = |at: &usize| *at as u64 % parts % u64::from(STREAM_PARTS);
            let wanted: std::collections::BTreeSet<_> = order[stream].iter().map(part).collect();
            prop_assert_eq!(push.streams.len(), wanted.len());
            for (part, stream) in wanted.iter().zip(&push.streams) {
                let end = format!("{PART_LABEL}=\"{part}\"}}");
                prop_assert!(stream.labels.ends_with(&end), "{}", stream.labels);
            }
            seen_apart.extend(seen(&push));
        }
        prop_assert_eq!(count, lines.len());
        seen_alone.sort_by(|one, other| one.0.cmp(&other.0));
        prop_assert_eq!(&seen_alone, &expected(&lines));
        let key = |one: &Seen| (one.1, one.2.clone(), one.3.clone());
        let (mut alone, mut apart): (Vec<_>, Vec<_>) =
            (seen_alone.iter().map(key).collect(), seen_apart.iter().map(key).collect());
        alone.sort();
        apart.sort();
        prop_assert_eq!(alone, apart);
    }

    #[test]
    fn r20_one_entry_as_json_says_what_was_pushed(lines in lines()) {
        let mut made = loki::Push::new(WIDE);
        for line in &lines {
            prop_assert_eq!(push(&mut made, line), Pushed::Added);
        }
        for (at, (stream, time, text, metadata)) in lines.iter().enumerate() {
            let mut json = Vec::new();
            made.write_json_line(at, &mut json);
            prop_assert_eq!(json.iter().position(|byte| *byte == b'\n'), Some(json.len() - 1));
            let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let mut labels = serde_json::json!({"app": APPS[*stream], "namespace": "shop"});
            labels.as_object_mut().unwrap().retain(|_, value| value != "");
            let metadata: BTreeMap<_, _> = metadata.iter().cloned().collect();
            let value = serde_json::json!([time.to_string(), text, metadata]);
            let stream = serde_json::json!({"stream": labels, "values": [value]});
            prop_assert_eq!(read, serde_json::json!({"streams": [stream]}));
        }
        let mut nothing = Vec::new();
        made.write_json_line(lines.len(), &mut nothing);
        prop_assert!(nothing.is_empty());
    }

    #[test]
    fn r20_a_push_never_grows_over_its_bounds(
        lines in lines(), bytes_max in 0..2_000_usize, entries_max in 0..6_usize,
    ) {
        let mut made = loki::Push::new(PushLimits { entries_max, bytes_max });
        let mut taken = Vec::new();
        for line in &lines {
            match push(&mut made, line) {
                Pushed::Added => taken.push(line.clone()),
                Pushed::Full => prop_assert!(!made.is_empty() || entries_max == 0),
                Pushed::TooLarge(size) => prop_assert!(size > bytes_max || entries_max == 0),
            }
        }
        let mut bytes = Vec::new();
        made.encode(0..made.len(), &mut bytes);
        prop_assert!(bytes.len() <= bytes_max && made.len() <= entries_max);
        prop_assert_eq!(seen(&decode(&bytes)), expected(&taken));
    }
}

#[test]
fn labels_are_a_selector_that_loki_can_read() {
    let made = Labels::new([
        ("pod", "web-0"),
        ("k8s.container.name", "ä\"\\\n\t\u{7}\u{feff}"),
        ("0day", "x"),
        ("empty", ""),
        ("", "nameless"),
        ("pod", "another"),
    ]);
    assert_eq!(
        made.as_str(),
        "{_0day=\"x\", field=\"nameless\", \
         k8s_container_name=\"ä\\\"\\\\\\n\\t\\u0007\\ufeff\", pod=\"web-0\"}"
    );
    assert_eq!(Labels::new([]).as_str(), "{}");
    // The same as members of JSON, and none.
    for (labels, wanted) in [
        (
            &made,
            "{\"_0day\":\"x\",\"field\":\"nameless\",\
             \"k8s_container_name\":\"ä\\\"\\\\\\n\\t\\u0007\\ufeff\",\"pod\":\"web-0\"}",
        ),
        (&Labels::new([]), "{}"),
    ] {
        let (mut push, mut json) = (loki::Push::new(WIDE), Vec::new());
        let stream = push.stream(labels).unwrap();
        assert_eq!(push.entry(stream, 7, "", []), Pushed::Added);
        push.write_json_line(0, &mut json);
        let wanted =
            format!("{{\"streams\":[{{\"stream\":{wanted},\"values\":[[\"7\",\"\",{{}}]]}}]}}\n");
        assert_eq!(String::from_utf8(json).unwrap(), wanted);
    }
}

#[test]
fn r20_a_name_without_a_letter_or_digit_becomes_one_of_its_own_that_loki_takes() {
    let made = ["", "_", "__", ".", "é", "переменная"].map(loki::metadata_name);
    let cyrillic = "field_d0bfd0b5d180d0b5d0bcd0b5d0bdd0bdd0b0d18f";
    let wanted = ["field", "field_5f", "field_5f5f", "field_2e", "field_c3a9", cyrillic];
    assert_eq!(made, wanted.map(|name| Some(name.to_owned())));
    // The others Loki takes, or mends itself: `1a` becomes `key_1a`.
    for name in ["a", "7", "_7", "1a", "__a__", "field"] {
        assert_eq!(loki::metadata_name(name), None);
    }
    assert_eq!(loki::metadata_name("k8s.pod-é").as_deref(), Some("k8s_pod__"));
    let made = Labels::new([("_", "x"), ("__", "y"), ("a.b", "z")]);
    assert_eq!(made.as_str(), "{a_b=\"z\", field_5f=\"x\", field_5f5f=\"y\"}");
}

#[test]
fn a_label_is_cut_at_the_bound_and_never_inside_of_a_character() {
    let long = "ä".repeat(LABEL_VALUE_BYTES_MAX);
    let made = Labels::new([("a", long.as_str())]);
    assert_eq!(made.as_str().len(), "{a=\"\"}".len() + LABEL_VALUE_BYTES_MAX);
    let odd = format!("x{long}");
    let made = Labels::new([("a", odd.as_str())]);
    assert_eq!(made.as_str().len(), "{a=\"\"}".len() + LABEL_VALUE_BYTES_MAX - 1);
}

#[test]
fn a_push_has_at_most_as_many_streams_as_the_bound() {
    let mut made = loki::Push::new(WIDE);
    for at in 0..STREAMS_MAX {
        let name = at.to_string();
        let stream = made.stream(&Labels::new([("a", name.as_str())])).unwrap();
        assert_eq!(made.entry(stream, 1, "x", []), Pushed::Added);
    }
    assert!(made.stream(&Labels::new([("a", "one more")])).is_none());
    assert!(made.stream(&Labels::new([("a", "7")])).is_some());
}
