//! What an agent without a config does on a host: the standard logs and the journal, over a
//! `/var/log` and a `journalctl` of the test. Needs root.

use super::journald::program;
use super::support::Desk;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A host of its own as the agent sees it: what it has in `/var/log`, and its journalctl.
fn host(desk: &Desk, files: &[&str]) -> Option<String> {
    if !Path::new("/usr/bin/journalctl").exists() || !rustix::process::geteuid().is_root() {
        testkit::cluster::skip("a host of its own needs root and journalctl");
        return None;
    }
    std::fs::create_dir_all(desk.path("log/journal")).unwrap();
    files.iter().for_each(|name| desk.append(&format!("log/{name}"), "from before\n"));
    let entry = |number| format!("__CURSOR=s={number}\\nMESSAGE=of the journal {number}\\n\\n");
    let (first, later) = (entry(1), entry(2));
    program(
        desk,
        &format!(
            "printf '{first}'\ncase \"$*\" in *--follow*) printf '{later}'; exec sleep 1000;; esac"
        ),
    );
    Some(desk.path("").to_str().unwrap().to_owned())
}

#[test]
fn with_no_config_at_all_the_agent_reads_the_host_and_says_what_it_found() {
    for (files, of_journal) in [
        (["dpkg.log", "nginx/access.log"], "reading a journal"),
        (["dpkg.log", "syslog"], "the journal is not read, a syslog daemon writes it to this file"),
        // A daemon that is gone has left it.
        (["dpkg.log", "messages"], "reading a journal"),
    ] {
        let desk = Desk::new();
        let Some(root) = host(&desk, &files) else { return };
        if let Ok(left) = File::options().append(true).open(desk.path("log/messages")) {
            left.set_modified(SystemTime::now() - Duration::from_hours(72)).unwrap();
        }
        let script = "mount --bind \"$0/log\" /var/log && \
                      mount --bind \"$0/journalctl\" /usr/bin/journalctl && exec \"$@\"";
        let by = ["unshare", "--mount", "sh", "-c", script, &root];
        let (state, out) = (desk.path("state"), desk.path("out.jsonl"));
        let words = ["--state-dir", state.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        let agent = desk.start_as(&by, &words, File::create(&out).unwrap().into());
        for name in files {
            desk.append(&format!("log/{name}"), &format!("a line of {name}\n"));
        }
        let is_read = of_journal == "reading a journal";
        let records = if is_read { 3 } else { 2 };
        agent.until_status(&state, |status| status["sinks"][0]["sent"] == records);
        let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
        for name in files {
            assert!(said.contains(&format!("reading path=/var/log/{name} from=12")), "{said}");
        }
        for words in [of_journal, "records go to sink=\"stdout\"", "this is the first start here"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let address = said.split_once("address=").unwrap().1.split_whitespace().next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).unwrap();
        let read = format!("\norlop_agent_records_read_total {records}\n");
        assert!(
            metrics.contains("\norlop_agent_files 2\n") && metrics.contains(&read),
            "{metrics}"
        );
        assert_eq!(agent.stop(), 0);
        let text = std::fs::read_to_string(&out).unwrap();
        // What runs the test says something, too.
        let records = text.lines().filter(|line| line.starts_with('{'));
        let body = |line| serde_json::from_str::<Value>(line).unwrap()["body"].clone();
        let bodies: BTreeSet<String> =
            records.map(|line| body(line).as_str().unwrap_or_default().to_owned()).collect();
        let mut wanted: BTreeSet<String> = files.map(|name| format!("a line of {name}")).into();
        wanted.extend(is_read.then(|| "of the journal 2".to_owned()));
        assert_eq!(bodies, wanted);
    }
}
