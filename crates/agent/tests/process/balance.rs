//! R25: what was read is accounted for, for every sink and file, at any time.

use super::reload::reloaded;
use super::support::{Desk, Sink, WAIT, ask, closed_port, lines, sink, sink_at};
use serde_json::Value;
use std::convert::Infallible;
use testkit::log_sink::Reply;

const COUNT: &str = "sampling.adjusted_count";

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// The equation as `status` tells its parts.
fn adds_up(records: &Value) -> bool {
    let parts = ["sent", "sampled_out", "quarantined", "oversize", "in_flight"];
    let sum: u64 = parts.iter().map(|part| number(records, part)).sum();
    records["exact"] == true && number(records, "read") == sum
}

#[test]
fn r25_numbers_add_up_for_every_sink_and_file_whatever_becomes_of_the_records() {
    let desk = Desk::new();
    let well = sink(|_, bodies: &[String]| {
        let poisoned = bodies.iter().any(|body| body.contains("POISON"));
        if poisoned { Reply::Status(400) } else { Reply::Take }
    });
    let closed = closed_port();
    let dead = closed.local_addr().unwrap();
    let one = |name: &str, address: &str| {
        format!(
            "  - {{type: otlp_http, name: {name}, endpoint: 'http://{address}', backoff_max: 100ms, \
             batch: {{bytes: 80Ki, wait: 5ms}}}}\n"
        )
    };
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, fields: [msg], \
         line_max_bytes: 64Ki}}]\nsampling: {{keep_percent: 30}}\nsinks:\n{}{}",
        one("well", &well.address().to_string()),
        one("dead", &dead.to_string()),
    ));
    let state = desk.path("state");
    desk.append("logs/a.log", &lines(0, 5_000));
    desk.append("logs/b.log", &lines(5_000, 8_000));
    // Errors are never left out.
    desk.append("logs/b.log", "level=error msg=\"POISON one\"\n");
    // It is in its record twice: in the line, and as a field.
    let huge = "x".repeat(60_000);
    desk.append("logs/b.log", &format!("{{\"level\":\"error\",\"msg\":\"{huge}\"}}\n"));
    let agent = desk.start();
    let status = agent.until_status(&state, |status| {
        let sinks = status["sinks"].as_array().unwrap();
        assert!(sinks.iter().all(|sink| adds_up(&sink["records"])), "{sinks:?}");
        // The files are counted a moment before the sinks.
        let (mut is_done, mut read) = (true, 0);
        for file in status["files"]["shown"].as_array().unwrap() {
            let sinks = file["records"].as_object().unwrap();
            assert!(sinks.values().all(adds_up), "{file}");
            let well = sinks.get("well");
            is_done &= well.is_some_and(|well| number(well, "in_flight") == 0);
            read += well.map_or(0, |well| number(well, "read"));
        }
        let well = &status["sinks"][0]["records"];
        is_done && (read, number(well, "read")) == (8_002, 8_002) && number(well, "in_flight") == 0
    });
    let (first, second) = (&status["sinks"][0]["records"], &status["sinks"][1]["records"]);
    assert_eq!((number(first, "quarantined"), number(first, "oversize")), (1, 1));
    assert_eq!(number(first, "sent") as usize, well.bodies().len());
    // What the dead one has not taken is on its way, all but what fits into no request.
    assert_eq!(number(second, "sampled_out"), number(first, "sampled_out"));
    assert!(number(second, "in_flight") >= number(first, "sent"), "{second}");
    let files = status["files"]["shown"].as_array().unwrap();
    let of = |name: &str| {
        let file = files.iter().find(|file| file["path"].as_str().unwrap().ends_with(name));
        file.unwrap()["records"]["well"].clone()
    };
    let (a, b) = (of("a.log"), of("b.log"));
    assert_eq!((number(&a, "read"), number(&b, "read")), (5_000, 3_002));
    assert_eq!((number(&a, "quarantined"), number(&b, "quarantined")), (0, 1));
    for part in ["sent", "sampled_out", "oversize", "in_flight"] {
        assert_eq!(number(&a, part) + number(&b, part), number(first, part), "{part}");
    }
    let metrics = ask(&state, "/metrics").unwrap();
    let has = |line: &str| metrics.lines().any(|known| known == line);
    assert!(has("orlop_agent_sink_unbalanced_files{sink=\"well\"} 0"), "{metrics}");
    assert!(has("orlop_agent_sink_records{sink=\"well\",state=\"read\"} 8002"));
    let path = desk.path("logs/b.log");
    let line = format!(
        "orlop_agent_file_records{{file=\"{}\",sink=\"well\",state=\"read\"}} 3002",
        path.display()
    );
    assert!(has(&line), "{metrics}");
    let other = sink_at(closed, |_, _| Reply::Take);
    agent.until_status(&state, |status| {
        let second = &status["sinks"][1]["records"];
        adds_up(second) && number(second, "in_flight") == 0
    });
    assert_eq!(agent.stop(), 0);
    other.each_once(well.bodies().len() + 1);
}

