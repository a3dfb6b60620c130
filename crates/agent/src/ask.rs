//! `orlop agent status` and `orlop agent tap`: questions to a running agent through its socket.
//!
//! One request, one answer, over HTTP/1.1 without async. Whatever is shown on a terminal is free
//! of control characters, because it may come from any container.

use crate::AgentError;
use crate::options::{Place, TapOptions};
use crate::run::{SOCKET, load};
use model::{ByteSize, Exit, Span};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take.
const ANSWER_SECONDS: u64 = 10;
/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The pause between two looks of `tap`.
const TAP_PAUSE: Duration = Duration::from_millis(200);

/// The socket of the agent that a command line means.
fn socket(place: &Place) -> Result<PathBuf, AgentError> {
    // With a state folder nothing of the config is needed, and it may be wrong or gone.
    if let Some(folder) = &place.state_dir {
        return Ok(folder.join(SOCKET));
    }
    let options = crate::options::RunOptions { place: place.clone(), listen: None };
    Ok(load(&options)?.state_dir.join(SOCKET))
}

/// Asks for a path.
fn ask(socket: &Path, path: &str) -> Result<String, AgentError> {
    let failed = |source| AgentError::NoAgent { socket: socket.to_owned(), source };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    let time = Some(Duration::from_secs(ANSWER_SECONDS));
    stream.set_read_timeout(time).and_then(|()| stream.set_write_timeout(time)).map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).map_err(failed)?;
    let wrong = |what: &str| AgentError::Answer { socket: socket.to_owned(), what: what.into() };
    let text = String::from_utf8(answer).map_err(|_| wrong("what is no text"))?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| wrong("nothing"))?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        Some(status) => Err(wrong(&format!("{status}: {}", body.trim()))),
        None => Err(wrong("what is no HTTP")),
    }
}

/// `orlop agent status`.
pub(crate) fn status(place: &Place, json: bool) -> Result<Exit, AgentError> {
    let socket = socket(place)?;
    let body = ask(&socket, "/status")?;
    let value: Value = serde_json::from_str(&body).map_err(|_| AgentError::Answer {
        socket: socket.clone(),
        what: "what is no JSON".to_owned(),
    })?;
    let text = if json { format!("{value:#}\n") } else { page(&value) };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(AgentError::Output)?;
    let ready = value.get("ready") == Some(&Value::Bool(true));
    Ok(if ready { Exit::Clean } else { Exit::Findings })
}

/// The status for people.
fn page(value: &Value) -> String {
    let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let text = |pointer: &str| {
        printable(value.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
    };
    let mut page = String::new();
    let up = Span(Duration::from_secs(number("/uptime_seconds")));
    let state = match value.pointer("/not_ready").and_then(Value::as_str) {
        None => "ready".to_owned(),
        Some(reason) => format!("not ready: {}", printable(reason.trim())),
    };
    let _ = writeln!(page, "orlop agent {}, up {up}, {state}", text("/version"));
    let _ = writeln!(
        page,
        "lines {}, {}; records {}, unparsed {}",
        number("/lines"),
        ByteSize(number("/bytes")),
        number("/records/read"),
        number("/records/unparsed")
    );
    let _ = writeln!(
        page,
        "files {}, unread {}, unreadable {}, possibly lost {}",
        number("/files/followed"),
        ByteSize(number("/files/unread_bytes")),
        number("/files/unreadable"),
        ByteSize(number("/files/possible_loss_bytes") + number("/files/dropped_bytes"))
    );
    page.push_str(&pods(value));
    page.push_str(&troubles(value));
    page.push_str("\nSINK                 SENT   IN FLIGHT   REFUSED   FAILURES\n");
    for sink in value.pointer("/sinks").and_then(Value::as_array).into_iter().flatten() {
        let number = |name: &str| sink.get(name).and_then(Value::as_u64).unwrap_or(0);
        let name = printable(sink.get("name").and_then(Value::as_str).unwrap_or_default());
        let _ = writeln!(
            page,
            "{name:<16} {:>8} {:>11} {:>9} {:>10}",
            number("sent"),
            number("in_flight"),
            number("quarantined") + number("oversize"),
            number("failures")
        );
        let expired = number("dead_letters_expired");
        if expired > 0 {
            let _ = writeln!(page, "  {expired} older dead letters were rotated away for its own");
        }
        if let Some(reason) = sink.pointer("/failing/reason").and_then(Value::as_str) {
            let seconds = sink.pointer("/failing/seconds").and_then(Value::as_u64).unwrap_or(0);
            let _ = writeln!(page, "  failing for {seconds} s: {}", printable(reason));
        }
    }
    page.push_str("\nUNDELIVERED   FILE\n");
    for file in value.pointer("/files/shown").and_then(Value::as_array).into_iter().flatten() {
        let number = |name: &str| file.get(name).and_then(Value::as_u64).unwrap_or(0);
        let path = printable(file.get("path").and_then(Value::as_str).unwrap_or_default());
        let left = ByteSize(number("size").saturating_sub(number("delivered"))).to_string();
        let deleted = file.get("deleted") == Some(&Value::Bool(true));
        let _ = writeln!(page, "{left:>11}   {path}{}", if deleted { " (deleted)" } else { "" });
    }
    if number("/files/left_out") > 0 {
        let _ = writeln!(page, "              and {} more", number("/files/left_out"));
    }
    page
}

/// What is known of the pods of this node; nothing without an input that asks for them.
fn pods(value: &Value) -> String {
    let mut page = String::new();
    let Some(pods) = value.get("pods").filter(|pods| pods.is_object()) else { return page };
    let number = |name: &str| pods.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (known, late) = (number("known"), number("late_files"));
    let (lists, failures) = (number("lists"), number("failures"));
    let listed = pods.get("listed") == Some(&Value::Bool(true));
    let _ = writeln!(
        page,
        "pods {known}, lists {lists}, failures {failures}, files without their pod {late}{}",
        if listed { "" } else { ", not listed yet" }
    );
    if let Some(reason) = pods.get("failing").and_then(Value::as_str) {
        let _ = writeln!(page, "  failing: {}", printable(reason));
    }
    page
}

/// A line for each thing that is not as it should be, of those that have no other place.
fn troubles(value: &Value) -> String {
    let mut lines = String::new();
    if let Some(why) = value.pointer("/reloads/refused_now").and_then(Value::as_str) {
        let why = why.trim_start_matches("error: ").lines().map(str::trim);
        let why = why.collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            lines,
            "the config that is there now is not used, and a start may fail with it: {}",
            printable(&why)
        );
    }
    let count: fn(u64) -> String = |number| number.to_string();
    let size: fn(u64) -> String = |bytes| ByteSize(bytes).to_string();
    for (pointer, shown, words) in [
        ("/checkpoints/failed", count, "checkpoints could not be written"),
        ("/files/memory_only_bytes", size, "of deleted files wait in memory: no room on the disk"),
        ("/files/spilled_bytes", size, "of deleted or moved files were kept aside"),
    ] {
        let number = value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        if number > 0 {
            let _ = writeln!(lines, "{} {words}", shown(number));
        }
    }
    lines
}

