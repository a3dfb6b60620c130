//! Records of our own about what sampling left out: one for each rule that left something out in a
//! window, with the keys of which most is missing (R25).
//!
//! They go the way of every record, as lines of a source called [`SOURCE`], and are never left out
//! themselves. Keys are what is left of them after redaction, cut at
//! [`KEY_BYTES_MAX`](pipeline::sampling::summary::KEY_BYTES_MAX) bytes.

use super::feed::{Core, Piece};
use super::sources::{Joined, NewSource};
use crate::block::Origin;
use crate::encode::hex;
use crate::encode::json::string;
use host::tail::FileKey;
use lines::{Plan, Settings};
use pipeline::sampling::{Rule, RuleSummary, Summary};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// What stands in `log.file.path` of such records.
pub(crate) const SOURCE: &str = "orlop:sampling";
/// The key of the source has this place, which no file has; see `Aside` and the journals.
const OWN_SLOT: u32 = u32::MAX - 2;

impl Core {
    /// Writes a summary when one is due.
    pub(crate) fn summarize(&mut self, now: u64) {
        if let Some(summary) = self.stage.summary(now) {
            self.tell(&summary);
        }
    }

    /// The last one, whatever the time.
    pub(crate) fn last_summary(&mut self, now: u64) {
        // What is in the block that is not full was not decided about yet.
        self.flush(None);
        if let Some(summary) = self.stage.last_summary(now) {
            self.tell(&summary);
        }
    }

    /// When a summary is due.
    pub(crate) fn summary_due(&self) -> Option<u64> {
        self.stage.summary_due()
    }

    fn tell(&mut self, summary: &Summary) {
        let mut bytes = Vec::new();
        for rule in summary.rules.iter().filter(|rule| rule.dropped > 0) {
            line(summary, rule, &mut bytes);
        }
        if bytes.is_empty() {
            return;
        }
        let Some(slot) = self.own_source() else { return };
        let offset = self.own_offset;
        self.own_offset += bytes.len() as u64;
        let now = summary.to_ns;
        let piece = Piece { slot, offset, bytes: &bytes, now, last: false, after_hole: false };
        self.take(&piece);
    }

    /// The slot of our own records.
    fn own_source(&mut self) -> Option<u32> {
        let key = FileKey { slot: OWN_SLOT, generation: 0 };
        if let Some(slot) = self.sources.find(key) {
            self.stage.own = Some(slot);
            return Some(slot);
        }
        let settings = Settings { parsers: vec!["json".to_owned()], ..Settings::default() };
        let plan = Arc::new(Plan::new(settings).ok()?);
        let slot = self.sources.add(NewSource {
            key,
            input: usize::MAX,
            path: Path::new(SOURCE).into(),
            plan,
            origin: Some(self.own_origin()),
            holds_pod: false,
            base: self.own_offset,
            sinks: self.books.sinks.len(),
            joined: Joined::Path,
        });
        self.stage.own = Some(slot);
        Some(slot)
    }

    /// What records of our own have in common: they are of no input.
    fn own_origin(&self) -> Arc<Origin> {
        let mut attributes = self.common.clone();
        attributes.push(("log.file.path".to_owned(), SOURCE.to_owned()));
        Arc::new(Origin::new(attributes, SOURCE, None))
    }

    /// All records have this in common from now on.
    pub(crate) fn set_common(&mut self, common: Vec<(String, String)>) {
        self.common = common;
        if let Some(slot) = self.stage.own {
            let origin = self.own_origin();
            self.sources.set_origin(slot, &origin);
        }
    }
}

/// One line of JSON with its line feed.
fn line(summary: &Summary, rule: &RuleSummary, out: &mut Vec<u8>) {
    let mut text = String::new();
    let seconds = summary.to_ns.saturating_sub(summary.from_ns).div_ceil(1_000_000_000);
    let (kept, dropped, name) = (rule.kept, rule.dropped, rule.rule.name());
    let _ = write!(
        text,
        "{{\"level\":\"info\",\"message\":\"sampling: the rule {name} left out {dropped} of {} \
         records in {seconds} s\",\"sampling.rule\":\"{name}\",\"sampling.kept\":{kept},\
         \"sampling.dropped\":{dropped},\"sampling.from_unix_ns\":{},\"sampling.to_unix_ns\":{},\
         \"sampling.top\":[",
        kept + dropped,
        summary.from_ns,
        summary.to_ns,
    );
    out.extend_from_slice(text.as_bytes());
    for (index, top) in rule.top.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{\"key\":" } else { b"{\"key\":" });
        string(out, &shown(rule.rule, &top.key));
        let (most, error) = (top.dropped, top.error);
        let counts = format!(",\"dropped_at_most\":{most},\"error\":{error}}}");
        out.extend_from_slice(counts.as_bytes());
    }
    out.extend_from_slice(b"]}\n");
}

/// A trace id in hex, any other key as text.
fn shown(rule: Rule, key: &[u8]) -> String {
    if rule != Rule::HotTrace {
        return String::from_utf8_lossy(key).into_owned();
    }
    hex(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::sampling::TopKey;

    #[test]
    fn a_summary_is_one_line_of_json_whatever_the_keys_are() {
        let top = [b"a\"\n\xff".to_vec(), Vec::new()];
        let top = top.map(|key| TopKey { key, dropped: 7, error: 2 }).to_vec();
        let rule = RuleSummary { rule: Rule::HotKey, kept: 3, dropped: 9, top };
        let summary = Summary { from_ns: 1, to_ns: 1_000_000_001, rules: Vec::new() };
        let mut out = Vec::new();
        line(&summary, &rule, &mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["sampling.dropped"], 9);
        assert_eq!(value["sampling.top"][0]["key"], "a\"\n\u{fffd}");
        assert_eq!(value["sampling.top"][1]["dropped_at_most"], 7);
        assert_eq!(shown(Rule::HotTrace, &[0x4b, 0xf9]), "4bf9");
    }
}
