//! R7: rotated files that are compressed are read when an input asks for it, each line once.

use super::support::{Desk, Sink, lines, sink};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};
use testkit::log_sink::Reply;

fn config(sink: &Sink, more: &str) -> String {
    format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, compressed: true}}]\n\
         checkpoint_interval: 50ms\n{more}\
         sinks: [{{type: otlp_http, name: s, endpoint: 'http://{}', batch: {{records: 500, wait: \
         5ms}}}}]\n",
        sink.address()
    )
}

pub(crate) fn gzip(path: &Path, text: &[u8], written: SystemTime) {
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::new(1));
    encoder.write_all(text).unwrap();
    // As gzip itself does it.
    encoder.finish().unwrap().set_modified(written).unwrap();
}

pub(crate) fn hours_ago(hours: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(hours * 3_600)
}

#[test]
fn r7_history_is_unpacked_once_also_when_the_agent_is_killed_in_the_middle_of_it() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", &lines(20_000, 20_100));
    gzip(&desk.path("logs/a.log.2.gz"), lines(0, 10_000).as_bytes(), hours_ago(2));
    gzip(&desk.path("logs/a.log.1.gz"), lines(10_000, 20_000).as_bytes(), hours_ago(1));
    let agent = desk.start();
    sink.until(5_000);
    agent.kill();
    let agent = desk.start();
    sink.until(20_100);
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(agent.stop(), 0);
    let before = sink.bodies();
    assert_eq!(before.len(), 20_100, "lines were lost or invented");
    // The next start finds nothing new.
    let agent = desk.start();
    desk.append("logs/a.log", &lines(20_100, 20_101));
    sink.until(20_101);
    assert_eq!(agent.stop(), 0);
    let again = sink.bodies();
    assert!(before.iter().all(|(body, times)| again[body] == *times), "history came again");
}

#[test]
fn r7_a_file_that_was_read_in_part_and_compressed_meanwhile_is_read_from_where_it_stood() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", &lines(0, 3_000));
    // One that was read while it grew, or so it seems: it is older than the checkpoint.
    let agent = desk.start();
    sink.until(3_000);
    gzip(&desk.path("logs/a.log.9.gz"), lines(90_000, 90_010).as_bytes(), hours_ago(3));
    assert_eq!(agent.stop(), 0);
    desk.append("logs/a.log", &lines(3_000, 4_000));
    let text = std::fs::read(desk.path("logs/a.log")).unwrap();
    let written = std::fs::metadata(desk.path("logs/a.log")).unwrap().modified().unwrap();
    gzip(&desk.path("logs/a.log.1.gz"), &text, written);
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    desk.append("logs/a.log", &lines(4_000, 4_100));
    let agent = desk.start();
    sink.until(4_100);
    assert_eq!(agent.stop(), 0);
    sink.each_once(4_100);
}

