//! Each parser's table: a line, and exactly what the record says.

mod access;
mod expected;
mod groups;
mod logfmt;
mod redaction;
mod roles;

use std::fmt::Write as _;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Map, Value as Json};

use crate::{
    Body, Chunk, FIELDS_MAX, File, Flags, Intake, Keep, Options, Plan, Record, Records, Redaction,
    Role, Settings, Streams, Value,
};

/// 2024-05-06T07:08:09Z.
const NOW: u64 = 1_714_979_289_000_000_000;

fn read(settings: Settings, line: &str) -> Records {
    read_times(settings, line, 1)
}

/// The same line so often.
fn read_times(settings: Settings, line: &str, times: usize) -> Records {
    let plan = Plan::new(settings).unwrap();
    let (mut file, mut streams, mut out) = (File::default(), Streams::default(), Records::new());
    let text = format!("{line}\n").repeat(times);
    let chunk = Chunk { bytes: text.as_bytes(), now: NOW, offset: 9, ..Chunk::default() };
    Intake::new().feed(&plan, &mut file, &mut streams, &chunk, &mut out);
    assert_eq!(out.len(), times, "{line}");
    out
}

fn with(parser: &str) -> Settings {
    Settings { parsers: vec![parser.to_owned()], ..Settings::default() }
}

fn show(out: &Records, value: Value) -> String {
    match value {
        Value::Str(span) => format!("{:?}", out.text(span)),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => format!("{number}u"),
        Value::Number(span) => format!("number {}", out.text(span)),
        Value::Bool(value) => value.to_string(),
        Value::Null => "null".to_owned(),
        Value::Json(span) => format!("json {}", out.text(span)),
    }
}

/// `severity time-of-day status | body | key=value …`, or `unparsed`.
fn told(out: &Records) -> String {
    let record = &out.records()[0];
    if record.flags.has(Flags::UNPARSED) {
        assert_eq!((record.body, record.fields.len, record.time), (record.line, 0, 0));
        return "unparsed".to_owned();
    }
    let mut text =
        format!("{} {} {} |{}|", record.severity, time(record), record.status, out.body(record));
    for field in out.fields(record) {
        let _ = write!(text, " {}={}", out.text(field.key), show(out, field.value));
    }
    text
}

/// Nanoseconds since [`NOW`]'s second, or a dash.
fn time(record: &Record) -> String {
    match record.time {
        0 => "-".to_owned(),
        time => format!("{}", i128::from(time) - i128::from(NOW)),
    }
}

fn check(settings: &Settings, cases: &[(&str, &str)]) {
    for (line, wanted) in cases {
        assert_eq!(told(&read(settings.clone(), line)), *wanted, "{line}");
    }
}

