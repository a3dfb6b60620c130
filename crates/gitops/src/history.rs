//! What was delivered: an append-only, bounded list of operations of one GitSync, as JSON lines.
//!
//! The status of a GitSync shows the last few operations; this list goes further back, so that
//! figures over weeks can be made from it ([`crate::report`]). It fits into one ConfigMap.
//! Limits: [`HISTORY_RECORDS_MAX`], [`HISTORY_BYTES_MAX`]; the oldest go first. Texts of people
//! are cut at [`TEXT_BYTES_MAX`].

use crate::spec::{Operation, Outcome, Trigger};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Records of one GitSync.
pub const HISTORY_RECORDS_MAX: usize = 1000;
/// Bytes of all lines together; a ConfigMap holds a mebibyte.
pub const HISTORY_BYTES_MAX: usize = 512 * 1024;
/// Bytes of an author or a reason.
pub const TEXT_BYTES_MAX: usize = 200;
/// Bytes of a line that is read.
const LINE_BYTES_MAX: usize = 4096;

/// One finished operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The commit.
    pub revision: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// What set it off.
    pub trigger: Trigger,
    /// When the revision was first heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<Timestamp>,
    /// When work began; tells operations apart.
    pub started_at: Timestamp,
    /// When the last object was applied.
    pub finished_at: Timestamp,
    /// When everything was healthy; absent while it is not, and for good when it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Outcome,
    /// One word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Objects that were written or that failed to be.
    pub touched: u32,
}

impl Record {
    /// The record of an operation; none while it runs.
    #[must_use]
    pub fn of(operation: &Operation) -> Option<Self> {
        let counts = operation.counts;
        let touched = [counts.created, counts.updated, counts.pruned, counts.failed];
        let (started_at, finished_at) = (operation.started_at?, operation.finished_at?);
        let running = operation.outcome == Outcome::Running;
        (!running).then(|| Self {
            revision: operation.revision.clone(),
            author: cut(&operation.author),
            trigger: operation.trigger,
            detected_at: operation.detected_at,
            started_at,
            finished_at,
            healthy_at: operation.healthy_at,
            outcome: operation.outcome,
            reason: cut(&operation.reason),
            touched: touched.iter().fold(0, |sum, count| sum.saturating_add(*count)),
        })
    }
}

impl From<&Record> for Operation {
    /// The operation as far as it is kept; counts and message are not.
    fn from(record: &Record) -> Self {
        Self {
            revision: record.revision.clone(),
            author: record.author.clone(),
            trigger: record.trigger,
            detected_at: record.detected_at,
            started_at: Some(record.started_at),
            finished_at: Some(record.finished_at),
            healthy_at: record.healthy_at,
            outcome: record.outcome,
            reason: record.reason.clone(),
            ..Self::default()
        }
    }
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned()
}

/// The records of one GitSync, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Each with the length of its line.
    records: VecDeque<(Record, usize)>,
    bytes: usize,
    unreadable: usize,
}

impl History {
    /// Reads lines; those that cannot be read are counted and left out, because figures with a
    /// gap are better than none.
    #[must_use]
    pub fn from_lines(text: &str) -> Self {
        let mut history = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let short = line.len() <= LINE_BYTES_MAX;
            match serde_json::from_str::<Record>(line) {
                Ok(record) if short => history.append(record),
                _ => history.unreadable += 1,
            }
        }
        history
    }

    /// The lines, oldest first.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let lines = self.records.iter().map(|(record, _)| line(record));
        lines.fold(String::with_capacity(self.bytes), |text, line| text + &line)
    }

    /// Adds a record. One of the same start replaces the one that is there: that is how the
    /// moment of health, which comes later, gets in.
    pub fn append(&mut self, record: Record) {
        let len = line(&record).len();
        let known = self.records.iter_mut().rev().find(|(known, _)| {
            known.started_at == record.started_at && known.revision == record.revision
        });
        if let Some(known) = known {
            self.bytes = self.bytes - known.1 + len;
            *known = (record, len);
        } else {
            self.records.push_back((record, len));
            self.bytes += len;
        }
        while self.records.len() > HISTORY_RECORDS_MAX || self.bytes > HISTORY_BYTES_MAX {
            let Some((_, len)) = self.records.pop_front() else { break };
            self.bytes -= len;
        }
    }

    /// The records, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> + ExactSizeIterator {
        self.records.iter().map(|(record, _)| record)
    }

    /// How many lines could not be read.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// The revision to go back to: the newest that became healthy before the one that is applied
    /// now.
    #[must_use]
    pub fn rollback_target(&self, applied: &str) -> Option<&str> {
        let healthy = self.records().rev().filter(|record| record.healthy_at.is_some());
        let mut others = healthy.map(|r| r.revision.as_str()).filter(|r| *r != applied);
        others.next()
    }
}

