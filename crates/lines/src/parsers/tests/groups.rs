//! What parsers make of several lines that belong together.

use super::*;
use crate::{Framing, Multiline};

fn presets() -> Multiline {
    Multiline::presets(crate::multiline::preset_names()).unwrap()
}

fn parsers(multiline: Multiline, names: &[&str]) -> Settings {
    let parsers = names.iter().map(|name| (*name).to_owned()).collect();
    Settings { parsers, multiline: Some(multiline), ..Settings::default() }
}

/// The records of these lines.
fn groups(settings: Settings, lines: &str) -> Records {
    let plan = Plan::new(settings).unwrap();
    let (mut file, mut streams, mut out) = <(File, Streams, Records)>::default();
    let entries = |start: &str| lines.split('\n').map(|line| format!("{start}{line}\n")).collect();
    let text: String = match plan.framing {
        Framing::Cri => entries("1970-01-01T00:00:01Z stderr F "),
        _ => entries(""),
    };
    let chunk = Chunk { bytes: text.as_bytes(), now: NOW, ..Chunk::default() };
    let mut intake = Intake::new();
    intake.feed(&plan, &mut file, &mut streams, &chunk, &mut out);
    intake.close(&plan, &mut streams, NOW, &mut out);
    out
}

/// The one record of these lines.
fn group(settings: Settings, lines: &str) -> Records {
    let out = groups(settings, lines);
    assert_eq!(out.len(), 1, "{lines}");
    out
}

/// Whether these are the records of their lines, with the preset alone and with all of them.
#[track_caller]
fn assert_groups(preset: &str, records: &[&str]) {
    for multiline in [Multiline::presets([preset]).unwrap(), presets()] {
        let settings = Settings { multiline: Some(multiline), ..Settings::default() };
        let out = groups(settings, &records.join("\n"));
        let bodies: Vec<&str> = out.records().iter().map(|record| out.body(record)).collect();
        let wanted: Vec<&str> = records.iter().map(|record| record.trim_end()).collect();
        assert_eq!(bodies, wanted, "{preset}");
        // Every byte is in a piece, also of lines that the body does not show.
        let mut next = 0;
        for record in out.records() {
            assert_eq!(record.start, next);
            next = record.end;
        }
        let bytes: usize = records.iter().map(|record| record.len() + 1).sum();
        assert_eq!(next, bytes as u64);
    }
}

const TRACE: &str = "java.lang.IllegalStateException: x\n\tat a.b.C(D.java:1)";

