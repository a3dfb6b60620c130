//! Files that are deleted while no sink takes anything, and what becomes of them over a restart.

use crate::full_disk::{config, said};
use crate::support::{Agent, Desk, Sink, closed_port, lines, metric, sink_at};
use rustix::process::Signal;
use std::collections::HashSet;
use std::net::TcpListener;
use std::time::Duration;
use testkit::log_sink::Reply;

/// Agents whose sink is where nobody listens, for now.
struct Alone {
    desk: Desk,
    closed: TcpListener,
}

impl Alone {
    fn new(more: &str) -> Self {
        let closed = closed_port();
        let address = closed.local_addr().unwrap();
        let desk = Desk::new();
        desk.config(&config(&address.to_string(), more));
        Self { desk, closed }
    }

    /// An agent that has found out, and whose files are deleted then.
    fn start(&self, deleted: &[&str]) -> Agent {
        let agent = self.desk.start();
        let state = self.desk.path("state");
        agent.until_status(&state, |status| {
            status.pointer("/sinks/0/failing").is_some_and(|failing| !failing.is_null())
        });
        for name in deleted {
            std::fs::remove_file(self.desk.path(name)).unwrap();
        }
        agent
    }

    fn rename(&self, from: &str, to: &str) {
        let to = self.desk.path(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(self.desk.path(from), to).unwrap();
    }

    fn until_memory_only(&self, agent: &Agent, well: impl Fn(u64) -> bool) {
        agent.until_status(&self.desk.path("state"), |status| {
            let alone = status.pointer("/files/memory_only_bytes");
            alone.and_then(serde_json::Value::as_u64).is_some_and(&well)
        });
    }

    fn until_kept(&self, agent: &Agent, bytes: usize) {
        agent.until_status(&self.desk.path("state"), |status| {
            let kept = status.pointer("/files/spilled_bytes");
            kept.and_then(serde_json::Value::as_u64) == Some(bytes as u64)
        });
    }

    /// The next agent finds somebody who takes everything, and all of it comes, each line once.
    fn all_come(&self, number: usize) -> Sink {
        let sink = self.sink();
        let agent = self.desk.start();
        sink.until(number);
        assert_eq!(agent.stop(), 0);
        sink.each_once(number);
        sink
    }

    /// From now on somebody takes everything.
    fn sink(&self) -> Sink {
        sink_at(self.closed.try_clone().unwrap(), |_, _| Reply::Take)
    }
}

#[test]
fn r19_r20_a_deleted_file_that_no_sink_has_survives_a_kill() {
    // One that memory holds whole, and one that it does not.
    for written in [1_000, 200_000] {
        let (alone, text) = (Alone::new(""), lines(0, written));
        alone.desk.append("logs/a.log", &text);
        let agent = alone.start(&["logs/a.log"]);
        alone.until_kept(&agent, text.len());
        agent.kill();
        alone.all_come(written);
    }
}

#[test]
fn r20_a_stop_keeps_what_it_has_of_deleted_files_for_the_next_start() {
    for written in [1_000, 200_000] {
        let alone = Alone::new("shutdown_timeout: 300ms\n");
        alone.desk.append("logs/a.log", &lines(0, written));
        alone.desk.append("logs/stays.log", &lines(written, written + 10));
        assert_eq!(alone.start(&["logs/a.log"]).stop(), 1);
        let said = said(&alone.desk);
        assert!(!said.contains("lost"), "{said}");
        alone.all_come(written + 10);
    }
}

#[test]
fn r20_what_was_kept_aside_and_is_damaged_is_told_counted_and_hides_nothing_behind_it() {
    let (alone, each) = (Alone::new(""), 1_000);
    let names = ["logs/0.log", "logs/1.log", "logs/2.log"];
    for (number, name) in names.iter().enumerate() {
        alone.desk.append(name, &lines(number * each, (number + 1) * each));
    }
    let agent = alone.start(&names);
    alone.until_kept(&agent, lines(0, 3 * each).len());
    agent.kill();
    let segment = alone.desk.path("state/spill-0000000000000001");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let sink = alone.sink();
    let agent = alone.desk.start();
    sink.until(2 * each);
    let state = alone.desk.path("state");
    agent.until_status(&state, |status| status["files"]["possible_loss_bytes"] != 0);
    let lost = metric(&state, "orlop_agent_possible_loss_bytes_total");
    assert!((lines(0, each).len()..bytes.len() / 2).contains(&usize::try_from(lost).unwrap()));
    assert_eq!(metric(&state, "orlop_agent_possible_losses_total"), 1);
    assert_eq!(agent.stop(), 0);
    assert_eq!(sink.bodies().len(), 2 * each);
    let said = said(&alone.desk);
    assert!(said.contains(&format!("{lost} bytes of what was kept aside")), "{said}");
}

#[test]
fn r19_what_was_kept_aside_and_delivered_is_not_delivered_again_by_the_next_start() {
    let (alone, each) = (Alone::new(""), 1_000);
    let names = ["logs/0.log", "logs/1.log", "logs/2.log"];
    for (number, name) in names.iter().enumerate() {
        alone.desk.append(name, &lines(number * each, (number + 1) * each));
    }
    let (written, agent) = (names.len() * each, alone.start(&names));
    alone.until_kept(&agent, lines(0, written).len());
    let sink = alone.sink();
    sink.until(written);
    assert_eq!(agent.stop(), 0);
    let agent = alone.desk.start();
    alone.desk.append("logs/more.log", &lines(written, written + 10));
    sink.until(written + 10);
    assert_eq!(agent.stop(), 0);
    sink.each_once(written + 10);
}

#[test]
fn r19_what_a_stop_still_delivers_of_what_was_kept_aside_is_repeated_by_no_more_than_a_piece() {
    let (alone, written) = (Alone::new(""), 200_000);
    let text = lines(0, written);
    alone.desk.append("logs/a.log", &text);
    let agent = alone.start(&["logs/a.log"]);
    alone.until_kept(&agent, text.len());
    // What is in memory finds a sink while the agent ends; the rest is for the next start.
    agent.signal(Signal::TERM);
    let sink = alone.sink();
    assert_eq!(agent.wait(), 0);
    assert!((1..written).contains(&sink.bodies().len()));
    let agent = alone.desk.start();
    sink.until(written);
    assert_eq!(agent.stop(), 0);
    // What is kept aside in one piece, 256 KiB, is let go in one.
    let (bodies, line) = (sink.bodies(), text.lines().next().unwrap().len() + 1);
    let repeated: usize = bodies.values().map(|times| times - 1).sum();
    assert!(repeated <= (256 << 10) / line, "{repeated}");
    let invented = bodies.keys().filter(|body| body.len() + 1 != line).count();
    assert_eq!((bodies.len(), invented), (written, 0));
}

/// Asserts that these lines came and nothing else.
fn whole(sink: &Sink, text: &str) {
    let (bodies, known) = (sink.bodies(), text.lines().collect::<HashSet<_>>());
    let torn = bodies.keys().find(|body| !known.contains(body.as_str()));
    assert_eq!((torn, bodies.len()), (None, known.len()));
}

#[test]
fn r20_a_file_that_was_renamed_and_then_deleted_is_one_file_to_the_next_start() {
    // Once memory does not hold it whole: the rest is read when it has its other name.
    for written in [1_000, 200_000] {
        let alone = Alone::new("shutdown_timeout: 300ms\n");
        alone.desk.append("logs/a.log", &lines(0, written));
        let agent = alone.start(&[]);
        let (old, new) = (alone.desk.path("logs/a.log"), alone.desk.path("logs/a.log.1"));
        std::fs::rename(old, &new).unwrap();
        agent.until_status(&alone.desk.path("state"), |status| {
            let path = status["files"]["shown"][0]["path"].as_str();
            path.is_some_and(|path| path.ends_with(".1"))
        });
        std::fs::remove_file(new).unwrap();
        assert_eq!(agent.stop(), 1);
        let said = said(&alone.desk);
        assert!(!said.contains("lost"), "{said}");
        let sink = alone.all_come(written);
        whole(&sink, &lines(0, written));
    }
}

#[test]
fn r20_a_stop_tells_nothing_as_lost_of_rotated_files_that_were_deleted_right_before_it() {
    const FILES: usize = 60;
    let alone = Alone::new("");
    let name = |file: usize| format!("logs/{file}.log");
    (0..FILES).for_each(|file| alone.desk.append(&name(file), &lines(file, file + 1)));
    let (agent, state) = (alone.start(&[]), alone.desk.path("state"));
    for file in 0..FILES {
        alone.rename(&name(file), &format!("{}.1", name(file)));
        alone.desk.append(&name(file), &lines(FILES + file, FILES + file + 1));
    }
    agent.until_status(&state, |status| status["records"]["read"] == 2 * FILES);
    for file in 0..FILES {
        std::fs::remove_file(alone.desk.path(&format!("{}.1", name(file)))).unwrap();
    }
    assert_eq!(agent.stop(), 1);
    let said = said(&alone.desk);
    assert!(!said.contains("lost"), "{said}");
    alone.all_come(2 * FILES);
}

#[test]
fn r19_r20_what_a_stop_has_of_a_file_that_no_start_finds_is_kept_for_the_next_start() {
    // Moved by itself, and with its folder; once more than memory holds.
    for (written, from, to) in [
        (1_000, "logs/a.log", "logs/old/a.log"),
        (200_000, "logs/a.log", "elsewhere/a.log"),
        (1_000, "logs", "logs.old"),
    ] {
        let alone = Alone::new("shutdown_timeout: 300ms\n");
        alone.desk.append("logs/a.log", &lines(0, written));
        let agent = alone.start(&[]);
        alone.rename(from, to);
        // Another file has its name.
        alone.desk.append("logs/a.log", &lines(written, written + 10));
        assert_eq!(agent.stop(), 1, "{to}");
        let said = said(&alone.desk);
        assert!(!said.contains("lost"), "{said}");
        let sink = alone.all_come(written + 10);
        whole(&sink, &lines(0, written + 10));
    }
}

#[test]
fn r19_what_was_kept_aside_of_a_file_is_not_read_from_it_when_the_next_start_finds_it() {
    let (alone, written) = (Alone::new("shutdown_timeout: 300ms\n"), 1_000);
    alone.desk.append("logs/a.log", &lines(0, written));
    let agent = alone.start(&[]);
    alone.rename("logs/a.log", "logs/old/a.log");
    assert_eq!(agent.stop(), 1);
    alone.desk.append("logs/old/a.log", &lines(written, written + 10));
    alone.rename("logs/old/a.log", "logs/a.log");
    alone.all_come(written + 10);
}

#[test]
fn r20_what_a_stop_cannot_keep_of_a_file_that_no_start_finds_is_told_as_lost() {
    let alone = Alone::new("shutdown_timeout: 300ms\nspill_bytes: 1Mi\n");
    alone.desk.append("logs/a.log", &lines(0, 200_000));
    let agent = alone.start(&[]);
    alone.rename("logs/a.log", "logs/old/a.log");
    assert_eq!(agent.stop(), 1);
    let said = said(&alone.desk);
    let path = alone.desk.path("logs/a.log");
    let named = format!("{}, which was deleted or moved to where no start looks", path.display());
    assert!(said.contains(&named) && said.contains("they are lost"), "{said}");
}

#[test]
fn r19_a_file_that_was_renamed_in_its_folder_survives_a_kill_and_a_stop() {
    for is_killed in [true, false] {
        let (alone, written) = (Alone::new("shutdown_timeout: 300ms\n"), 200_000);
        alone.desk.append("logs/a.log", &lines(0, written));
        let agent = alone.start(&[]);
        alone.rename("logs/a.log", "logs/a.log.bak");
        agent.until_status(&alone.desk.path("state"), |status| {
            status["files"]["shown"][0]["path"].as_str().is_some_and(|path| path.ends_with(".bak"))
        });
        if is_killed {
            agent.kill();
        } else {
            assert_eq!(agent.stop(), 1);
        }
        let sink = alone.all_come(written);
        whole(&sink, &lines(0, written));
    }
}

#[test]
fn r20_what_was_read_of_files_that_are_deleted_one_after_the_other_is_kept_with_the_rest() {
    let (alone, files, each) = (Alone::new("shutdown_timeout: 300ms\n"), 400, 30);
    let name = |number: usize| format!("logs/{number}.log");
    for number in 0..files {
        alone.desk.append(&name(number), &lines(number * each, (number + 1) * each - 1));
    }
    let agent = alone.start(&[]);
    let state = alone.desk.path("state");
    // All of them are read; then memory is full, and of each there is a rest.
    agent.until_status(&state, |status| {
        status["sinks"][0]["in_flight"].as_u64() == Some((files * (each - 1)) as u64)
    });
    let (all, written) = (files * each, 200_000);
    alone.desk.append("logs/stays", &lines(all, written));
    alone.rename("logs/stays", "logs/stays.log");
    agent.until_status(&state, |_| metric(&state, "orlop_agent_stalls_total") > 0);
    for number in 0..files {
        alone.desk.append(&name(number), &lines((number + 1) * each - 1, (number + 1) * each));
    }
    // A few between two looks of the agent, so that some are met in the middle of one.
    for number in 0..files {
        std::fs::remove_file(alone.desk.path(&name(number))).unwrap();
        std::thread::park_timeout(Duration::from_millis(4));
    }
    assert_eq!(agent.stop(), 1);
    let said = said(&alone.desk);
    assert!(!said.contains("lost"), "{said}");
    alone.all_come(written);
}

#[test]
fn r19_r20_what_is_read_of_many_files_that_are_deleted_at_once_survives_a_kill() {
    // More than are held open while they are idle, and than are kept aside at once.
    let (alone, files, deleted) = (Alone::new(""), 1_500, 400);
    let name = |number: usize| format!("logs/{number}.log");
    for number in 0..files {
        alone.desk.append(&name(number), &lines(number, number + 1));
    }
    let agent = alone.start(&[]);
    agent.until_status(&alone.desk.path("state"), |status| {
        status["sinks"][0]["in_flight"].as_u64() == Some(files as u64)
    });
    for number in 0..deleted {
        std::fs::remove_file(alone.desk.path(&name(number))).unwrap();
    }
    alone.until_kept(&agent, lines(0, deleted).len());
    agent.kill();
    alone.all_come(files);
}

#[test]
fn r20_what_spill_bytes_has_no_room_for_is_told_and_counted_until_a_sink_has_it() {
    // One that memory holds whole, and one that it does not.
    for written in [12_000, 200_000] {
        let alone = Alone::new("spill_bytes: 1Mi\n");
        alone.desk.append("logs/a.log", &lines(0, written));
        let agent = alone.start(&["logs/a.log"]);
        alone.until_memory_only(&agent, |bytes| bytes > 100_000);
        alone.desk.until_said("aside: `spill_bytes` has no room; they are lost if the agent ends");
        let sink = alone.sink();
        sink.until(written);
        alone.until_memory_only(&agent, |bytes| bytes == 0);
        assert_eq!(agent.stop(), 0);
        sink.each_once(written);
        let said = said(&alone.desk);
        assert_eq!(said.matches("cannot keep").count(), 1, "{said}");
    }
}

/// Asserts what an agent that stopped has said of this file, of which it had read so much.
fn lost(alone: &Alone, name: &str, bytes: usize, fate: &str) {
    let (said, path) = (said(&alone.desk), alone.desk.path(name));
    let named = format!("{bytes} bytes of {}, which {fate}", path.display());
    assert!(said.contains(&named), "{named}: {said}");
    assert!(said.contains(&format!("but {bytes} bytes are lost")), "{said}");
}

#[test]
fn r20_what_a_stop_has_of_a_file_that_was_truncated_without_a_copy_is_told_as_lost() {
    let alone = Alone::new("shutdown_timeout: 300ms\n");
    alone.desk.append("logs/a.log", &lines(0, 1_000));
    alone.desk.append("logs/stays.log", &lines(1_000, 1_010));
    let agent = alone.start(&[]);
    let state = alone.desk.path("state");
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 1_010);
    std::fs::write(alone.desk.path("logs/a.log"), lines(2_000, 2_010)).unwrap();
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 1_020);
    assert_eq!(agent.stop(), 1);
    lost(&alone, "logs/a.log", lines(0, 1_000).len(), "was truncated or written anew");
    let sink = alone.sink();
    let agent = alone.desk.start();
    sink.until(20);
    assert_eq!((agent.stop(), sink.bodies().len()), (0, 20));
}

#[test]
fn r20_r30_what_a_stop_has_of_a_file_that_no_input_means_any_more_is_told_as_lost() {
    let alone = Alone::new("shutdown_timeout: 300ms\n");
    alone.desk.append("logs/a.log", &lines(0, 1_000));
    alone.desk.append("logs/stays.log", &lines(1_000, 1_010));
    let agent = alone.start(&[]);
    let state = alone.desk.path("state");
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 1_010);
    let address = alone.closed.local_addr().unwrap().to_string();
    let text = config(&address, "shutdown_timeout: 300ms\n");
    alone.desk.config(&text.replace("logs/*.log", "logs/s*.log"));
    agent.until_status(&state, |_| metric(&state, "orlop_agent_reloads_total") == 2);
    assert_eq!(agent.stop(), 1);
    lost(&alone, "logs/a.log", lines(0, 1_000).len(), "no input means any more");
}
