//! The lines that are read: JSON of one length, numbered, the same for every subject.

use anyhow::Context;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Length of a JSON line without its line feed.
pub(super) const LINE_BYTES: usize = 257;

/// Microseconds since 1970.
pub(super) fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// One line without its line feed, always [`LINE_BYTES`] long.
pub(super) fn line(sequence: usize, micros: u64) -> String {
    // Numbers that look random and are the same in each run.
    let mut mixed = (sequence as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    let trace = u128::from(mixed).wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9);
    let status = if mixed.is_multiple_of(100) { 404 } else { 200 };
    let mut line = format!(
        "{{\"time\":\"2026-11-25T12:00:00.{:06}Z\",\"level\":\"info\",\"message\":\
         \"seq={sequence:010};t={micros:016}; request done\",\"status\":{status},\
         \"trace_id\":\"{trace:032x}\",\"path\":\"/api/v1/items/{:05}\",\"took_ms\":{}.{:03},\
         \"pad\":\"",
        mixed % 1_000_000,
        mixed % 100_000,
        mixed % 90 + 10,
        mixed % 1_000,
    );
    while line.len() < LINE_BYTES - 2 {
        line.push('x');
    }
    line.push_str("\"}");
    line
}

/// What a container runtime writes before a line.
pub(super) const FRAME: &str = "2026-11-25T12:00:00.123456789Z stdout F ";

/// Writes `count` lines from number `first` on; `framed` as a container runtime would.
pub(super) fn write(path: &Path, first: usize, count: usize, framed: bool) -> anyhow::Result<()> {
    let now = micros();
    let frame = if framed { FRAME } else { "" };
    write_lines(path, (first..first + count).map(|one| format!("{frame}{}", line(one, now))))
}

fn write_lines(path: &Path, lines: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    for line in lines {
        writeln!(file, "{line}")?;
    }
    Ok(file.flush()?)
}

/// Lines that are dear to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    /// A message of which every fifth character is escaped.
    Escapes,
    /// An object in an object, 40 levels deep.
    Nested,
    /// 60 members.
    Fields,
    /// 16 KiB of message.
    Long,
}

impl Odd {
    pub(super) const ALL: [Self; 4] = [Self::Escapes, Self::Nested, Self::Fields, Self::Long];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Escapes => "every fifth character escaped",
            Self::Nested => "40 levels of objects",
            Self::Fields => "60 members",
            Self::Long => "16 KiB of message",
        }
    }

    fn line(self, sequence: usize, micros: u64) -> String {
        let mut line = format!(
            "{{\"time\":\"2026-11-25T12:00:00.000001Z\",\"level\":\"info\",\"status\":200,\"message\":\
             \"seq={sequence:010};t={micros:016}; "
        );
        match self {
            Self::Escapes => line.push_str(&r#"say\"hi\"\n\t/\u00e9 and"#.repeat(6)),
            Self::Long => line.push_str(&"a word ".repeat(2_340)),
            Self::Nested | Self::Fields => line.push_str("done"),
        }
        line.push('"');
        match self {
            Self::Nested => {
                line.push_str(",\"in\":");
                line.push_str(&"{\"a\":".repeat(40));
                line.push('1');
                line.push_str(&"}".repeat(40));
            }
            Self::Fields => {
                for number in 0..56 {
                    let _ = write!(line, ",\"field_{number}\":\"value {}\"", number * sequence);
                }
            }
            Self::Escapes | Self::Long => {}
        }
        line.push('}');
        line
    }

    /// Writes `count` of them, framed; gives how many bytes that are.
    pub(super) fn write(self, path: &Path, count: usize) -> anyhow::Result<u64> {
        let now = micros();
        write_lines(path, (0..count).map(|one| format!("{FRAME}{}", self.line(one, now))))?;
        Ok(path.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_json_of_one_length_with_its_number() {
        for sequence in [0, 1, 99, 123_456, 9_999_999] {
            let line = line(sequence, 1_764_100_000_000_000);
            assert_eq!(line.len(), LINE_BYTES, "{line}");
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let message = value["message"].as_str().unwrap();
            assert!(message.starts_with(&format!("seq={sequence:010};t=1764100000000000;")));
            assert_eq!(value["trace_id"].as_str().unwrap().len(), 32);
        }
    }

    #[test]
    fn lines_that_are_dear_to_read_are_json_with_their_number() {
        for odd in Odd::ALL {
            let line = odd.line(7, 1_764_100_000_000_000);
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let message = value["message"].as_str().unwrap();
            assert!(message.starts_with("seq=0000000007;t=1764100000000000;"), "{odd:?}");
        }
    }
}