#[test]
fn r17_json_numbers_duplicates_escapes_and_nested_values() {
    check(
        &with("json"),
        &[
            (
                r#"{"a":1,"b":-2,"c":9223372036854775807,"d":18446744073709551615}"#,
                r#"0 - 0 |{"a":1,"b":-2,"c":9223372036854775807,"d":18446744073709551615}| a=1 b=-2 c=9223372036854775807 d=18446744073709551615u"#,
            ),
            (
                r#"{"msg":"m","a":18446744073709551616,"b":1e400,"c":1.5,"d":-0,"e":1E2}"#,
                "0 - 0 |m| a=json 18446744073709551616 b=number 1e400 c=number 1.5 d=number -0 e=number 1E2",
            ),
            (
                r#"{"message":"m","a":true,"b":false,"c":null,"d":{"x":[1, 2]},"e":[]}"#,
                r#"0 - 0 |m| a=true b=false c=null d=json {"x":[1, 2]} e=json []"#,
            ),
            (r#"{"msg":"1","a":1,"b":2,"a":3,"msg":"2"}"#, "0 - 0 |2| a=3 b=2"),
            (
                r#"{"msg":"a\tb\u00e9","k\u0065y":"\ud83d","x":"\"\\"}"#,
                "0 - 0 |a\tbé| key=\"\u{fffd}\" x=\"\\\"\\\\\"",
            ),
            (r#"  {"msg":"x"}  "#, "0 - 0 |x|"),
            ("{}", "0 - 0 |{}|"),
            (r#"{"msg":5,"message":"m"}"#, "0 - 0 |m| msg=5"),
            (r#"{"msg":"m"#, "unparsed"),
            ("[1]", "unparsed"),
            ("plain", "unparsed"),
            ("", "unparsed"),
            ("{\"a\":\"\u{1}\"}", "unparsed"),
        ],
    );
}

#[test]
fn only_the_picked_fields_are_kept_and_the_line_is_the_body() {
    let line = r#"{"level":"info","msg":"m","a":1,"b":"x","status":200,"c":[]}"#;
    let settings = Settings { options: Options::pick(["b", "none"]).unwrap(), ..with("json") };
    check(&settings, &[(line, &format!("9 - 200 |{line}| b=\"x\" status=200"))]);
    let mut options = Options::default().without_names();
    options.keep = Keep::Named;
    options.name("msg", Role::Message).unwrap();
    check(&Settings { options, ..with("json") }, &[(line, "0 - 0 |m|")]);
    let mut options = Options::default();
    options.body = Body::Line;
    let told = format!("9 - 200 |{line}| a=1 b=\"x\" status=200 c=json []");
    check(&Settings { options, ..with("json") }, &[(line, &told)]);
}

#[test]
fn a_record_keeps_so_many_fields_and_with_more_its_body_is_the_line() {
    for count in [FIELDS_MAX, FIELDS_MAX + 1] {
        let members = (0..count).map(|number| format!("\"{number}\":1")).collect::<Vec<_>>();
        let line = format!("{{\"msg\":\"m\",{}}}", members.join(","));
        let out = read(with("json"), &line);
        let record = out.records()[0];
        assert_eq!(record.fields.len as usize, FIELDS_MAX);
        assert_eq!(record.flags.has(Flags::FIELDS_CUT), count > FIELDS_MAX);
        assert_eq!(out.body(&record) == line, count > FIELDS_MAX);
    }
}

#[test]
fn logfmt_knows_quotes_escapes_and_bare_words() {
    check(
        &with("logfmt"),
        &[
            (
                r#"level=info msg="a \"b\" c" n=5 empty= quoted="" flag"#,
                r#"9 - 0 |a "b" c| n="5" empty="" quoted="" flag=true"#,
            ),
            (
                r#"time=2024-05-06T07:08:09Z a="x=y, z" b='it''s' c=d=e"#,
                r#"0 0 0 |time=2024-05-06T07:08:09Z a="x=y, z" b='it''s' c=d=e| a="x=y, z" b="it" c="d=e""#,
            ),
            (
                r#"starting up port=80, host=a.b, ok=true"#,
                r#"0 - 0 |starting up port=80, host=a.b, ok=true| port="80" host="a.b" ok="true""#,
            ),
            // What is said besides the fields stays, with its message among them.
            (
                r#"ERROR [main] c.Foo - card 17 of order=123 msg="de\"clined" again level=warn"#,
                r#"13 - 0 |ERROR [main] c.Foo - card 17 of order=123 msg="de\"clined" again level=warn| order="123" again=true msg="de\"clined""#,
            ),
            ("level=info msg=a [x]", "9 - 0 |level=info msg=a [x]| msg=\"a\""),
            (
                "so msg=a message=c msg=b",
                "0 - 0 |so msg=a message=c msg=b| message=\"c\" msg=\"b\"",
            ),
            ("time=35 ts=1.5 msg=a", "0 - 0 |a| time=\"35\" ts=\"1.5\""),
            (
                r#"k="a\nb\\" u="\u00e9""#,
                "0 - 0 |k=\"a\\nb\\\\\" u=\"\\u00e9\"| k=\"a\\nb\\\\\" u=\"é\"",
            ),
            (r#"k="a\qb""#, r#"0 - 0 |k="a\qb"| k="a\\qb""#),
            (r#"k="open"#, "unparsed"),
            (r#"k="open\""#, "unparsed"),
            ("no pairs here", "unparsed"),
            ("=x", "unparsed"),
            ("", "unparsed"),
        ],
    );
}

#[test]
fn named_groups_of_a_pattern_are_fields() {
    let pattern = Some(r"^(?P<level>\w+): (?:\[(?P<user>\w+)\] )?(?P<message>.*)$".to_owned());
    let settings = Settings { pattern, ..with("regex") };
    check(
        &settings,
        &[
            ("warn: [me] hello", "13 - 0 |hello| user=\"me\""),
            ("warn: hello", "13 - 0 |hello|"),
            ("hello", "unparsed"),
        ],
    );
    let long = format!("{}!", "a".repeat(100_000));
    let pattern = Some("^(?P<x>(a|a|aa)+)$".to_owned());
    assert_eq!(told(&read(Settings { pattern, ..with("regex") }, &long)), "unparsed");
}

#[test]
fn access_logs_of_nginx_and_apache() {
    let rest = r#"client.address="::1" http.request.method="GET" url.original="/a?b=c" network.protocol.version="1.1" http.response.status_code=500 http.response.body.size=12"#;
    let line = |tail: &str| {
        format!(r#"::1 - - [06/May/2024:09:08:09 +0200] "GET /a?b=c HTTP/1.1" 500 12{tail}"#)
    };
    let agent = r#" "-" "curl/8 \"x\"" 0.5"#;
    let cases = [
        (line(""), format!("0 0 500 |{}| {rest}", line(""))),
        (
            line(agent),
            format!(
                "0 0 500 |{}| {rest} user_agent.original=\"curl/8 \\\\\\\"x\\\\\\\"\" rest=\"0.5\"",
                line(agent)
            ),
        ),
    ];
    for (line, wanted) in &cases {
        check(&with("access"), &[(line, wanted)]);
    }
    for (size, shown) in [
        ("0", "0"),
        ("007", "\"007\""),
        ("0999999999999999999999999", "\"0999999999999999999999999\""),
        ("999999999999999999999999", "json 999999999999999999999999"),
    ] {
        let line = format!(r#"::1 - - [06/May/2024:07:08:09 +0000] "x" 200 {size}"#);
        assert!(told(&read(with("access"), &line)).ends_with(&format!("body.size={shown}")));
    }
    let raw = r#"1.2.3.4 - j d [06/May/2024:07:08:09 +0000] "\x16\x03" 400 - "http://r" "-""#;
    let wanted = format!(
        r#"0 0 400 |{raw}| client.address="1.2.3.4" user.name="j d" request="\\x16\\x03" http.response.status_code=400 http.request.header.referer="http://r""#
    );
    check(&with("access"), &[(raw, &wanted)]);
    for line in [
        r#"1.2.3.4 - - [06/May/2024:07:08:09] "GET / HTTP/1.1" 200 1"#,
        r#"1.2.3.4 - - [32/May/2024:07:08:09 +0000] "GET / HTTP/1.1" 200 1"#,
        r#"1.2.3.4 - - [06/May/2024:07:08:09 +0000] "GET / HTTP/1.1 200 1"#,
        r#"1.2.3.4 - - [06/May/2024:07:08:09 +0000] "GET / HTTP/1.1" 999 1"#,
        r#"1.2.3.4 - - [06/May/2024:07:08:09 +0000] "GET / HTTP/1.1" 200 x"#,
        r#"1.2.3.4 - - [06/May/2024:07:08:09 +0000] "GET / HTTP/1.1" 200 1 "open"#,
        "1.2.3.4 - -",
        "",
        "é",
    ] {
        assert_eq!(told(&read(with("access"), line)), "unparsed", "{line}");
    }
}

#[test]
fn syslog_of_both_rfcs() {
    check(
        &with("syslog-rfc3164"),
        &[
            (
                "<34>May  6 07:08:09 host su[12]: failed: x",
                r#"18 0 0 |failed: x| facility="auth" host.name="host" app="su" pid="12""#,
            ),
            (
                "May  6 07:08:09 host kernel: [ 1.5] up",
                r#"0 0 0 |[ 1.5] up| host.name="host" app="kernel""#,
            ),
            (
                "<13>2024-05-06T09:08:09.5+02:00 h a: m",
                r#"10 500000000 0 |m| facility="user" host.name="h" app="a""#,
            ),
            (
                "May  7 07:08:09 h last message repeated",
                r#"0 86400000000000 0 |last message repeated| host.name="h""#,
            ),
            ("May  6 07:08:09 h a:", r#"0 0 0 || host.name="h" app="a""#),
            ("<192>May  6 07:08:09 h a: m", "unparsed"),
            ("<x>May  6 07:08:09 h a: m", "unparsed"),
            ("<34>May 32 07:08:09 h a: m", "unparsed"),
            ("Mai  6 07:08:09 h a: m", "unparsed"),
            ("May  6 07:08:09", "unparsed"),
            ("", "unparsed"),
        ],
    );
    check(
        &with("syslog-rfc5424"),
        &[
            (
                "<165>1 2024-05-06T07:08:09.003Z h.example app 8 ID47 [ex@1 a=\"b\" c=\"d\\\"\\]\\x\"][o@2] \u{feff}text",
                "10 3000000 0 |text| facility=\"local4\" host.name=\"h.example\" app=\"app\" pid=\"8\" msgid=\"ID47\" ex@1.a=\"b\" ex@1.c=\"d\\\"]\\\\x\"",
            ),
            ("<0>1 - - - - - -", "21 - 0 || facility=\"kern\""),
            ("<0>1 - - - - - - m ", "21 - 0 |m | facility=\"kern\""),
            ("<0>2 - - - - - - m", "unparsed"),
            ("<0>1 - - - - - [a b=\"c] m", "unparsed"),
            ("<0>1 - - - - - [a", "unparsed"),
            ("<0>1 2024 - - - - - m", "unparsed"),
            ("<0>1", "unparsed"),
            ("", "unparsed"),
        ],
    );
}

#[test]
fn a_line_of_december_read_in_january_is_of_last_year() {
    let plan = Plan::new(with("syslog-rfc3164")).unwrap();
    let (mut file, mut streams, mut out) = (File::default(), Streams::default(), Records::new());
    let now = crate::time::civil((2025, 1, 1), (0, 30, 0), 0).unwrap();
    let bytes = b"Dec 31 23:59:59 h a: m\nJan  1 00:10:00 h a: m\nFeb 29 00:00:00 h a: m\n";
    let chunk = Chunk { bytes, now, ..Chunk::default() };
    Intake::new().feed(&plan, &mut file, &mut streams, &chunk, &mut out);
    let dates = out.records().iter().map(|record| crate::time::date(record.time));
    assert_eq!(dates.collect::<Vec<_>>(), [(2024, 12, 31), (2025, 1, 1), (2024, 2, 29)]);
}

#[test]
fn klog_lines_of_kubernetes() {
    check(
        &with("klog"),
        &[
            (
                "E0506 07:08:09.123456    1234 a/file.go:56] \"bad\" pod=\"x\"",
                "17 123456000 0 |\"bad\" pod=\"x\"| thread.id=\"1234\" code.file.path=\"a/file.go\" code.line.number=\"56\"",
            ),
            (
                "I0506 07:08:09.000000 1 f.go:1] ",
                "9 0 0 || thread.id=\"1\" code.file.path=\"f.go\" code.line.number=\"1\"",
            ),
            ("X0506 07:08:09.123456 1234 file.go:56] m", "unparsed"),
            ("I1306 07:08:09.123456 1234 file.go:56] m", "unparsed"),
            ("I0506 07:08:09.123456 x file.go:56] m", "unparsed"),
            ("I0506 07:08:09.123456 1 file.go] m", "unparsed"),
            ("", "unparsed"),
        ],
    );
}

#[test]
fn the_first_parser_that_fits_counts() {
    let parsers = crate::parsers::names().map(str::to_owned).to_vec();
    let settings =
        Settings { parsers, pattern: Some("^<<(?P<x>.)".to_owned()), ..Settings::default() };
    check(
        &settings,
        &[
            ("{\"msg\":\"m\"}", "0 - 0 |m|"),
            ("msg=m", "0 - 0 |m|"),
            ("<<z", "0 - 0 |<<z| x=\"z\""),
            (
                "I0506 07:08:09.000000 1 f.go:1] m",
                "9 0 0 |m| thread.id=\"1\" code.file.path=\"f.go\" code.line.number=\"1\"",
            ),
            ("nothing", "unparsed"),
        ],
    );
}

#[test]
fn r29_redaction_covers_body_fields_and_nested_values_and_leaves_no_copy() {
    let rules = || Redaction::builtin(["email", "credit-card", "ipv4", "bearer", "jwt"]).unwrap();
    let line = r#"{"msg":"mail a@b.de now","to":"x\u0040y.de","n":{"m":"c\u0040d.de","card":4111111111111111},"card":4111111111111111,"l":["1.2.3.4"],"ok":"fine","a@b.de":1}"#;
    let settings = Settings { redaction: Some(rules()), ..with("json") };
    let out = read(settings.clone(), line);
    assert!(out.records()[0].flags.has(Flags::REDACTED));
    assert_eq!(
        told(&out),
        r#"0 - 0 |mail [email] now| to="[email]" n="{\"m\":\"[email]\",\"card\":[credit-card]}" card="[credit-card]" l=json ["[ipv4]"] ok="fine" [email]=1"#
    );
    let whole = format!("{out:?}");
    for secret in ["a@b.de", "y.de", "d.de", "4111", "1.2.3.4"] {
        assert!(!whole.contains(secret), "{secret}: {whole}");
    }
    assert_eq!(format!("{:?}", read(settings.clone(), line)), whole);
    // An escape that splits a secret in the line, and one of a body that is not in it.
    for line in [r#"{"msg":"a@b\u002ede"}"#, r#"{"msg":"\t1.2.3\u002e4","k":"\n"}"#] {
        let out = read(settings.clone(), line);
        assert!(out.body(&out.records()[0]).contains('['), "{line}");
    }
    let clean = read(settings, r#"{"msg":"a\tb","n":5}"#);
    assert_eq!(told(&clean), "0 - 0 |a\tb| n=5");
    assert_eq!(clean.records()[0].flags, Flags::default());
}

#[test]
fn r29_a_secret_leaves_no_copy_among_the_lines_that_are_read_with_it() {
    let lines = "one a@b.de\ntwo\nthree c@d.de\nfour\n";
    let redaction = Some(Redaction::builtin(["email"]).unwrap());
    let plan = Plan::new(Settings { redaction, ..Settings::default() }).unwrap();
    let (mut file, mut streams, mut out) = <(File, Streams, Records)>::default();
    let chunk = Chunk { bytes: lines.as_bytes(), now: NOW, ..Chunk::default() };
    Intake::new().feed(&plan, &mut file, &mut streams, &chunk, &mut out);
    let bodies: Vec<_> = out.records().iter().map(|record| out.body(record)).collect();
    assert_eq!(bodies, ["one [email]", "two", "three [email]", "four"]);
    assert!(!format!("{out:?}").contains('@'));
}

#[test]
fn r29_long_numbers_that_are_no_secret_change_nothing_and_those_that_are_do() {
    let rules = || Redaction::builtin(["email", "credit-card", "ipv4"]).unwrap();
    let with = |parsers: &[&str], line: &str| {
        let parsers = parsers.iter().map(|name| (*name).to_owned()).collect();
        let pattern = Some(r"^x1?(?P<pan>\d{16})\d$".to_owned());
        let redaction = Some(rules());
        read(Settings { parsers, pattern, redaction, ..Settings::default() }, line)
    };
    let clean = r#"{"t":1764100000000000,"trace":"17641000000000001","v":"1.2.3.x"}"#;
    let out = with(&["json"], clean);
    assert_eq!(out.body(&out.records()[0]), clean);
    assert!(!out.records()[0].flags.has(Flags::REDACTED));
    let pan = |out: &Records| {
        let record = &out.records()[0];
        assert!(record.flags.has(Flags::REDACTED));
        out.field(record, "pan").unwrap()
    };
    for line in [r#"{"pan":4111111111111111}"#, r#"{"pan":"4111111111111111"}"#] {
        let out = with(&["json"], line);
        let Value::Str(span) = pan(&out) else { panic!("still a number: {line}") };
        assert_eq!(out.text(span), "[credit-card]");
    }
    // A group may cut a number so that only the part is one.
    for line in ["x41111111111111112", "x141111111111111112"] {
        let out = with(&["regex"], line);
        let Value::Str(span) = pan(&out) else { panic!("no text") };
        assert_eq!(out.text(span), "[credit-card]");
    }
}

#[test]
fn r29_a_secret_that_was_cut_in_two_entries_is_found() {
    let plan = Plan::new(Settings {
        framing: crate::Framing::Cri,
        redaction: Some(Redaction::builtin(["email"]).unwrap()),
        ..Settings::default()
    });
    let (mut file, mut streams, mut out) = (File::default(), Streams::default(), Records::new());
    let bytes =
        b"1970-01-01T00:00:01Z stdout P mail a@ex\n1970-01-01T00:00:01Z stdout F ample.de!\n";
    let chunk = Chunk { bytes, ..Chunk::default() };
    Intake::new().feed(&plan.unwrap(), &mut file, &mut streams, &chunk, &mut out);
    assert_eq!(out.body(&out.records()[0]), "mail [email]!");
}

#[test]
fn r29_hashes_need_the_key_and_patterns_of_ones_own_work() {
    let key = [7; crate::redact::KEY_BYTES_MIN];
    let keyed = |key: &[u8]| {
        let rules = Redaction::builtin(["email"]).unwrap().with_key(key).unwrap();
        let out = read(
            Settings { redaction: Some(rules), ..Settings::default() },
            "a@b.de a@b.de c@d.de",
        );
        out.body(&out.records()[0]).to_owned()
    };
    let text = keyed(&key);
    let words = text.split(' ').collect::<Vec<_>>();
    assert_eq!((words[0], words[0].len()), (words[1], "[email:0123456789abcdef]".len()));
    assert_ne!(words[0], words[2]);
    assert_ne!(text, keyed(&[8; 32]));
    assert!(Redaction::default().with_key(&key[1..]).is_err());
    assert!(!format!("{:?}", Redaction::default().with_key(&key)).contains('7'));
    let own = Redaction::builtin(["email"]).unwrap().with_stars();
    let own = own.with_pattern("user\"id", r"user-\d+", Some("user-")).unwrap();
    let out = read(
        Settings { redaction: Some(own), ..Settings::default() },
        "user-15@b.de, user-3 user-x",
    );
    assert_eq!(out.body(&out.records()[0]), "****, **** user-x");
    assert!(Redaction::default().with_pattern("x", "(", None).is_err());
    assert!(Redaction::builtin(["phone"]).is_err());
}

fn json(depth: u32) -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        proptest::strategy::Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        prop::num::f64::NORMAL.prop_map(Json::from),
        "[a-z\"\\\\\n\u{0}é😀{}\\[\\]:,]{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[a-z\"\\\\é]{0,3}", inner), 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn is_same(out: &Records, value: Value, oracle: &Json) -> bool {
    match value {
        Value::Str(span) => oracle.as_str() == Some(out.text(span)),
        Value::Int(number) => oracle.as_i64() == Some(number),
        Value::UInt(number) => oracle.as_u64() == Some(number),
        Value::Number(span) => {
            let number = out.text(span).parse::<f64>().ok();
            oracle.as_f64().map(f64::to_bits) == number.map(f64::to_bits)
        }
        Value::Bool(value) => oracle.as_bool() == Some(value),
        Value::Null => oracle.is_null(),
        Value::Json(span) => {
            serde_json::from_str::<Json>(out.text(span)).ok().as_ref() == Some(oracle)
        }
    }
}

fn plain() -> Settings {
    Settings { options: Options::default().without_names(), ..with("json") }
}

proptest! {
    #[test]
    fn r17_what_serde_json_reads_is_read_the_same(
        members in prop::collection::vec(("[a-c\"\\\\é]{0,2}", json(3)), 0..12),
        pretty in any::<bool>(),
    ) {
        let map = members.into_iter().collect::<Map<String, Json>>();
        let text = if pretty {
            serde_json::to_string_pretty(&map).unwrap().replace('\n', " ")
        } else {
            serde_json::to_string(&map).unwrap()
        };
        let out = read(plain(), &text);
        let record = out.records()[0];
        prop_assert!(!record.flags.has(Flags::UNPARSED), "{}", text);
        prop_assert_eq!(out.fields(&record).len(), map.len());
        for field in out.fields(&record) {
            prop_assert!(is_same(&out, field.value, &map[out.text(field.key)]), "{}", text);
        }
    }

    #[test]
    fn r17_what_serde_json_refuses_is_refused(
        text in prop_oneof![
            "\\{[\\[\\]{},: 0-9.eE\"ab+-]{0,24}\\}",
            "\\{(\"[a-c]{0,2}\" ?: ?(-?[0-9]{1,3}|[0-9.e+-]{1,5}|\"(a|\\\\[\"\\\\nux/]|\\\\u00[0-9a-f]{2}){0,4}\"|\\{\\}|\\[1?\\]|true|nul) ?,? ?){0,4}\\}",
        ],
    ) {
        // Beyond a double's range we keep the digits where the oracle gives up.
        let oracle = serde_json::from_str::<Map<String, Json>>(&text);
        let out = read(plain(), &text);
        let record = out.records()[0];
        match oracle {
            Ok(map) => prop_assert_eq!(out.fields(&record).len(), map.len(), "{}", text),
            Err(error) => {
                let known = error.to_string().contains("out of range");
                prop_assert!(known || record.flags.has(Flags::UNPARSED), "{}: {}", text, error);
            }
        }
    }
}
