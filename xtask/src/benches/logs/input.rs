//! The lines that are read: JSON of one length, numbered, the same for every subject.

use anyhow::Context;
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

/// Writes `count` lines from number `first` on; `framed` as a container runtime would.
pub(super) fn write(path: &Path, first: usize, count: usize, framed: bool) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let now = micros();
    for sequence in first..first + count {
        if framed {
            file.write_all(b"2026-11-25T12:00:00.123456789Z stdout F ")?;
        }
        writeln!(file, "{}", line(sequence, now))?;
    }
    Ok(file.flush()?)
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
}