#[test]
fn r7_a_damaged_archive_and_one_that_never_ends_harm_nobody() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink, "memory_max_bytes: 32Mi\n"));
    desk.append("logs/a.log", &lines(5_000, 5_010));
    gzip(&desk.path("logs/a.log.1.gz"), lines(0, 5_000).as_bytes(), hours_ago(3));
    let whole = std::fs::read(desk.path("logs/a.log.1.gz")).unwrap();
    std::fs::write(desk.path("logs/a.log.1.gz"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(desk.path("logs/a.log.2.gz"), b"this is no gzip\n").unwrap();
    // A text of a thousand times its archive, in one line.
    gzip(&desk.path("logs/b.log.1.gz"), &vec![b'x'; 256 << 20], hours_ago(1));
    let agent = desk.start();
    let long = |body: &String| body.starts_with("xxx");
    let state = desk.path("state");
    let first = lines(0, 1).trim_end().to_owned();
    agent.until_status(&state, |_| {
        let bodies = sink.bodies();
        bodies.keys().any(long) && bodies.contains_key(&first)
    });
    desk.until_said("a.log.2.gz");
    let memory = agent.rss_kb();
    assert!(memory < 96_000, "{memory} kB");
    assert_eq!(agent.stop(), 0);
    let bodies = sink.bodies();
    assert!((5_000..5_010).all(|number| bodies[lines(number, number + 1).trim_end()] == 1));
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(said.contains("cannot unpack") && said.contains("a.log.2.gz"), "{said}");
}

#[test]
fn r7_after_a_lost_checkpoint_compressed_files_are_read_again_like_all_others() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", &lines(500, 600));
    gzip(&desk.path("logs/a.log.1.gz"), lines(0, 500).as_bytes(), hours_ago(1));
    let agent = desk.start();
    sink.until(600);
    assert_eq!(agent.stop(), 0);
    sink.each_once(600);
    for entry in std::fs::read_dir(desk.path("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with(store::CHECKPOINT) {
            std::fs::write(path, "damaged").unwrap();
        }
    }
    // What came while there was none to write it down.
    gzip(&desk.path("logs/a.log.2.gz"), lines(600, 900).as_bytes(), hours_ago(2));
    let agent = desk.start();
    desk.until_said("there is no older one: everything is read from its beginning");
    sink.until(900);
    desk.append("logs/a.log", &lines(900, 901));
    sink.until(901);
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(agent.stop(), 0);
    let bodies = sink.bodies();
    for number in 0..600 {
        assert_eq!(bodies[lines(number, number + 1).trim_end()], 2);
    }
}

#[test]
fn r7_a_wrong_checksum_is_told_and_hides_nothing_behind_it() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", &lines(1_200, 1_210));
    let (path, more) = (desk.path("logs/a.log.1.gz"), desk.path("more.gz"));
    gzip(&path, lines(0, 1_000).as_bytes(), hours_ago(2));
    gzip(&more, lines(1_000, 1_200).as_bytes(), hours_ago(2));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 6;
    bytes[at] ^= 1;
    bytes.extend(std::fs::read(&more).unwrap());
    std::fs::write(&path, bytes).unwrap();
    let agent = desk.start();
    sink.until(1_210);
    desk.until_said("checksum");
    assert_eq!(agent.stop(), 0);
    sink.each_once(1_210);
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(said.contains("a.log.1.gz"), "{said}");
}

#[test]
fn r7_a_known_file_that_was_compressed_goes_on_where_it_stood_whenever_its_turn_comes() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&sink, ""));
    // The first one holds up the others: one that seems to be written before the checkpoint, and
    // one after it.
    let names = ["a", "b", "c"];
    let from = [0, 10_000, 11_000];
    for (name, from) in names.iter().zip(from) {
        desk.append(&format!("logs/{name}.log"), &lines(from, from + 500));
    }
    let agent = desk.start();
    sink.until(1_500);
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(agent.stop(), 0);
    let now = SystemTime::now();
    let written = [hours_ago(3), hours_ago(2), now];
    for ((name, from), (count, written)) in
        names.iter().zip(from).zip([10_000, 1_000, 1_000].into_iter().zip(written))
    {
        let text = lines(from, from + count);
        gzip(&desk.path(&format!("logs/{name}.log.1.gz")), text.as_bytes(), written);
        std::fs::remove_file(desk.path(&format!("logs/{name}.log"))).unwrap();
        desk.append(&format!("logs/{name}.log"), "");
    }
    desk.config(&config(&sink, "backfill_bytes_per_second: 1\n"));
    for _ in 0..2 {
        assert_eq!(desk.start().stop(), 0);
    }
    desk.start().kill();
    desk.config(&config(&sink, ""));
    let agent = desk.start();
    sink.until(12_000);
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(agent.stop(), 0);
    let bodies = sink.bodies();
    assert!((0..12_000).all(|number| bodies.contains_key(lines(number, number + 1).trim_end())));
    // What a kill repeats is of the one that was being read.
    let is_once = |number| bodies[lines(number, number + 1).trim_end()] == 1;
    assert!((0..500).chain(10_000..12_000).all(is_once), "what was delivered came again");
}