#[test]
fn r25_records_that_are_given_back_to_their_trace_do_not_count_twice() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}}]\n\
         sampling: {{keep_percent: 1, rescue: {{window: 1m}}}}\n\
         sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{wait: 5ms}}}}]\n",
        sink.address()
    ));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4700";
    for at in 0..100 {
        let line = format!("{{\"trace_id\":\"{trace}\",\"level\":\"info\",\"msg\":\"{at}\"}}\n");
        desk.append("logs/a.log", &line);
    }
    let state = desk.path("state");
    let agent = desk.start();
    agent.until_status(&state, |status| status["records"]["read"] == 100);
    let line = format!("{{\"trace_id\":\"{trace}\",\"level\":\"error\",\"msg\":\"e\"}}\n");
    desk.append("logs/a.log", &line);
    sink.until(101);
    agent.until_status(&state, |status| {
        let records = &status["sinks"][0]["records"];
        assert!(adds_up(records), "{records}");
        number(records, "sent") == 101 && number(records, "read") == 101
    });
    assert_eq!(agent.stop(), 0);
}

#[test]
fn r25_adjusted_counts_of_a_trace_with_an_error_add_up_to_its_records() {
    let (desk, sink) = (Desk::new(), Sink::of_records());
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}}]\n\
         sampling: {{rescue: {{window: 10m}}, \
         hot_trace: {{lines_per_second: 5, keep_percent: 10}}}}\n\
         sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{wait: 5ms}}}}]\n",
        sink.address()
    ));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4700";
    let line = |level: &str, at: u32| {
        format!("{{\"trace_id\":\"{trace}\",\"level\":\"{level}\",\"msg\":\"{at}\"}}\n")
    };
    let infos = |from, to| (from..to).map(|at| line("info", at)).collect::<String>();
    let (before, all) = (2_000, 2_401);
    desk.append("logs/a.log", &infos(0, before));
    let (state, agent) = (desk.path("state"), desk.start());
    agent.until_status(&state, |status| status["records"]["read"] == before);
    desk.append("logs/a.log", &(line("error", before) + &infos(before + 1, all)));
    agent.until_status(&state, |status| {
        let records = &status["sinks"][0]["records"];
        adds_up(records) && number(records, "sent") == u64::from(all)
    });
    assert_eq!(agent.stop(), 0);
    let records = sink.0.records();
    let (own, theirs): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| record.resource["log.file.path"] == "orlop:sampling");
    let counts = |from, to| -> Vec<f64> {
        let known = (from..to).map(|at: u32| at.to_string()).collect::<Vec<_>>();
        let chosen = theirs.iter().filter(|record| known.contains(&record.body));
        let count = |of: &Value| of.as_f64().unwrap();
        chosen.map(|one| one.attributes.get(COUNT).map_or(1.0, count)).collect()
    };
    // What follows the error is kept by no rule and stands for itself.
    assert_eq!(counts(before, all), vec![1.0; 401]);
    // Of what came before, those stand for the others that came through at once.
    let early = counts(0, before);
    let (sum, truth) = (early.iter().sum::<f64>(), f64::from(before));
    assert!(early.len() == 2_000 && (sum - truth).abs() <= truth / 100.0, "{sum}");
    let rescued = early.iter().filter(|count| **count == 0.0).count() as u64;
    let told = own.iter().map(|record| record.attributes["sampling.dropped"].as_u64().unwrap());
    assert_eq!(told.sum::<u64>(), rescued, "{own:?}");
}

