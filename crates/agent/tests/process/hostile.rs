//! Files that nobody would write on purpose.

use super::full_disk::said;
use super::support::{Desk, Sink, lines, metric, sink};
use std::io::{Seek, SeekFrom, Write};
use testkit::log_sink::Reply;

fn config(sink: &Sink) -> String {
    format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, line_max_bytes: 256Ki}}]\n\
         checkpoint_interval: 50ms\nmemory_max_bytes: 8Mi\n\
         sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{wait: 5ms}}}}]\n",
        sink.address()
    )
}

#[test]
fn a_file_of_a_hundred_gigabytes_that_is_mostly_holes_is_read_at_once_and_without_its_holes() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink));
    desk.append("logs/a.log", &lines(0, 10));
    let path = desk.path("logs/a.log");
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    for (at, from) in [(50_u64 << 30, 10), (100 << 30, 20)] {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(lines(from, from + 10).as_bytes()).unwrap();
    }
    let agent = desk.start();
    sink.until(30);
    let memory = agent.rss_kb();
    assert!(memory < 64_000, "{memory} kB");
    let bytes = metric(&desk.path("state"), "orlop_agent_line_bytes_total");
    assert!(bytes < 1 << 20, "holes were read");
    assert!(metric(&desk.path("state"), "orlop_agent_hole_bytes_total") > 99 << 30);
    desk.until_said("a.log has a hole of ");
    assert_eq!(agent.stop(), 0);
    sink.each_once(30);
}

/// How many records have something of this kind to say of them.
fn odd(desk: &Desk, kind: &str) -> u64 {
    let name = format!("orlop_agent_records_odd_total{{kind=\"{kind}\"}}");
    metric(&desk.path("state"), &name)
}

#[test]
fn r31_a_binary_file_is_told_once_with_its_first_place_and_all_of_it_is_counted_and_delivered() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink));
    for name in ["logs/a.log", "logs/b.log"] {
        desk.append(name, &lines(0, 1));
    }
    let binary: Vec<u8> = (0..5_000_u32)
        .flat_map(|number| [&number.to_le_bytes()[..], &[0xff, b'\n']].concat())
        .collect();
    let path = desk.path("logs/a.log");
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    let begin = file.metadata().unwrap().len();
    file.write_all(&binary).unwrap();
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| {
        status["files"]["shown"][0]["delivered"] == status["files"]["shown"][0]["size"]
    });
    // Once also after a rotation.
    std::fs::rename(&path, desk.path("logs/a.log.1")).unwrap();
    std::fs::write(&path, [&b"\xff\n"[..], lines(7, 8).as_bytes()].concat()).unwrap();
    agent.until_status(&state, |_| sink.bodies().contains_key(lines(7, 8).trim_end()));
    assert!(odd(&desk, "repaired") > 5_000);
    assert_eq!(agent.stop(), 0);
    let said = said(&desk);
    let told: Vec<&str> = said.lines().filter(|line| line.contains("is no text in its")).collect();
    assert_eq!(told.len(), 1, "{said}");
    assert!(told[0].contains("a.log ") && told[0].contains(&format!("at byte {begin},")), "{said}");
}

#[test]
fn r13_r31_what_only_looks_like_an_entry_is_text_and_what_is_none_is_told_once_and_counted() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink).replace("start_at", "framing: cri, start_at"));
    let (stamp, clear) = ("2026-01-02T03:04:05Z", "\u{1b}[2J\u{1b}]0;title\u{7}");
    let alike = format!("{stamp} stderr F {{\"level\":\"fatal\"}}");
    let name = format!("logs/{clear}.log");
    desk.append(&name, &format!("{stamp} stdout F {alike}\n{stamp} stdout F {clear}\n"));
    let begin = std::fs::metadata(desk.path(&name)).unwrap().len();
    for number in 0..1_000 {
        desk.append(&name, &format!("{clear} {number} of no entry\n"));
    }
    desk.append("logs/well.log", &format!("{stamp} stdout F well\n"));
    let agent = desk.start();
    sink.until(1_003);
    assert_eq!(odd(&desk, "malformed"), 1_000);
    assert_eq!(agent.stop(), 0);
    for body in [alike.as_str(), clear, "well", &format!("{clear} 0 of no entry")] {
        assert_eq!(sink.bodies().get(body), Some(&1), "{body:?}");
    }
    let said = said(&desk);
    let told: Vec<&str> = said.lines().filter(|line| line.contains("is no entry of a")).collect();
    assert!(told.len() == 1 && told[0].contains(&format!("at byte {begin},")), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
}

