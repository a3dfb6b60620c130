//! What fields mean for their record by their names.

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
fn fields_with_a_role_fill_the_record() {
    check(
        &with("json"),
        &[
            (
                r#"{"time":"2024-05-06T07:08:09.5Z","level":"warn","msg":"m","status":503,"user":"u"}"#,
                "13 500000000 503 |m| status=503 user=\"u\"",
            ),
            (
                r#"{"ts":1714979289.25,"severity":"ERROR","message":"m","status_code":"404"}"#,
                "17 250000000 404 |m| status_code=\"404\"",
            ),
            (r#"{"ts":1714979289001,"level":30,"msg":"m"}"#, "9 1000000 0 |m|"),
            (r#"{"time":1.5,"ts":35,"msg":"m"}"#, "0 - 0 |m| time=number 1.5 ts=35"),
            (
                r#"{"ts":"later","level":"odd","msg":"m","status":"ok"}"#,
                "0 - 0 |m| ts=\"later\" level=\"odd\" status=\"ok\"",
            ),
            // As .NET's console, Serilog and NLog write them.
            (
                r#"{"Timestamp":"2024-05-06T07:08:09Z","LogLevel":"Error","Message":"m","EventId":0}"#,
                "17 0 0 |m| EventId=0",
            ),
            (r#"{"Level":"Fatal","Message":"m"}"#, "21 - 0 |m|"),
            // As hclog (Vault, Consul, Nomad, Terraform) and Envoy write them.
            (
                r#"{"@level":"error","@message":"m","@module":"core","@timestamp":"2024-05-06T07:08:09.000001Z"}"#,
                "17 1000 0 |m| @module=\"core\"",
            ),
            (
                r#"{"method":"GET","response_code":503,"response_flags":"UF"}"#,
                r#"0 - 503 |{"method":"GET","response_code":503,"response_flags":"UF"}| method="GET" response_code=503 response_flags="UF""#,
            ),
            (
                r#"{"response_code":0,"upstream_host":null}"#,
                r#"0 - 0 |{"response_code":0,"upstream_host":null}| response_code=0 upstream_host=null"#,
            ),
            // As slog, winston and Monolog write them.
            (r#"{"level":"ERROR+4","msg":"m"}"#, "21 - 0 |m|"),
            (r#"{"level":"\u001b[31merror\u001b[39m","message":"m"}"#, "17 - 0 |m|"),
            (
                r#"{"message":"m","level":400,"level_name":"ERROR"}"#,
                "17 - 0 |m| level_name=\"ERROR\"",
            ),
            // The second name of a role stays a field, so that nothing is lost.
            (
                r#"{"time":"2024-05-06T07:08:09Z","ts":"2024-05-06T07:08:10Z","msg":"a","message":"b"}"#,
                "0 0 0 |a| ts=\"2024-05-06T07:08:10Z\" message=\"b\"",
            ),
        ],
    );
    let line = r#"{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#;
    let out = read(with("json"), line);
    let record = out.records()[0];
    assert_eq!((record.trace_id[0], record.span_id[1], record.trace_flags), (0x4b, 0xf0, 1));
    let line = r#"{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","level":"Info"}"#;
    let out = read(with("json"), line);
    let record = out.records()[0];
    assert_eq!((record.trace_id[15], record.span_id[7], record.has_trace()), (0x36, 0xb7, true));
    assert_eq!(out.text(record.severity_text), "Info");
    let out = read(with("json"), r#"{"level":8}"#);
    assert_eq!((out.records()[0].severity_text.is_empty(), out.records()[0].severity), (true, 0));
}

#[test]
fn the_text_of_a_severity_has_no_colours_and_no_blanks_around_it() {
    let mut regex = with("regex");
    regex.options.pattern = Some(regex::Regex::new(r"(?<level>\S+ ?\S*): (?<msg>.*)").unwrap());
    for (settings, line, wanted) in [
        (with("json"), r#"{"level":"\u001b[32mINFO\u001b[0m","msg":"m"}"#, ("INFO", 9)),
        (with("json"), r#"{"level":"\u001b[33m WARN \u001b[0m","msg":"m"}"#, ("WARN", 13)),
        (with("logfmt"), "level=\u{1b}[31merror\u{1b}[0m msg=m", ("error", 17)),
        (with("json"), r#"{"level":"ERROR ","msg":"m"}"#, ("ERROR", 17)),
        (with("json"), r#"{"level":" info","msg":"m"}"#, ("info", 9)),
        (with("json"), r#"{"level":"info\u0020\t","msg":"m"}"#, ("info", 9)),
        (with("logfmt"), r#"level="WARN  " msg=m"#, ("WARN", 13)),
        (regex.clone(), "\u{1b}[1;31mERROR \u{1b}[0m: m", ("ERROR", 17)),
        (regex, "ERROR: m", ("ERROR", 17)),
        // What is no level stays as it is.
        (with("json"), r#"{"level":"\u001b[32modd\u001b[0m","msg":"m"}"#, ("", 0)),
    ] {
        // What a name is for is learned from the first line.
        let out = read_times(settings, line, 2);
        for record in out.records() {
            let found = (out.text(record.severity_text), record.severity);
            assert_eq!((found, out.body(record)), (wanted, "m"), "{line}");
        }
    }
}

#[test]
fn r14_a_long_line_of_pairs_takes_time_as_its_length_does() {
    const BYTES: usize = 16 << 20;
    // Were a pair compared with the line, this would take half an hour.
    for pair in ["a=1 ", "k=\"v\" ", "level=info "] {
        let mut settings = with("logfmt");
        settings.line_bytes_max = Some(2 * BYTES as u64);
        let out = read(settings, &pair.repeat(BYTES / pair.len()));
        let record = out.records()[0];
        assert!(out.body(&record).len() > BYTES - 20);
        assert!(out.fields(&record).len() <= 1);
    }
}

#[test]
fn r22_a_usual_name_that_is_picked_keeps_its_meaning_and_is_an_attribute_too() {
    let picked = ["time", "level", "status", "msg", "trace_id", "user"];
    let json = format!(
        r#"{{"time":"2024-05-06T07:08:09Z","level":"error","status":503,"msg":"m\n","trace_id":"{TRACE}","user":"u","a":1}}"#
    );
    let logfmt = format!(
        r#"time=2024-05-06T07:08:09Z level=error status=503 msg="m\n" trace_id={TRACE} user=u a=1"#
    );
    for (parser, line, status) in [("json", json, "503"), ("logfmt", logfmt, "\"503\"")] {
        for (body, shown) in [(Body::Line, line.as_str()), (Body::Message, "m\n")] {
            let mut options = Options::pick(picked).unwrap();
            options.body = body;
            // What a name is for is learned from the first line.
            let plan = Plan::new(Settings { options, ..with(parser) }).unwrap();
            let mut intake = Intake::new();
            for _ in 0..2 {
                let (mut file, mut streams, mut out) = <(File, Streams, Records)>::default();
                let text = format!("{line}\n");
                let chunk = Chunk { bytes: text.as_bytes(), now: NOW, ..Chunk::default() };
                intake.feed(&plan, &mut file, &mut streams, &chunk, &mut out);
                let wanted = format!(
                    "17 0 503 |{shown}| time=\"2024-05-06T07:08:09Z\" level=\"error\" \
                     status={status} msg=\"m\\n\" trace_id=\"{TRACE}\" user=\"u\""
                );
                assert_eq!(told(&out), wanted);
                let record = out.records()[0];
                assert_eq!(out.text(record.severity_text), "error");
                assert_eq!(record.trace_id[0], 0x4b);
            }
        }
    }
}

#[test]
fn a_usual_name_that_is_not_picked_has_its_meaning_and_is_no_attribute() {
    let line = r#"{"level":"error","msg":"m","user":"u","a":1}"#;
    let settings = Settings { options: Options::pick(["user"]).unwrap(), ..with("json") };
    check(&settings, &[(line, &format!("17 - 0 |{line}| user=\"u\""))]);
}

/// Trace id, span id and flags in hex, and the fields.
fn ids(parser: &str, fields: &[(&str, &str)]) -> String {
    let of = |separator: &str, quote: &str, mark: &str| {
        let member =
            |(name, value): &(&str, &str)| format!("{quote}{name}{quote}{mark}\"{value}\"");
        fields.iter().map(member).collect::<Vec<_>>().join(separator)
    };
    let line = match parser {
        "json" => format!("{{{}}}", of(",", "\"", ":")),
        _ => of(" ", "", "="),
    };
    let out = read(with(parser), &line);
    let record = out.records()[0];
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut text = format!(
        "{} {} {}",
        hex(&record.trace_id).get(..4).unwrap(),
        hex(&record.span_id),
        record.trace_flags
    );
    for field in out.fields(&record) {
        let _ = write!(text, " {}={}", out.text(field.key), show(&out, field.value));
    }
    text
}

#[test]
fn of_ids_and_a_traceparent_beside_them_none_is_lost() {
    let other = "1".repeat(32);
    let span = "1".repeat(16);
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let second = format!("00-{other}-{SPAN}-01");
    let trace_id = ("trace_id", TRACE);
    let span_id = ("span_id", span.as_str());
    let parent = ("traceparent", parent.as_str());
    for parser in ["json", "logfmt"] {
        for (fields, wanted) in [
            (&[parent][..], format!("4bf9 {SPAN} 1")),
            (&[trace_id, span_id], format!("4bf9 {span} 0")),
            (&[trace_id, span_id, parent], format!("4bf9 {span} 0 traceparent=\"{}\"", parent.1)),
            (&[span_id, parent], format!("0000 {span} 0 traceparent=\"{}\"", parent.1)),
            (
                &[("trace_id", &other), parent],
                format!("1111 0000000000000000 0 traceparent=\"{}\"", parent.1),
            ),
            // What comes first counts.
            (
                &[parent, trace_id, span_id],
                format!("4bf9 {SPAN} 1 trace_id=\"{TRACE}\" span_id=\"{span}\""),
            ),
            (&[parent, ("trace.id", &other)], format!("4bf9 {SPAN} 1 trace.id=\"{other}\"")),
            // It says the same and more.
            (&[trace_id, parent], format!("4bf9 {SPAN} 1")),
            (&[trace_id, ("span_id", SPAN), parent], format!("4bf9 {SPAN} 1")),
            (
                &[trace_id, parent, ("trace_id", &other)],
                format!("4bf9 {SPAN} 1 trace_id=\"{other}\""),
            ),
            (
                &[trace_id, parent, ("traceparent", &second)],
                format!("4bf9 {SPAN} 1 traceparent=\"{second}\""),
            ),
        ] {
            assert_eq!(ids(parser, fields), wanted, "{parser} {fields:?}");
        }
    }
}