#[test]
fn r26_only_lines_of_the_trace_are_given_back_whatever_stands_between_their_parts() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4700";
    let entry = |stream: &str, text: &str| format!("2024-05-06T07:08:09.1Z {stream} {text}\n");
    let line = |level: &str, at: u32| format!("2024 level={level} trace_id={trace} msg={at}");
    let chain = |at: u32| {
        let line = line("info", at);
        let (start, rest) = line.split_at(20);
        [entry("stdout", &format!("P {start}")), entry("stdout", &format!("F {rest}"))]
    };
    let group = |at: u32| {
        let (line, more) = (line("info", at), format!("F   and {at}"));
        [entry("stdout", &format!("F {line}")), entry("stdout", &more)]
    };
    let all = 30;
    for groups in [false, true] {
        let (desk, sink) = (Desk::new(), Sink::of_records());
        let multiline = if groups { ", multiline: {first_line: '^2024'}" } else { "" };
        desk.config(&format!(
            "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, \
             framing: cri, parsers: [logfmt]{multiline}}}]\n\
             sampling: {{rescue: {{window: 10m}}, \
             hot_trace: {{lines_per_second: 1, keep_percent: 0.1}}}}\n\
             sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{wait: 5ms}}}}]\n",
            sink.address()
        ));
        for at in 0..all {
            let [start, end] = if groups { group(at) } else { chain(at) };
            let between = entry("stderr", &format!("F 2024 of the other stream {at}"));
            desk.append("logs/a.log", &(start + &between + &end));
        }
        let (state, agent) = (desk.path("state"), desk.start());
        // The last group of each stream is open until another one begins.
        let (read, open) = if groups { (58, "F 2024 the end") } else { (60, "F the end") };
        agent.until_status(&state, |status| status["records"]["read"].as_u64() >= Some(read));
        desk.append("logs/a.log", &entry("stderr", open));
        desk.append("logs/a.log", &entry("stdout", &format!("F {}", line("error", 30))));
        desk.append("logs/a.log", &entry("stdout", open));
        let status = agent.until_status(&state, |status| {
            let records = &status["sinks"][0]["records"];
            number(records, "sent") >= 62 && number(records, "in_flight") == 0
        });
        assert!(adds_up(&status["sinks"][0]["records"]), "{status}");
        assert_eq!(agent.stop(), 0);
        let records = sink.0.records();
        let theirs = records.iter().filter(|one| one.resource["log.file.path"] != "orlop:sampling");
        let mut bodies: Vec<_> = theirs.map(|one| one.body.as_str()).collect();
        bodies.sort_unstable();
        let is_last = |body: &&str| body.ends_with("the end");
        assert_eq!(bodies.iter().copied().filter(|body| !is_last(body)).count(), 61, "{bodies:?}");
        bodies.retain(|body| !is_last(body));
        bodies.dedup();
        assert_eq!(bodies.len(), 61, "a line was delivered twice: {bodies:?}");
        let back = records.iter().filter(|one| one.attributes.get(COUNT) == Some(&0.0.into()));
        assert_eq!(back.count() as u64, number(&status["records"], "rescued"));
    }
}

#[test]
fn r25_records_of_our_own_say_exactly_what_each_rule_left_out() {
    let desk = Desk::new();
    let sink = Sink::of_records();
    let config = |env: &str| {
        format!(
            "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, \
             resource: {{service.name: shop}}}}]\nresource: {{env: {env}}}\n\
             sampling: {{keep_percent: 20, summary: 1s, rate: {{field: user, lines_per_second: 5, \
             keep_percent: 10}}}}\n\
             sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{wait: 5ms}}}}]\n",
            sink.address()
        )
    };
    desk.config(&config("old"));
    desk.append("logs/a.log", &lines(0, 4_000));
    for at in 0..1_000 {
        desk.append("logs/a.log", &format!("user=loud msg=\"{at} of the loud one\"\n"));
    }
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| status["records"]["read"].as_u64() >= Some(5_000));
    // Its records have what all of them have, and nothing of an input.
    let of = |env: &str| {
        let own = sink.0.records().into_iter().map(|record| record.resource);
        own.filter(|own| own["log.file.path"] == "orlop:sampling" && own["env"] == env).count()
    };
    let well = testbed::wait::until(WAIT, || Ok::<_, Infallible>((of("old") > 0).then_some(())));
    assert!(well.unwrap().is_some(), "no summary came");
    reloaded(&desk, &agent, &config("new"));
    desk.append("logs/a.log", &lines(4_000, 5_000));
    agent.until_status(&state, |status| status["records"]["read"].as_u64() >= Some(6_000));
    // The last window is told at the end.
    assert_eq!(agent.stop(), 0);
    let records = sink.0.records();
    let (own, theirs): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| record.resource["log.file.path"] == "orlop:sampling");
    for record in &own {
        assert!(record.resource.contains_key("host.name"), "{:?}", record.resource);
        assert!(!record.resource.contains_key("service.name"), "{:?}", record.resource);
    }
    assert!(of("old") > 0 && of("new") > 0);
    assert!(own.iter().all(|record| record.attributes.contains_key("sampling.kept")), "{own:?}");
    let sum = |key: &str| {
        own.iter().map(|record| record.attributes[key].as_u64().unwrap()).sum::<u64>() as usize
    };
    assert_eq!(sum("sampling.dropped") + theirs.len(), 6_000, "{own:?}");
    let loud = own.iter().find(|record| record.attributes["sampling.rule"] == "hot-key").unwrap();
    let top = loud.attributes["sampling.top"].to_string();
    assert!(top.contains("loud"), "{top}");
    assert!(own[0].body.contains("left out"), "{}", own[0].body);
}
