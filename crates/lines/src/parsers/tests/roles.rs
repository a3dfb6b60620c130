//! What fields mean for their record by their names.

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

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
fn the_text_of_a_severity_has_no_colours() {
    let mut regex = with("regex");
    regex.options.pattern = Some(regex::Regex::new(r"(?<level>\S+ ?\S*): (?<msg>.*)").unwrap());
    for (settings, line, wanted) in [
        (with("json"), r#"{"level":"\u001b[32mINFO\u001b[0m","msg":"m"}"#, ("INFO", 9)),
        (with("json"), r#"{"level":"\u001b[33m WARN \u001b[0m","msg":"m"}"#, ("WARN", 13)),
        (with("logfmt"), "level=\u{1b}[31merror\u{1b}[0m msg=m", ("error", 17)),
        (regex.clone(), "\u{1b}[1;31mERROR \u{1b}[0m: m", ("ERROR", 17)),
        (regex, "ERROR: m", ("ERROR", 17)),
        // What is no level stays as it is.
        (with("json"), r#"{"level":"\u001b[32modd\u001b[0m","msg":"m"}"#, ("", 0)),
    ] {
        let out = read(settings, line);
        let record = out.records()[0];
        let found = (out.text(record.severity_text), record.severity);
        assert_eq!((found, out.body(&record)), (wanted, "m"), "{line}");
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