/// The size of the line can be set with `ORLOP_TEST_LINE_MIB`; 10,240 is the one of R14.
#[test]
fn r14_a_line_without_an_end_is_cut_in_constant_memory_and_the_next_one_is_whole() {
    let mebibytes: u64 =
        std::env::var("ORLOP_TEST_LINE_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(64);
    let desk = Desk::new();
    let sink = Sink::of_records();
    // Batches have to hold the line when it is cut.
    desk.config(&config(&sink).replace("8Mi", "32Mi").replace("256Ki", "1Mi"));
    desk.append("logs/a.log", "before\n");
    let agent = desk.start();
    sink.until(1);
    let before = agent.rss_kb();
    let mut file = std::fs::File::options().append(true).open(desk.path("logs/a.log")).unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..mebibytes {
        file.write_all(&piece).unwrap();
    }
    file.write_all(b"\nafter\n").unwrap();
    sink.until(3);
    let after = agent.rss_kb();
    assert!(after < before + 24_000, "{before} kB became {after} kB");
    let truncated = metric(&desk.path("state"), "orlop_agent_truncated_bytes_total");
    assert_eq!(truncated, (mebibytes - 1) << 20);
    assert_eq!(agent.stop(), 0);
    let records = sink.0.records();
    let bodies: Vec<usize> = records.iter().map(|record| record.body.len()).collect();
    assert_eq!(bodies, [6, 1 << 20, 5]);
    let attributes = format!("{:?}", records[1].attributes);
    assert!(attributes.contains(&(mebibytes << 20).to_string()), "{attributes}");
}

#[test]
fn r8_a_file_that_is_deleted_while_the_agent_is_dead_harms_no_other_and_its_name_begins_anew() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink));
    desk.append("logs/a.log", &lines(0, 1_000));
    desk.append("logs/b.log", &lines(1_000, 2_000));
    let agent = desk.start();
    sink.until(2_000);
    agent.until_status(&desk.path("state"), |status| {
        let files = status["files"]["shown"].as_array().unwrap();
        files.len() == 2
            && files.iter().all(|file| file["delivered"] == file["size"])
            && status["checkpoints"]["written"].as_u64() >= Some(2)
    });
    agent.kill();
    desk.append("logs/a.log", &lines(2_000, 2_010));
    desk.append("logs/b.log", &lines(2_010, 2_020));
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    // Longer than what was read of the one before, and with the same beginning.
    desk.append("logs/a.log", &lines(0, 1));
    desk.append("logs/a.log", &lines(2_020, 4_000));
    let agent = desk.start();
    // What only the deleted file had is gone with it: 2,000 to 2,009.
    sink.until(3_990);
    assert_eq!(agent.stop(), 0);
    let bodies = sink.bodies();
    assert_eq!(bodies.len(), 3_990);
    let line = |number: usize| lines(number, number + 1).trim_end().to_owned();
    assert!(!bodies.contains_key(&line(2_000)) && bodies.contains_key(&line(2_010)));
    assert_eq!(bodies[&line(0)], 2, "the first line of the new file is its own");
    assert!((2_010..4_000).all(|number| bodies[&line(number)] == 1));
}

#[test]
fn r14_a_line_whose_end_is_there_and_not_read_yet_is_never_cut() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    // Chunks of a file end within lines, and its next turn comes after one of each other file.
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, \
         partial_timeout: 50ms}}]\n\
         sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{records: 100, wait: 5ms}}}}]\n",
        sink.address()
    ));
    let (files, each) = (30, 6_000);
    for file in 0..files {
        desk.append(&format!("logs/{file}.log"), &lines(file * each, (file + 1) * each));
    }
    let agent = desk.start();
    sink.until(files * each);
    // A line whose end is really missing is told after a while.
    let half = "half of a line";
    desk.append("logs/0.log", half);
    sink.until(files * each + 1);
    assert_eq!(agent.stop(), 0);
    sink.each_once(files * each + 1);
    assert!(sink.bodies().contains_key(half));
}

#[test]
fn r16_a_group_whose_next_line_is_there_and_not_read_yet_is_never_split() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    // Chunks of a file end within groups, and its next turn comes after one of each other file.
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, parsers: [], \
         multiline: {{first_line: '^line', timeout: 50ms}}}}]\n\
         sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{records: 100, wait: 5ms}}}}]\n",
        sink.address()
    ));
    let (files, each) = (30, 3_000);
    let more = "\n  one more line of it that is long enough to count".repeat(3);
    let whole = |number: usize| format!("{}{more}", lines(number, number + 1).trim_end());
    for file in 0..files {
        let groups = (file * each..(file + 1) * each).map(whole);
        desk.append(&format!("logs/{file}.log"), &(groups.collect::<Vec<_>>().join("\n") + "\n"));
    }
    let agent = desk.start();
    // The last group of each file ends by its time, once everything was read.
    sink.until(files * each);
    assert_eq!(agent.stop(), 0);
    let bodies = sink.bodies();
    assert_eq!(bodies.len(), files * each);
    assert!((0..files * each).all(|number| bodies.get(&whole(number)) == Some(&1)));
}