/// Text that is safe on a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `orlop agent tap`.
#[expect(clippy::disallowed_methods, reason = "a view for people is renewed at a pace")]
pub(crate) fn tap(place: &Place, options: &TapOptions) -> Result<Exit, AgentError> {
    let socket = socket(place)?;
    let mut path = format!("/tap?session={}&stage={}", std::process::id(), options.stage.name());
    for (name, value) in [("file", &options.file), ("pod", &options.pod)] {
        if let Some(value) = value {
            let _ = write!(path, "&{name}={}", escaped(value));
        }
    }
    let mut left = options.count.unwrap_or(u64::MAX);
    loop {
        let lines = ask(&socket, &path)?;
        let mut out = String::new();
        for line in lines.lines() {
            if left == 0 {
                break;
            }
            let value: Value = serde_json::from_str(line).unwrap_or_default();
            left -= u64::from(value.get("missed").is_none());
            if options.json {
                out.push_str(line);
                out.push('\n');
            } else {
                out.push_str(&shown(&value));
            }
        }
        std::io::stdout().lock().write_all(out.as_bytes()).map_err(AgentError::Output)?;
        if left == 0 {
            return Ok(Exit::Clean);
        }
        std::thread::sleep(TAP_PAUSE);
    }
}

/// A record for people: where it is from, how severe, what it says, its fields.
fn shown(value: &Value) -> String {
    if let Some(missed) = value.get("missed").and_then(Value::as_u64) {
        return format!("… {missed} records were not shown\n");
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let from = if text("pod").is_empty() { text("file") } else { text("pod") };
    let mut line = format!("{from} | ");
    if !text("severity").is_empty() {
        let _ = write!(line, "{} ", text("severity"));
    }
    line.push_str(text("body"));
    for (name, value) in value.get("attributes").and_then(Value::as_object).into_iter().flatten() {
        let _ = write!(line, " {name}={}", value.as_str().unwrap_or_default());
    }
    let mut line = printable(&line);
    line.push('\n');
    line
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_well_has_a_line_each_and_what_is_well_has_none() {
        let mut status = json!({
            "reloads": {"refused": 1, "refused_now": null},
            "checkpoints": {"failed": 0},
            "files": {"memory_only_bytes": 0, "spilled_bytes": 0},
        });
        let lines = |status: &Value| page(status).split("\nSINK").next().unwrap().lines().count();
        assert_eq!((lines(&status), troubles(&status).as_str()), (3, ""));
        for (pointer, value, words) in [
            (
                "/reloads/refused_now",
                json!("a\n  b:3: c\u{1b}"),
                "a start may fail with it: a b:3: c",
            ),
            ("/checkpoints/failed", json!(7), "7 checkpoints could not be written"),
            ("/files/memory_only_bytes", json!(2048), "2 KiB of deleted files wait in memory"),
            ("/files/spilled_bytes", json!(1024), "1 KiB of deleted or moved files were kept"),
        ] {
            let before = lines(&status);
            *status.pointer_mut(pointer).unwrap() = value;
            assert!(page(&status).contains(words), "{}", page(&status));
            assert_eq!(lines(&status), before + 1);
        }
        assert!(!troubles(&status).contains('\u{1b}'));
    }

    #[test]
    fn nothing_that_a_container_writes_moves_a_terminal() {
        let record = json!({"file": "/p\u{1b}[2J", "body": "a\nb\u{9b}2J\u{7}", "attributes": {"k\r": "\u{1b}]0;x\u{7}"}});
        let text = shown(&record);
        assert_eq!(text.lines().count(), 1);
        assert!(!text.trim_end().chars().any(char::is_control));
        let status = json!({"sinks": [{"name": "s", "failing": {"reason": "\u{1b}[31m", "seconds": 1}}],
                            "files": {"shown": [{"path": "/\u{1b}c", "size": 10, "delivered": 4}]}});
        assert!(!page(&status).chars().any(|c| c.is_control() && c != '\n'));
    }
}
