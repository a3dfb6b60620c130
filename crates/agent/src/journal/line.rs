//! An entry of the journal as a line of JSON, with what its message says of itself.

use crate::config::Reading;
use crate::encode::hex;
use crate::encode::json::string;
use lines::{Chunk, File, Intake, Plan, Record, Records, Streams, meaning};

/// The longest value of a field beside the message, as JSON in bytes; a unit's name has 255.
const SHORT_BYTES_MAX: usize = 1024;
/// Room for the marks of a line of which something was cut off, in bytes.
const MARKS_BYTES: usize = 80;
/// So much of a long text is written at once, in bytes.
const STEP_BYTES: usize = 4096;
/// So much of the first line of a message is looked at for what it says of itself, in bytes; of
/// what a unit prints, journald makes entries of at most 48 KiB.
const SAID_BYTES_MAX: usize = 64 * 1024;

/// Reads what messages say of themselves, as lines of files are read.
pub(super) struct Said {
    plan: Plan,
    intake: Intake,
    block: Records,
}

impl Said {
    pub(super) fn new() -> Result<Self, lines::PlanError> {
        let plan = Reading::default().plan(None)?;
        Ok(Self { plan, intake: Intake::new(), block: Records::new() })
    }

    /// A record of the first line alone.
    pub(super) fn of(&mut self, message: &[u8]) -> Record {
        let first = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let bytes = first.get(..SAID_BYTES_MAX).unwrap_or(first);
        let chunk = Chunk { bytes, last: true, ..Chunk::default() };
        let (mut file, mut streams) = (File::default(), Streams::default());
        self.block.clear();
        self.intake.feed(&self.plan, &mut file, &mut streams, &chunk, &mut self.block);
        self.block.records().first().copied().unwrap_or_default()
    }
}

/// Fields that have a meaning for every record beside the message, with the names that the parser
/// knows.
const MEANINGS: [(&str, &str); 3] = [
    ("SYSLOG_IDENTIFIER", "syslog.identifier"),
    ("_SYSTEMD_UNIT", "systemd.unit"),
    ("_PID", "process.pid"),
];

/// Priorities of syslog as words.
const PRIORITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
/// The one that systemd gives to what a unit prints.
const INFO: u8 = 6;

/// The priority of an entry whose message speaks of a severity, 0 for none. It counts when it is
/// more, and the entry has no other priority than systemd's own.
fn priority(told: Option<u8>, severity: u8) -> Option<u8> {
    let said = (0..=7).find(|level| meaning::syslog(u32::from(*level)) <= severity);
    match (told, said) {
        (None | Some(INFO), Some(said)) => Some(said.min(told.unwrap_or(said))),
        _ => told,
    }
}