/// A record as a line with its end.
fn line(record: &Record) -> String {
    // A record has no map and no number that JSON could not hold.
    let mut line = serde_json::to_string(record).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(second: i64, revision: &str) -> Record {
        let time = |second| Timestamp::from_second(second).unwrap();
        Record {
            revision: revision.to_owned(),
            author: "Ann <ann@example.com>".to_owned(),
            trigger: Trigger::Webhook,
            detected_at: Some(time(second - 2)),
            started_at: time(second),
            finished_at: time(second + 1),
            healthy_at: Some(time(second + 8)),
            outcome: Outcome::Succeeded,
            reason: "Succeeded".to_owned(),
            touched: 1,
        }
    }

    #[test]
    fn records_survive_being_written_and_read_and_broken_lines_are_counted() {
        let mut history = History::default();
        history.append(record(100, "a"));
        history.append(record(200, "b\n\"\u{2028}"));
        let text = history.to_lines();
        assert_eq!(History::from_lines(&text), history);
        let broken = format!("{{\n\n{text}null\n{}\n", "x".repeat(LINE_BYTES_MAX));
        let read = History::from_lines(&broken);
        assert_eq!((read.records().len(), read.unreadable()), (2, 3));
    }

    #[test]
    fn the_moment_of_health_is_added_to_its_own_record() {
        let mut history = History::default();
        history.append(Record { healthy_at: None, ..record(100, "a") });
        history.append(record(200, "b"));
        history.append(record(100, "a"));
        assert_eq!(history.records().len(), 2);
        assert!(history.records().all(|record| record.healthy_at.is_some()));
    }

    #[test]
    fn the_oldest_go_first_at_both_bounds() {
        let mut history = History::default();
        for second in 0..1100 {
            history.append(record(second, "a"));
        }
        assert_eq!(history.records().len(), HISTORY_RECORDS_MAX);
        assert_eq!(history.records().next().unwrap().started_at.as_second(), 100);
        for second in 2000..3000 {
            history.append(record(second, &"r".repeat(1000)));
        }
        assert!(history.to_lines().len() <= HISTORY_BYTES_MAX);
        assert_eq!(history.bytes, history.to_lines().len());
        assert!(history.records().len() > 300);
    }

    #[test]
    fn a_rollback_goes_to_the_newest_healthy_revision_that_is_another_one() {
        let mut history = History::default();
        assert_eq!(history.rollback_target("c"), None);
        history.append(record(100, "a"));
        history.append(record(200, "b"));
        history.append(Record { healthy_at: None, ..record(300, "c") });
        assert_eq!(history.rollback_target("c"), Some("b"));
        assert_eq!(history.rollback_target("b"), Some("a"));
    }

    #[test]
    fn an_operation_under_way_has_no_record() {
        let time = Some(Timestamp::UNIX_EPOCH);
        let mut operation =
            Operation { started_at: time, finished_at: time, ..Operation::default() };
        assert_eq!(Record::of(&operation), None);
        operation.outcome = Outcome::Failed;
        operation.counts.failed = 2;
        operation.counts.created = u32::MAX;
        operation.author = "ä".repeat(500);
        let record = Record::of(&operation).unwrap();
        assert_eq!((record.touched, record.author.len()), (u32::MAX, TEXT_BYTES_MAX));
    }
}
