//! The config file as a person writes it, rightly and wrongly.

use super::reference::EXAMPLE;
use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn wrong(text: &str, expected: &Expect) {
    let mistakes = parse(text).unwrap_err();
    expected.assert_eq(listed(Path::new("agent.yaml"), &mistakes).trim_start());
}

#[test]
fn every_mistake_of_a_file_is_told_with_its_line_and_what_was_meant() {
    wrong(
        "state_dri: /x\nmemory_max_bytes: 1Ki\ninputs:\n  - type: file\n  - type: files\n    paths: [var/log/*.log]\n    parsrs: json\n    parsers: [jsn]\nsinks:\n  - type: otlp_http\n    endpoint: collector:4318\n  - type: kafka\n  - type: stdout\n    batch: 5\n",
        &expect![[r#"
            agent.yaml:1: unknown field `state_dri`; did you mean `state_dir`?
            agent.yaml:2: `memory_max_bytes` must be a size from 8 MiB to 16 GiB, not `1Ki`
            agent.yaml:4: `inputs[0].type` must be one of files, kubernetes, journald, not `file`; did you mean `files`?
            agent.yaml:6: `inputs[1].paths` must begin with `/`, not as `var/log/*.log`
            agent.yaml:7: unknown field `inputs[1].parsrs`; did you mean `parsers`?
            agent.yaml:8: no parser is called `jsn`; did you mean `json`?
            agent.yaml:11: `sinks[0].endpoint`: `the address` is no address with http or https and a host
            agent.yaml:12: there is no sink `kafka`: send OTLP to an OpenTelemetry Collector with a Kafka exporter
            agent.yaml:14: `sinks[2].batch` must be a map, this is a single value"#]],
    );
}

#[test]
fn what_contradicts_itself_is_told() {
    wrong(
        "inputs:\n  - type: files\n    paths: [/a]\n    pattern: 'x'\n    multiline: {presets: [go], first_line: '('}\nredaction:\n  rules: [nonsense]\n  patterns:\n    - {name: a, pattern: x}\nsinks:\n  - type: loki\n    endpoint: http://loki.example.com\n    bearer_file: /t\n    headers: {Authorization: CANARY}\n    tls: {cert_file: /c}\n  - type: stdout\n    name: loki-0\n  - type: stdout\n    name: ../x\n",
        &expect![[r#"
            agent.yaml:4: `inputs[0].pattern` and the parser `regex` need each other
            agent.yaml:5: `inputs[0].multiline.presets` or `first_line` is needed, and not both
            agent.yaml:7: no redaction rule is called `nonsense`; there are email, credit-card, ipv4, ipv6, bearer, jwt
            agent.yaml:12: `sinks[0].endpoint` must be https: what proves who we are would be readable on the way
            agent.yaml:14: the header `Authorization` holds a secret: name a file with it under headers_from_files
            agent.yaml:15: `sinks[0].tls` needs both cert_file and key_file, or neither
            agent.yaml:17: two sinks have the name `loki-0`
            agent.yaml:19: `sinks[2].name` must have at most 63 letters, digits, `-` and `_`, not `../x`"#]],
    );
}

#[test]
fn r30_the_name_of_what_has_none_does_not_hang_on_what_is_of_another_type() {
    let names = |sinks: &str| {
        let inputs = "inputs: [{type: journald}, {type: files, paths: [/a]}]\n";
        let config = parse(&format!("{inputs}sinks: [{sinks}]\n")).unwrap();
        assert_eq!(config.inputs[1].name, "files-0");
        config.sinks.into_iter().map(|sink| sink.name).collect::<Vec<_>>()
    };
    let file = "{type: file, path: /x}";
    assert_eq!(names(file), ["file-0"]);
    let before = "{type: stdout}, {type: file, path: /y, name: file-1}";
    assert_eq!(names(&format!("{before}, {file}")), ["stdout-0", "file-1", "file-0"]);
    assert_eq!(names(&format!("{file}, {{type: file, path: /z}}")), ["file-0", "file-1"]);
}

#[test]
fn r23_a_share_that_one_of_a_whole_number_does_not_come_near_is_refused() {
    wrong(
        "sampling:\n  hot_trace: {keep_percent: 70}\n  rate: {field: a, keep_percent: 40}\n",
        &expect![[r#"
            agent.yaml:2: `sampling.hot_trace.keep_percent` keeps one of so many: 100 or 50 percent, not 70
            agent.yaml:3: `sampling.rate.keep_percent` keeps one of so many: 50 or 33.3 percent, not 40"#]],
    );
    for share in ["100", "50", "33", "33.3", "25", "15", "0.1"] {
        parse(&format!("sampling: {{hot_trace: {{keep_percent: {share}}}}}\n")).unwrap();
    }
}

#[test]
fn a_rate_of_what_no_record_has_as_a_value_is_refused() {
    wrong(
        "sampling:\n  rate:\n    field: trace_id\n",
        &expect![
            "agent.yaml:3: `sampling.rate.field`: `trace_id` becomes the time or the trace of its record, which no rate limits: name another field (`sampling.hot_trace` limits traces)"
        ],
    );
    for field in ["msg", "level", "status", "url.path"] {
        parse(&format!("sampling: {{rate: {{field: {field}}}}}\n")).unwrap();
    }
}

#[test]
fn a_rate_of_a_message_that_no_record_has_beside_its_line_is_refused() {
    let rate = "sampling: {rate: {field: msg}}\n";
    let input = |more: &str| format!("{{type: files, paths: [/a], {more}}}");
    let error = "`sampling.rate.field`: no record has `msg`, because the body of each input is the line: add `msg` to `fields`, or say `body: message`";
    let whole = ["body: line", "fields: [user]", "fields: [message], body: line"];
    for one in whole.map(input) {
        let mistakes = parse(&format!("\n{rate}inputs: [{one}]\n")).unwrap_err();
        let [mistake] = &mistakes[..] else { panic!("{mistakes:?}") };
        assert_eq!((mistake.line, mistake.message.as_str()), (2, error), "{one}");
    }
    for more in ["name: a", "fields: [msg]", "fields: [user], body: message"] {
        let (one, other) = (input(more), input("body: line"));
        parse(&format!("{rate}inputs: [{one}]\n")).unwrap();
        parse(&format!("{rate}inputs: [{one}, {other}]\n")).unwrap();
    }
    parse(&format!("{rate}inputs: [{{type: journald}}]\n")).unwrap();
}

#[test]
fn an_address_with_what_is_not_sent_and_a_name_that_no_server_has_are_refused() {
    let endpoint = "must have no `?` and no `#`: nothing behind them is sent; what the server has to know goes into `headers`, a secret into `headers_from_files` or `bearer_file`";
    for address in ["http://h:1/v1/logs?api_key=CANARY", "http://h:1?CANARY", "http://h:1/x#CANARY"]
    {
        let text = format!("sinks:\n  - type: otlp_http\n    endpoint: '{address}'\n");
        let mistakes = parse(&text).unwrap_err();
        let [mistake] = &mistakes[..] else { panic!("{mistakes:?}") };
        assert_eq!(mistake.message, format!("`sinks[0].endpoint` {endpoint}"));
        assert_eq!(mistake.line, 3);
    }
    wrong(
        "sinks:\n  - type: loki\n    endpoint: https://h\n    tls:\n      server_name: bad name!\n",
        &expect!["agent.yaml:5: `sinks[0].tls.server_name` is no name of a server: `bad name!`"],
    );
    for name in ["collector.example.com", "10.0.0.1", "'::1'"] {
        let tls = format!("tls: {{server_name: {name}}}");
        parse(&format!("sinks: [{{type: loki, endpoint: 'https://h', {tls}}}]\n")).unwrap();
    }
}

#[test]
fn two_sinks_with_one_file_are_refused() {
    wrong(
        "sinks:\n  - {type: file, path: /x}\n  - {type: stdout}\n  - type: file\n    path: /x\n",
        &expect!["agent.yaml:5: two sinks write to `/x`"],
    );
}

#[test]
fn r31_a_file_sink_whose_file_an_input_reads_is_refused() {
    wrong(
        "inputs:\n  - {type: journald}\n  - type: files\n    paths: [/x/**/*.log, /y/*]\nsinks:\n  - type: file\n    path: /x/deep/out.log\n  - {type: file, path: /y/out}\n",
        &expect![[r#"
            agent.yaml:7: `sinks[0].path`: `inputs[1]` would read `/x/deep/out.log`, and what comes of it be written again: exclude it there, or write elsewhere
            agent.yaml:8: `sinks[1].path`: `inputs[1]` would read `/y/out`, and what comes of it be written again: exclude it there, or write elsewhere"#]],
    );
    wrong(
        "sinks: [{type: file, path: /var/log/records.log}]\n",
        &expect![
            "agent.yaml:1: `sinks[0].path`: the default of `inputs` would read `/var/log/records.log`, and what comes of it be written again: exclude it there, or write elsewhere"
        ],
    );
    let refused = |input: &str, sink: &str| {
        let text = format!(
            "inputs: [{{type: files, {input}}}]\nsinks: [{{type: file, path: /x/out.log{sink}}}]\n"
        );
        parse(&text).err().map(|mistakes| mistakes[0].message.clone())
    };
    // Only with a rotation there is another file.
    let rotated = "paths: ['/x/*.log.*']";
    let reason = refused(rotated, ", rotate_bytes: 1Mi").unwrap();
    assert!(reason.contains("would read `/x/out.log.1`"), "{reason}");
    assert_eq!(refused(rotated, ""), None);
    assert_eq!(refused(rotated, ", rotate_bytes: 1Mi, rotate_keep: 0"), None);
    // Nothing else is refused: what is excluded, elsewhere, or never read as text.
    let excluded = "paths: ['/x/*.log*'], exclude: ['/x/out.log*']";
    assert_eq!(refused(excluded, ", rotate_bytes: 1Mi"), None);
    assert!(refused(&excluded.replace("out.log*", "out.log"), ", rotate_bytes: 1Mi").is_some());
    assert_eq!(refused("paths: ['/x/*/*.log', '/y/*']", ""), None);
    assert_eq!(refused("paths: ['/x/*']", ".gz"), None);
}

#[test]
fn no_file_at_all_reads_the_standard_logs_of_a_host_and_writes_to_stdout() {
    let config = parse("").unwrap();
    assert_eq!(
        config.sinks.iter().map(|sink| &sink.kind).collect::<Vec<_>>(),
        [&SinkKind::Stdout(Members::ALL)]
    );
    let InputKind::Files { paths, .. } = &config.inputs[0].kind else { panic!() };
    assert_eq!(*paths, STANDARD_LOGS);
    assert!(config.sampling.keeps_all());
    assert_eq!(config.listen, Some(LISTEN_DEFAULT.parse().unwrap()));
}

#[test]
fn r30_a_config_that_lacks_what_the_one_in_use_has_is_no_other_config() {
    let inputs = "inputs: [{type: journald}]\n";
    let whole = parse(&format!("{inputs}sinks: [{{type: stdout}}]\n")).unwrap();
    let lost = |text: &str, in_use: &Config| {
        let mistakes = parse(text).unwrap().lost(in_use);
        mistakes.iter().map(|m| m.message.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lost(inputs, &whole), ["`sinks`"]);
    assert_eq!(lost("sinks: [{type: stdout}]", &whole), ["`inputs`"]);
    assert_eq!(lost("", &whole), ["`inputs`", "`sinks`"]);
    assert!(lost("", &parse("").unwrap()).is_empty());
    assert!(whole.lost(&parse("").unwrap()).is_empty() && whole.lost(&whole).is_empty());
    for empty in ["sinks:\n", "sinks: []\n", "sinks: ~\n"] {
        assert!(parse(&format!("{inputs}{empty}")).is_err(), "{empty}");
    }
}

#[test]
fn no_header_with_a_usual_name_of_a_secret_holds_it_in_the_config() {
    let mistakes = |name: &str, field: &str, value: &str| {
        let sink = "type: otlp_http, endpoint: 'https://a'";
        parse(&format!("sinks: [{{{sink}, {field}: {{{name}: {value}}}}}]")).err()
    };
    let secrets = "authorization Proxy-Authorization cookie api-key x-api-key DD-API-KEY apikey \
                   X_API_KEY x-honeycomb-team uptrace-dsn X-Vault-Token Private-Token X-Auth-Token \
                   signoz-access-token Lightstep-Access-Token x-sf-token x-client-secret x-password";
    for name in secrets.split(' ') {
        let told = mistakes(name, "headers", "CANARY").unwrap();
        let expected = format!("the header `{name}` holds a secret");
        assert!(told[0].message.starts_with(&expected), "{told:?}");
        assert!(!format!("{told:?}").contains("CANARY"));
        assert_eq!(mistakes(name, "headers_from_files", "/f"), None);
    }
    for name in ["X-Scope-OrgID", "x-team", "VL-Stream-Fields", "signoz-region"] {
        assert_eq!(mistakes(name, "headers", "a"), None, "{name}");
    }
}

#[test]
fn the_example_of_the_page_is_valid() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!((config.inputs.len(), config.sinks.len()), (4, 3));
    assert!(config.sampling.rate.is_some());
    assert!(matches!(config.sinks[0].kind, SinkKind::OtlpGrpc(_)));
}

#[test]
fn the_rate_of_the_example_is_of_a_field_that_its_access_logs_have() {
    let config = parse(EXAMPLE).unwrap();
    let (field, _) = config.sampling.rate.unwrap();
    let nginx = config.inputs.iter().find(|input| input.name == "nginx").unwrap();
    let plan = nginx.reading.plan(None).unwrap();
    let (mut file, mut streams, mut out) =
        <(lines::File, lines::Streams, lines::Records)>::default();
    let bytes = b"::1 - - [06/May/2024:07:08:09 +0000] \"GET /health HTTP/1.1\" 200 5\n";
    let chunk = lines::Chunk { bytes, now: 1, ..lines::Chunk::default() };
    lines::Intake::new().feed(&plan, &mut file, &mut streams, &chunk, &mut out);
    assert!(out.field(&out.records()[0], &field).is_some(), "{field}");
}

#[test]
fn every_field_that_is_read_stands_in_the_reference_and_the_other_way_round() {
    let every = "sampling: {hot_trace: {}, rate: {field: a}, rescue: {}}\nredaction: {patterns: [{name: a, pattern: b}]}\ninputs:\n  - {type: files, paths: [/a], multiline: {presets: [go]}}\n  - {type: kubernetes}\n  - {type: journald}\nsinks:\n  - {type: otlp_http, endpoint: 'http://a', tls: {}, batch: {}}\n  - {type: loki, endpoint: 'http://a'}\n  - {type: file, path: /out}\n";
    let (config, asked) = parse_asked(every);
    config.unwrap();
    let documented: BTreeSet<String> = FIELDS.iter().map(|field| field.path.to_owned()).collect();
    assert_eq!(documented.len(), FIELDS.len(), "a field stands there twice");
    let missing: Vec<_> = asked.difference(&documented).collect();
    let outlived: Vec<_> = documented.difference(&asked).collect();
    assert!(missing.is_empty() && outlived.is_empty(), "{missing:?} {outlived:?}");
}

#[test]
fn the_defaults_of_the_reference_are_those_of_the_code() {
    let default = |path: &str| FIELDS.iter().find(|field| field.path == path).unwrap().default;
    let size = |path: &str| default(path).parse::<model::ByteSize>().unwrap().0;
    let span = |path: &str| default(path).parse::<model::Span>().unwrap().0;
    assert_eq!(default("state_dir"), STATE_DIR_DEFAULT);
    assert_eq!(default("listen"), LISTEN_DEFAULT);
    assert_eq!(size("memory_max_bytes"), MEMORY_MAX_BYTES_DEFAULT);
    assert_eq!(span("shutdown_timeout"), SHUTDOWN_TIMEOUT_DEFAULT);
    assert_eq!(span("checkpoint_interval"), CHECKPOINT_INTERVAL_DEFAULT);
    assert_eq!(size("inputs[].line_max_bytes"), LINE_MAX_BYTES_DEFAULT);
    assert_eq!(span("inputs[].partial_timeout"), PARTIAL_TIMEOUT_DEFAULT);
    assert_eq!(span("inputs[].multiline.timeout"), MULTILINE_TIMEOUT_DEFAULT);
    assert_eq!(default("inputs[].multiline.max_lines"), MULTILINE_MAX_LINES_DEFAULT.to_string());
    assert_eq!(default("inputs[].parsers"), PARSERS_DEFAULT.join(", "));
    assert_eq!(default("sinks[].batch.records"), BATCH_RECORDS_DEFAULT.to_string());
    assert_eq!(size("sinks[].batch.bytes"), BATCH_BYTES_DEFAULT);
    assert_eq!(span("sinks[].batch.wait"), BATCH_WAIT_DEFAULT);
    assert_eq!(span("sinks[].timeout"), TIMEOUT_DEFAULT);
    assert_eq!(size("dead_letter_bytes"), DEAD_LETTER_BYTES_DEFAULT);
    assert_eq!(span("sampling.rescue.window"), RESCUE_WINDOW_DEFAULT);
    assert_eq!(default("sampling.hot_trace.lines_per_second"), HOT_TRACE_LINES_DEFAULT.to_string());
}

#[test]
fn what_becomes_the_body_and_a_line_of_a_file_can_be_said() {
    let text = "inputs:\n  - {type: files, paths: [/a], fields: [b]}\n  - {type: files, paths: [/c], fields: [b], body: message}\nsinks:\n  - {type: file, path: /out, format: text}\n";
    let config = parse(text).unwrap();
    let bodies: Vec<_> = config.inputs.iter().map(|input| input.reading.body).collect();
    assert_eq!(bodies, [None, Some(lines::Body::Message)]);
    let SinkKind::File(file) = &config.sinks[0].kind else { panic!("no file") };
    assert_eq!(file.format, Format::Text);
    assert!(parse(&text.replace("format: text", "format: raw")).is_err());
    let chosen = |list: &str| parse(&text.replace("format: text", &format!("members: {list}")));
    let SinkKind::File(file) = &chosen("[body, time, time]").unwrap().sinks[0].kind else {
        panic!("no file")
    };
    assert_eq!(file.format, Format::Json(Members::TIME.and(Members::BODY)));
    let stdout = parse("sinks:\n  - {type: stdout, members: trace}\n").unwrap();
    assert_eq!(stdout.sinks[0].kind, SinkKind::Stdout(Members::TRACE));
    for (list, mistake) in [
        ("[]", "`sinks[0].members` names nothing to write"),
        ("[attribute]", "not `attribute`; did you mean `attributes`?"),
        ("[body], format: text", "`sinks[0].members` is for the format json"),
    ] {
        let mistakes = chosen(list).unwrap_err();
        assert!(mistakes[0].message.contains(mistake), "{mistakes:?}");
    }
}

#[test]
fn a_pattern_that_cannot_be_used_is_told_with_its_line() {
    for (paths, exclude) in [("/a[b", "/b"), ("/a/../b", "/b"), ("/a", "/"), ("/a", "/a[b")] {
        let text =
            format!("inputs:\n- type: files\n  paths: ['{paths}']\n  exclude: ['{exclude}']\n");
        let line = if paths == "/a" { 4 } else { 3 };
        let mistakes = parse(&text).unwrap_err();
        assert!(mistakes.iter().any(|one| one.line == line), "{text}: {mistakes:?}");
    }
}

#[test]
fn bounds_hold_at_their_bound() {
    assert!(parse("memory_max_bytes: 8Mi").is_ok() && parse("memory_max_bytes: 8388607").is_err());
    assert!(parse("shutdown_timeout: 10m").is_ok() && parse("shutdown_timeout: 601s").is_err());
    let sinks = |count: usize| {
        let one = |index: usize| format!("  - {{type: stdout, name: s{index}}}\n");
        format!("sinks:\n{}", (0..count).map(one).collect::<String>())
    };
    assert!(parse(&sinks(SINKS_MAX)).is_ok() && parse(&sinks(SINKS_MAX + 1)).is_err());
    let many = "nonsense: 1\n".to_owned() + "sinks:\n" + &"  - {}\n".repeat(SINKS_MAX);
    assert!(parse(&many).unwrap_err().len() <= MISTAKES_MAX);
}

#[test]
fn a_file_over_the_limit_and_one_that_is_not_text_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.yaml");
    std::fs::write(&path, "#".repeat(CONFIG_BYTES_MAX)).unwrap();
    assert!(load(&path).is_ok());
    std::fs::write(&path, "#".repeat(CONFIG_BYTES_MAX + 1)).unwrap();
    assert!(matches!(load(&path), Err(ConfigError::Read { .. })));
    std::fs::write(&path, b"a: \xff").unwrap();
    assert!(matches!(load(&path), Err(ConfigError::Read { .. })));
    // Which the words `check-config FILE` name as well as an option does.
    let hint = load(&dir.path().join("none")).unwrap_err().hint().unwrap();
    assert!(!hint.as_str().contains("--config"), "{hint:?}");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_edit_of_the_example_makes_the_reader_panic(at in 0..EXAMPLE.len(), byte in 0_u8..128) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = parse(&text);
        }
    }
}