/// An entry as a line of JSON of at most so many bytes, with what its message says of itself; how
/// many bytes of its text found no room.
pub(super) fn line(
    entry: &host::journal::Entry<'_>,
    said: &Record,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> u64 {
    let end = out.len() + bytes_max;
    out.extend_from_slice(b"{\"timestamp\":\"");
    out.extend_from_slice(entry.realtime_us().to_string().as_bytes());
    out.push(b'"');
    let mut lost = 0;
    let mut put = |out: &mut Vec<u8>, name: &str, field: &str, room: usize| {
        let Some(value) = entry.get(field) else { return };
        out.push(b',');
        string(out, name);
        out.push(b':');
        let text = String::from_utf8_lossy(value);
        let left = text.len() - string_within(out, &text, room);
        lost += entry.lost(field) + left as u64;
    };
    for (field, name) in MEANINGS {
        put(out, name, field, SHORT_BYTES_MAX);
    }
    let priority = priority(entry.priority(), said.severity);
    if let Some(word) = priority.and_then(|priority| PRIORITIES.get(usize::from(priority))) {
        out.extend_from_slice(b",\"level\":");
        string(out, word);
    }
    if said.status > 0 {
        let status = format!(",\"http.response.status_code\":{}", said.status);
        out.extend_from_slice(status.as_bytes());
    }
    for (name, id) in [("trace_id", said.trace_id.as_slice()), ("span_id", &said.span_id)] {
        if id.iter().any(|byte| *byte != 0) {
            out.extend_from_slice(format!(",\"{name}\":\"{}\"", hex(id)).as_bytes());
        }
    }
    // The message comes last: it has the room that is left.
    let room = end.saturating_sub(out.len() + MARKS_BYTES);
    put(out, "message", "MESSAGE", room);
    if lost > 0 {
        let length = entry.message().len() as u64 + entry.lost("MESSAGE");
        let marks = format!(",\"log.truncated\":true,\"log.original_length\":{length}");
        out.extend_from_slice(marks.as_bytes());
    }
    out.extend_from_slice(b"}\n");
    lost
}

/// A text in quotes, as much of it as so many bytes of JSON hold; how many bytes of it.
fn string_within(out: &mut Vec<u8>, text: &str, room: usize) -> usize {
    // A byte has six at most when it is escaped.
    if text.len() * 6 + 2 <= room {
        string(out, text);
        return text.len();
    }
    let end = out.len() + room.saturating_sub(1);
    let (mut taken, mut step, mut piece) = (0, STEP_BYTES, Vec::new());
    out.push(b'"');
    while step > 0 && taken < text.len() {
        let next = text.floor_char_boundary(taken + step);
        piece.clear();
        string(&mut piece, text.get(taken..next).unwrap_or_default());
        let escaped = piece.get(1..piece.len() - 1).unwrap_or_default();
        if next > taken && out.len() + escaped.len() <= end {
            out.extend_from_slice(escaped);
            taken = next;
        } else {
            step /= 2;
        }
    }
    out.push(b'"');
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::journal::Export;

    #[test]
    fn an_entry_is_a_line_with_time_level_message_and_unit() {
        let mut export = Export::default();
        let text = b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1700000000000000\nPRIORITY=3\n\
                     _SYSTEMD_UNIT=a.service\nMESSAGE\n\x05\0\0\0\0\0\0\0a\nb\xff\"\n\n";
        assert!(export.feed(text).complete);
        let mut out = Vec::new();
        assert_eq!(line(&export.entry(), &Record::default(), 1 << 20, &mut out), 0);
        assert_eq!(export.entry().cursor(), Some("s=1;i=2"));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["message"], "a\nb\u{fffd}\"");
        assert_eq!(
            (&value["level"], &value["systemd.unit"]),
            (&"error".into(), &"a.service".into())
        );
        assert_eq!(value["timestamp"], "1700000000000000");
    }

    /// An entry with these fields.
    fn entry(fields: &[(&str, &str)]) -> Export {
        let mut export = Export::default();
        let mut bytes = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1700000000000000\n".to_vec();
        for (name, value) in fields {
            bytes.extend_from_slice(format!("{name}\n").as_bytes());
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        assert!(export.feed(&bytes).complete);
        export
    }

    #[test]
    fn r14_a_message_is_cut_at_any_bound_so_that_the_line_keeps_it_and_all_else_is_whole() {
        for text in ["x", "\n", "\u{1b}", "\u{e9}", "\u{1f980}", "ab\n\u{1f980}\u{e9}\"\u{1}"] {
            let message = text.repeat(3000 / text.len());
            let fields = [("PRIORITY", "3"), ("MESSAGE", &message), ("_PID", "7")];
            let export = entry(&fields);
            for bound in 1000..1100 {
                let mut out = b"before\n".to_vec();
                let lost = line(&export.entry(), &Record::default(), bound, &mut out);
                let line = out.strip_prefix(b"before\n").and_then(|l| l.strip_suffix(b"\n"));
                let line = line.unwrap();
                // A character and the marks are what may be missing.
                assert!(line.len() <= bound && line.len() + MARKS_BYTES + 12 > bound);
                let value: serde_json::Value = serde_json::from_slice(line).unwrap();
                let kept = value["message"].as_str().unwrap();
                assert!(message.starts_with(kept), "{text:?} at {bound}");
                assert_eq!(lost, (message.len() - kept.len()) as u64);
                assert_eq!(
                    (&value["level"], &value["process.pid"]),
                    (&"error".into(), &"7".into())
                );
                assert_eq!(value["log.truncated"], true);
                assert_eq!(value["log.original_length"], message.len());
            }
        }
    }

    #[test]
    fn a_message_only_raises_the_priority_that_systemd_gives_to_all_and_that_of_none() {
        let mut said = Said::new().unwrap();
        let message = |length: usize| {
            let filler = "x".repeat(length - 26);
            format!("{{\"level\":\"error\",\"msg\":\"{filler}\"}}")
        };
        for (told, message, wanted) in [
            (Some(6), "level=error msg=x", Some(3)),
            (Some(6), "E1128 09:00:00.123456 1234 a.go:1] x", Some(3)),
            (Some(6), "{\"level\":\"fatal\"}\nlevel=info", Some(0)),
            (Some(6), "level=debug msg=x\nlevel=error", Some(6)),
            (Some(6), "all is well", Some(6)),
            (Some(6), "", Some(6)),
            (Some(6), &message(SAID_BYTES_MAX), Some(3)),
            (Some(6), &message(SAID_BYTES_MAX + 1), Some(6)),
            (Some(5), "level=error msg=x", Some(5)),
            (Some(2), "level=info msg=x", Some(2)),
            (None, "level=debug msg=x", Some(7)),
            (None, "all is well", None),
        ] {
            let said = said.of(message.as_bytes());
            assert_eq!(priority(told, said.severity), wanted, "{told:?} {message:.40}");
        }
    }

    #[test]
    fn what_the_reader_of_the_format_cut_off_counts_too_and_no_field_takes_the_room_of_another() {
        let long = "\u{1}".repeat(host::journal::VALUE_BYTES_MAX + 5);
        let export = entry(&[
            ("SYSLOG_IDENTIFIER", &long),
            ("_SYSTEMD_UNIT", &long),
            ("_PID", &long),
            ("MESSAGE", &"x".repeat(host::journal::VALUE_BYTES_MAX + 5)),
            ("PRIORITY", "4"),
        ]);
        let mut out = Vec::new();
        let lost = line(&export.entry(), &Record::default(), 1 << 20, &mut out);
        assert!(out.len() <= (1 << 20) + 1 && out.capacity() <= 3 << 20);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let length = |name: &str| value[name].as_str().unwrap().len();
        assert!(length("message") > 1 << 18);
        assert!((1..SHORT_BYTES_MAX).contains(&length("systemd.unit")));
        assert_eq!(value["log.original_length"], host::journal::VALUE_BYTES_MAX + 5);
        assert_eq!(value["level"], "warning");
        let kept: usize = ["message", "syslog.identifier", "systemd.unit", "process.pid"]
            .map(length)
            .iter()
            .sum();
        assert_eq!(lost as usize, 4 * (host::journal::VALUE_BYTES_MAX + 5) - kept);
    }
}