#[test]
fn r16_a_line_that_its_trace_follows_gives_what_it_says_and_the_body_has_all() {
    let json = r#"{"level":"error","msg":"failed","status":500,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;
    let go = "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1";
    let python = "Traceback (most recent call last):\n  File \"a.py\", line 1\n    f(name='it, level=\"a)\nValueError: level=info";
    let access = r#"1.2.3.4 - - [06/May/2024:07:08:09 +0000] "GET /err HTTP/1.1" 500 51 "-" "UA""#;
    let started = Multiline::starting_with(r"^\{").unwrap();
    let usual: &[&str] = &["json", "klog", "logfmt"];
    for (multiline, names, line, trace, wanted) in [
        (presets(), usual, json, TRACE, r#"17 - 500 || status=500 msg="failed""#),
        (presets(), usual, json, go, r#"17 - 500 || status=500 msg="failed""#),
        (presets(), usual, json, python, r#"17 - 500 || status=500 msg="failed""#),
        (presets(), usual, json, "  a=1 level=info", r#"17 - 500 || status=500 msg="failed""#),
        (started, usual, json, "stack \"line", r#"17 - 500 || status=500 msg="failed""#),
        (
            presets(),
            &["access"],
            access,
            "\tat foo",
            r#"0 0 500 || client.address="1.2.3.4" http.request.method="GET" url.original="/err" network.protocol.version="1.1" http.response.status_code=500 http.response.body.size=51 user_agent.original="UA""#,
        ),
        (
            presets(),
            usual,
            "level=error msg=\"failed\" status=500 n='a b'",
            python,
            r#"17 - 500 || status="500" n="a b" msg="failed""#,
        ),
        (
            presets(),
            &["syslog-rfc5424"],
            "<11>1 2024-05-06T07:08:09Z h a 1 - -",
            "\tat foo",
            r#"17 0 0 || facility="user" host.name="h" app="a" pid="1""#,
        ),
    ] {
        let lines = format!("{line}\n{trace}");
        for framing in [Framing::Raw, Framing::Cri] {
            let settings = Settings { framing, ..parsers(multiline.clone(), names) };
            let out = group(settings, &lines);
            let record = out.records()[0];
            assert_eq!(out.body(&record), lines);
            assert_eq!(record.has_trace(), line == json, "{lines}");
            assert!(record.flags.has(Flags::MULTILINE) && !record.plain, "{lines}");
            assert!(!record.flags.has(Flags::UNPARSED), "{lines}");
            let told = told(&out).replace(&lines, "").replace(" -1714979288000000000 ", " - ");
            assert_eq!(told, wanted, "{lines}");
        }
    }
}

#[test]
fn r16_a_text_of_several_lines_is_read_as_a_whole_when_it_fits() {
    let started = || Multiline::starting_with(r"^\{|^level=error|^E\d|^head").unwrap();
    for (parser, lines, wanted) in [
        (
            "json",
            "{\n\"level\":\"error\",\n\"msg\":\"a\",\"n\":[1,\n2]\n}",
            "17 - 0 |a| n=json [1,\n2]",
        ),
        ("json", "{\n\"level\":\"error\"\n}\nand more", "unparsed"),
        (
            "logfmt",
            "level=error msg=\"a\nb\" n=1\nlevel=info n=2",
            "17 - 0 |level=error msg=\"a\nb\" n=1\nlevel=info n=2| n=\"1\" msg=\"a\\nb\"",
        ),
        // Where the first line has no pair, others have them.
        ("logfmt", "head\n a=1\n b=2", "0 - 0 |head\n a=1\n b=2| a=\"1\" b=\"2\""),
        ("logfmt", "head\n a=\"1", "unparsed"),
        (
            "klog",
            "E0506 07:08:09.000000 1 f.go:1] failed\npanic: x",
            "17 0 0 |failed\npanic: x| thread.id=\"1\" code.file.path=\"f.go\" code.line.number=\"1\"",
        ),
    ] {
        let out = group(parsers(started(), &[parser]), lines);
        assert_eq!(told(&out), wanted, "{lines}");
    }
}

#[test]
fn r16_lines_that_a_pattern_does_not_reach_are_in_the_body() {
    let lines = format!("2024-05-06 ERROR failed: err\n{TRACE}");
    let head = r"^\S+ (?P<level>\w+) (?P<message>.*)";
    let wanted = "17 - 0 || message=\"failed: err\"";
    for (pattern, first, wanted) in [
        (head.to_owned(), "", wanted.to_owned()),
        (format!("{head}$"), "", wanted.to_owned()),
        (head.replace('^', "(?m)^"), "lost\n", wanted.to_owned()),
        // One that reaches everything says itself what the message is.
        (format!("(?s){head}"), "", format!("17 - 0 |failed: err\n{TRACE}|")),
    ] {
        let lines = format!("{first}{lines}");
        let started = Multiline::starting_with(lines.get(..4).unwrap()).unwrap();
        let settings = Settings { pattern: Some(pattern.clone()), ..parsers(started, &["regex"]) };
        let out = group(settings, &lines);
        let told = told(&out).replace(&format!("|{lines}|"), "||");
        assert_eq!(told, wanted, "{pattern}");
    }
}

#[test]
fn r29_a_secret_in_what_follows_the_first_line_is_hidden() {
    let line = r#"{"level":"error","msg":"a","to":"a@b.de"}"#;
    let settings = Settings {
        redaction: Some(Redaction::builtin(["email", "ipv4"]).unwrap()),
        ..parsers(presets(), &["json"])
    };
    let out = group(settings, &format!("{line}\n  at \"c@d.de\\n10.9.8.7\\u000ax\""));
    let body = line.replace("a@b.de", "[email]") + "\n  at \"[email]\\n[ipv4]\\u000ax\"";
    assert_eq!(told(&out), format!("17 - 0 |{body}| to=\"[email]\" msg=\"a\""));
    assert!(!format!("{out:?}").contains('@'));
}

#[test]
fn r16_a_trace_of_go_with_frames_of_panic_is_one_record() {
    let served = "2024/05/06 07:08:09 http: panic serving 10.0.0.1:52344: boom\n\
        goroutine 21 [running]:\n\
        net/http.(*conn).serve.func1()\n\
        \t/usr/local/go/src/net/http/server.go:1947 +0xbe\n\
        panic({0x6a2f60?, 0x8e3d10?})\n\
        \t/usr/local/go/src/runtime/panic.go:785 +0x132\n\
        main.handler({0x7533c8, 0xc0000d61c0}, 0xc0000ec000)\n\
        \t/app/main.go:11 +0x1d\n\
        net/http.HandlerFunc.ServeHTTP(0xc0000b6000?, {0x7533c8?, 0xc0000d61c0?}, 0x0?)\n\
        \t/usr/local/go/src/net/http/server.go:2220 +0x29\n\
        created by net/http.(*Server).Serve in goroutine 1\n\
        \t/usr/local/go/src/net/http/server.go:3360 +0x485";
    let recovered = "2024/05/06 07:08:09 worker failed: recovered\n\
        goroutine 1 [running]:\n\
        runtime/debug.Stack()\n\
        \t/usr/local/go/src/runtime/debug/stack.go:26 +0x5e\n\
        main.safe.func1()\n\
        \t/app/main.go:14 +0x4c\n\
        panic({0x4a4420?, 0x34eba52a000?})\n\
        \t/usr/local/go/src/runtime/panic.go:860 +0x13a\n\
        main.work(...)\n\
        \t/app/main.go:8\n\
        main.main()\n\
        \t/app/main.go:22 +0x1f";
    let again = "panic: boom [recovered, repanicked]\n\
        \n\
        goroutine 1 [running]:\n\
        main.main.func1()\n\
        \t/app/main.go:23 +0x18\n\
        panic({0x4a4420?, 0x34eba52a018?})\n\
        \t/usr/local/go/src/runtime/panic.go:860 +0x13a\n\
        main.main()\n\
        \t/app/main.go:24 +0x36\n\
        exit status 2";
    let info = "2024/05/06 07:08:10 next";
    assert_groups("go", &[info, served, info, recovered, info, again, info, "panic(1)", info]);
}

#[test]
fn r16_an_empty_line_before_a_trace_and_one_in_it_cut_nothing() {
    let info = "07:08:10 INFO 1 --- [main] c.A : ok";
    let head = "07:08:09 ERROR 1 --- [exec-1] o.a.C : Servlet.service() threw with root cause\n";
    let java = "java.lang.NullPointerException: null\n\tat a.B.c(B.java:1) ~[classes!/:na]\n\
        Caused by: java.io.IOException: x\n\tat d.E.f(E.java:2)";
    let whole = format!("{head}\n{java}\n");
    let spaced = format!("{head}\n{java}\n\nCaused by: a.OtherError: y\n\tat g.H.i(H.java:3)\n");
    assert_groups("java", &[info, &whole, info, &whole, &spaced, info]);
    // What does not go on with it ends it: another line, an empty one, another trace.
    let empty = "";
    assert_groups("java", &[info, empty, info, head, info, head, empty, info, head]);
    let trace = format!("{java}\n");
    assert_groups(
        "java",
        &[info, empty, &trace, java, info, empty, java, "07:08 ERROR a", "ERROR b"],
    );
    assert_groups("java", &[&trace, "", java, info]);
    let dotnet = "System.InvalidOperationException: bad\n ---> System.IO.IOException: x\n   \
        at A.B() in /a.cs:line 1\n   --- End of inner exception stack trace ---\n   at A.C()";
    let whole = format!("[07:08:09 ERR] HTTP GET / responded 500\n\n{dotnet}\n");
    assert_groups("dotnet", &[info, &whole, info, &whole, &whole, dotnet]);
}

const PYTHON: &str = "Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: x";
const GO: &str = "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1";
const EXCEPTIONS: &str = "  + Exception Group Traceback (most recent call last):\n  \
    |   File \"a.py\", line 1, in <module>\n  | ExceptionGroup: both (2 sub-exceptions)\n  \
    +-+---------------- 1 ----------------\n    | ValueError: 1\n    \
    +---------------- 2 ----------------\n    | TypeError: 2\n    \
    +------------------------------------";
const USUAL: [&str; 3] = ["json", "klog", "logfmt"];

/// Severity, its text and body of each record.
fn severities(settings: Settings, lines: &str) -> Vec<(u8, String, String)> {
    let out = groups(settings, lines);
    let told = |record: &Record| {
        let [text, body] =
            [record.severity_text, record.body].map(|span| out.text(span).to_owned());
        (record.severity, text, body)
    };
    out.records().iter().map(told).collect()
}

#[test]
fn r22_a_trace_hides_behind_no_line_that_speaks_of_no_error() {
    for line in [
        r#"{"level":"info","msg":"request done","error":null}"#,
        r#"{"level":"info","msg":"interrupt handler set"}"#,
        r#"{"level":"info","msg":"request failed, tried again"}"#,
        r#"{"level":30,"msg":"failed"}"#,
        r#"{"msg":"done","error":null,"err" : ""}"#,
        r#"{"referrer":"a","msg":"transferred","preferred":true}"#,
        "level=info msg=x errors=0",
        "msg=done error= fatal=0",
        "I0506 07:08:09.000000 1 f.go:1] no error",
        "2024-05-06 07:08:09,123 INFO main: request failed, tried again",
        "07:08:09 DEBUG 1 --- [main] c.A : no exception",
        "\u{1b}[32mINFO\u{1b}[0m[0000] fatal=0 warn",
        "interrupted by cherry and Tiffany Kerr",
        "GET /a status=200 failed",
    ] {
        for trace in [PYTHON, GO, TRACE, EXCEPTIONS] {
            let out = severities(parsers(presets(), &USUAL), &format!("{line}\n{trace}"));
            assert_eq!(out.len(), 2, "{line}\n{trace}");
            assert!(out[0].0 < 13, "{line}");
            assert_eq!(out[1], (17, String::new(), trace.to_owned()), "{line}");
        }
    }
}

#[test]
fn r16_a_trace_joins_the_line_that_speaks_of_its_error() {
    for (line, severity) in [
        (r#"{"level":"error","msg":"x"}"#, 17),
        (r#"{"level":50,"msg":"x"}"#, 17),
        (r#"{"level":"warn","msg":"x"}"#, 13),
        (r#"{"msg":"request failed","error":null}"#, 17),
        ("lvl=eror msg=x", 17),
        ("E0506 07:08:09.000000 1 f.go:1] x", 17),
        ("ERROR:root:x", 17),
        ("2024-05-06 07:08:09,123 Exception in the handler, more info below", 17),
        ("\u{1b}[31mERROR\u{1b}[0m: x", 17),
        ("[07:08:09 ERR] x", 17),
        ("ERRO[0000] x", 17),
        ("caught ValueError", 17),
        ("GET /a status=503 done", 17),
    ] {
        for trace in [PYTHON, GO, TRACE, EXCEPTIONS] {
            let lines = format!("{line}\n{trace}");
            let out = severities(parsers(presets(), &USUAL), &lines);
            assert_eq!(out.len(), 1, "{lines}");
            assert_eq!(out[0].0, severity, "{lines}");
            // Of klog the body is the message.
            assert!(lines.ends_with(&out[0].2) && out[0].2.len() > trace.len(), "{lines}");
        }
    }
}

#[test]
fn r16_a_group_of_exceptions_of_python_is_one_record_and_takes_nothing_after_it() {
    let info = "next";
    let error = format!("ERROR:    Exception in ASGI application\n{EXCEPTIONS}");
    let handling = "During handling of the above exception, another exception occurred:";
    let chained = format!("{EXCEPTIONS}\n\n{handling}\n\n{PYTHON}");
    let other = format!("{PYTHON}\n\n{handling}\n\n{EXCEPTIONS}");
    assert_groups("python", &[info, EXCEPTIONS, info, &error, info, &chained, info, &other, info]);
}

#[test]
fn r22_a_trace_without_a_severity_is_an_error() {
    let thread = format!("Exception in thread \"main\" {TRACE}");
    let dotnet = "Unhandled exception. System.IO.IOException: x\n   at A.B() in /a.cs:line 1";
    let runtime = format!("runtime: out of memory\nfatal error: {GO}");
    let named = PYTHON.replace("ValueError: x", "ValueError: level=info a=1");
    for (lines, wanted) in [
        (PYTHON, (17, "")),
        (GO, (17, "")),
        (TRACE, (17, "")),
        (EXCEPTIONS, (17, "")),
        (&thread, (17, "")),
        (dotnet, (17, "")),
        (&runtime, (17, "")),
        ("panic: boom", (17, "")),
        // What a line of a trace says is no severity of its record.
        (&named, (17, "")),
        ("started\n\tat a.b.C(D.java:1)", (17, "")),
        ("started\nCaused by: x", (17, "")),
        (r#"{"msg":"x"}"#, (0, "")),
        ("runtime: x", (0, "")),
        ("a table\n  of\n\tat noon\n\n  lines", (0, "")),
        ("level=info msg=x\n\tat a.b.C(D.java:1)", (9, "info")),
        ("level=warn msg=x\n\tat a.b.C(D.java:1)", (13, "warn")),
        ("level=fatal msg=x\n\tat a.b.C(D.java:1)", (21, "fatal")),
    ] {
        let out = severities(parsers(presets(), &USUAL), lines);
        assert_eq!(out.len(), 1, "{lines}");
        assert_eq!((out[0].0, out[0].1.as_str()), wanted, "{lines}");
    }
    // Each part of one that is too long.
    let parted = presets().with_lines(2);
    let out = severities(parsers(parted, &USUAL), &format!("{GO}\nnext"));
    let severities: Vec<u8> = out.iter().map(|record| record.0).collect();
    assert_eq!(severities, [17, 17, 17, 0]);
}
