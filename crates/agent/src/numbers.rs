//! What the agent counts, and the text that `/metrics` serves.
//!
//! Counters only grow, gauges are of now. The names are promised: README, "Metrics". Written by
//! hand and not with a library: the set is fixed, and a scrape must not stop a thread.

mod sink;

pub(crate) use sink::{Failing, SinkNumbers};

use crate::pods::{PodNumbers, Table};
use crate::reader::FileLine;
use lines::Counters;
use pipeline::balance::Balance;
use pipeline::sampling::{RULES, Rule};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A number that grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds.
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// Takes away, from a gauge.
    pub(crate) fn sub(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// The number.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the whole agent counts.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Of lines and records, as the reader published them last.
    lines: Mutex<Counters>,
    /// What the tailer published last.
    tail: Mutex<host::tail::Stats>,
    /// Records that were read.
    pub(crate) read: Count,
    /// Records that were sampled out, by rule.
    pub(crate) sampled_out: [Count; RULES],
    /// Records that were given back to their trace.
    pub(crate) rescued: Count,
    /// Records that should have been given back and were gone.
    pub(crate) rescue_missed: Count,
    /// Times that the reader waited for a sink.
    pub(crate) stalls: Count,
    /// Checkpoints that were written.
    pub(crate) checkpoints: Count,
    /// Checkpoints that could not be written.
    pub(crate) checkpoint_failures: Count,
    /// Configs that were loaded, the first one included.
    pub(crate) reloads: Count,
    /// Configs that were refused.
    pub(crate) reload_failures: Count,
    /// Why the config that is there now is not used; none when it is.
    refused: Mutex<Option<String>>,
    /// Bytes of vanishing files that were kept aside.
    pub(crate) spilled_bytes: Count,
    /// Bytes of deleted files that could not be kept aside and wait in memory.
    pub(crate) memory_only_bytes: Count,
    /// Bytes that are lost with the stop: of files that were deleted or moved, truncated without a
    /// copy, or that no input means any more.
    pub(crate) lost_bytes: Count,
    /// Records of sinks that are not wanted any more and did not take them in time.
    pub(crate) given_up: Count,
    /// Messages of our own that were not said because there were too many.
    pub(crate) silenced: Count,
    /// Memory of blocks, of those that wait to be used again, and of sampling, in bytes.
    pub(crate) block_bytes: Count,
    /// Sinks, in the order of the config.
    pub(crate) sinks: Mutex<Vec<Arc<SinkNumbers>>>,
    /// Tables of pods that are in use.
    pub(crate) pods: Mutex<Vec<Arc<Table>>>,
    /// What was counted of pods, also by tables that are gone.
    pub(crate) pod_numbers: Arc<PodNumbers>,
}

impl Numbers {
    /// The reader publishes what it counted.
    pub(crate) fn publish(&self, lines: Counters, tail: host::tail::Stats) {
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = lines;
        *self.tail.lock().unwrap_or_else(PoisonError::into_inner) = tail;
    }

    /// What was published last.
    pub(crate) fn published(&self) -> (Counters, host::tail::Stats) {
        let lines = *self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = *self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        (lines, tail)
    }

    /// Whether the config that is there now is used, or why not.
    pub(crate) fn set_refused(&self, why: Option<String>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why the config that is there now is not used.
    pub(crate) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sinks.
    pub(crate) fn sinks(&self) -> Vec<Arc<SinkNumbers>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another sink took the place of this one, or none.
    pub(crate) fn forget(&self, gone: &Arc<SinkNumbers>) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.retain(|sink| !Arc::ptr_eq(sink, gone));
    }

    /// Every number in the text format of OpenMetrics.
    pub(crate) fn render(&self, version: &str, commit: &str, files: &[FileLine]) -> String {
        let mut text = Text::default();
        text.family("orlop_build", "info", "What this program was built from");
        text.line("orlop_build_info", &[("version", version), ("commit", commit)], 1);
        let (lines, tail) = self.published();
        self.render_lines(&mut text, &lines);
        render_tail(&mut text, &tail);
        self.render_own(&mut text);
        self.render_sinks(&mut text);
        self.render_balances(&mut text, files);
        self.render_pods(&mut text);
        text.0.push_str("# EOF\n");
        text.0
    }

    fn render_lines(&self, text: &mut Text, lines: &Counters) {
        text.counter("orlop_agent_lines", "Lines of files", lines.lines);
        text.counter("orlop_agent_line_bytes", "Bytes of files", lines.bytes);
        text.counter("orlop_agent_records_read", "Records, after joins", self.read.get());
        text.family("orlop_agent_records_odd", "counter", "Records with something to say of them");
        let odd = [
            ("unparsed", lines.unparsed),
            ("malformed", lines.malformed),
            ("truncated", lines.truncated),
            ("repaired", lines.repaired),
            ("partial", lines.partial),
            ("multiline", lines.multiline),
            ("fields_cut", lines.fields_cut),
            ("redacted", lines.redacted),
        ];
        for (kind, number) in odd {
            text.line("orlop_agent_records_odd_total", &[("kind", kind)], number);
        }
        text.counter(
            "orlop_agent_truncated_bytes",
            "Bytes that were cut off",
            lines.truncated_bytes,
        );
        text.counter(
            "orlop_agent_line_hole_bytes",
            "NULs behind a hole that were passed over before a line",
            lines.hole_bytes,
        );
        text.counter("orlop_agent_empty_lines", "Empty lines that were passed over", lines.empty);
        text.family("orlop_agent_records_sampled_out", "counter", "Records that a rule left out");
        for (rule, count) in Rule::ALL.iter().zip(&self.sampled_out) {
            let labels = [("rule", rule.name())];
            text.line("orlop_agent_records_sampled_out_total", &labels, count.get());
        }
        text.counter(
            "orlop_agent_records_rescued",
            "Records given back to a trace with an error",
            self.rescued.get(),
        );
        text.counter(
            "orlop_agent_records_rescue_missed",
            "Records that could not be given back",
            self.rescue_missed.get(),
        );
    }

    fn render_own(&self, text: &mut Text) {
        text.counter(
            "orlop_agent_stalls",
            "Times that reading waited for a sink",
            self.stalls.get(),
        );
        text.counter("orlop_agent_checkpoints", "Checkpoints", self.checkpoints.get());
        text.counter(
            "orlop_agent_checkpoint_failures",
            "Checkpoints that failed",
            self.checkpoint_failures.get(),
        );
        text.counter("orlop_agent_reloads", "Configs that were loaded", self.reloads.get());
        text.counter(
            "orlop_agent_reload_failures",
            "Configs that were refused",
            self.reload_failures.get(),
        );
        text.counter(
            "orlop_agent_spilled_bytes",
            "Bytes of vanishing files kept aside",
            self.spilled_bytes.get(),
        );
        text.gauge(
            "orlop_agent_memory_only_bytes",
            "Bytes of deleted files that could not be kept aside and wait in memory",
            self.memory_only_bytes.get(),
        );
        text.counter(
            "orlop_agent_lost_bytes",
            "Bytes that no sink has and no start finds again, lost with this stop",
            self.lost_bytes.get(),
        );
        text.counter(
            "orlop_agent_silenced_messages",
            "Own messages beyond the bound",
            self.silenced.get(),
        );
        text.counter(
            "orlop_agent_records_given_up",
            "Records that a removed sink did not take in time",
            self.given_up.get(),
        );
        text.gauge(
            "orlop_agent_block_bytes",
            "Memory of blocks, of those that wait to be used again, and of sampling",
            self.block_bytes.get(),
        );
    }

    fn render_sinks(&self, text: &mut Text) {
        type Field = fn(&SinkNumbers) -> u64;
        let families: [(&str, &str, &str, Field); 11] = [
            ("orlop_agent_sink_records_sent", "counter", "Records that a sink took", |one| {
                one.sent.get()
            }),
            (
                "orlop_agent_sink_records_quarantined",
                "counter",
                "Records that a sink refuses for good",
                |one| one.quarantined.get(),
            ),
            (
                "orlop_agent_sink_dead_letters",
                "counter",
                "Refused records that were written to the dead-letter file",
                |one| one.letters.get(),
            ),
            (
                "orlop_agent_sink_dead_letters_expired",
                "counter",
                "Older dead letters, of any sink, that were rotated away for one of this sink",
                |one| one.expired.get(),
            ),
            (
                "orlop_agent_sink_records_oversize",
                "counter",
                "Records that fit into no request",
                |one| one.oversize.get(),
            ),
            ("orlop_agent_sink_records_in_flight", "gauge", "Records on their way", |one| {
                one.in_flight.get()
            }),
            ("orlop_agent_sink_requests", "counter", "Requests, tries included", |one| {
                one.requests.get()
            }),
            ("orlop_agent_sink_failures", "counter", "Requests that failed", |one| {
                one.failures.get()
            }),
            ("orlop_agent_sink_bytes", "counter", "Bytes before compression", |one| {
                one.bytes.get()
            }),
            ("orlop_agent_sink_wire_bytes", "counter", "Bytes that were sent", |one| {
                one.wire_bytes.get()
            }),
            ("orlop_agent_sink_failing", "gauge", "1 while a batch is not taken", |one| {
                u64::from(one.failing().is_some())
            }),
        ];
        let sinks = self.sinks();
        for (name, kind, help, field) in families {
            text.family(name, kind, help);
            let suffix = if kind == "counter" { "_total" } else { "" };
            for sink in &sinks {
                text.line(&format!("{name}{suffix}"), &[("sink", &sink.name)], field(sink));
            }
        }
    }

    /// `read = sent + sampled_out + quarantined + oversize + in_flight`, for each sink and for the
    /// files that `status` shows (R25).
    fn render_balances(&self, text: &mut Text, files: &[FileLine]) {
        let family = "orlop_agent_sink_records";
        text.family(family, "gauge", "Records since the sink is there, by what became of them");
        let sinks = self.sinks();
        for sink in &sinks {
            for (state, number) in states(&sink.balances().total()) {
                text.line(family, &[("sink", &sink.name), ("state", state)], number);
            }
        }
        let family = "orlop_agent_sink_unbalanced_files";
        text.family(family, "gauge", "Files for which these numbers do not add up");
        for sink in &sinks {
            text.line(family, &[("sink", &sink.name)], sink.balances().inexact() as u64);
        }
        let family = "orlop_agent_file_records";
        text.family(
            family,
            "gauge",
            "Records of the files with most to do, by what became of them",
        );
        // A deleted file that is not delivered yet and the one that has its name now are one.
        let mut sums: BTreeMap<(&str, &str), Balance> = BTreeMap::new();
        for file in files {
            for (sink, balance) in &file.balances {
                sums.entry((file.path.as_str(), sink.as_str())).or_default().add(balance);
            }
        }
        for (&(file, sink), balance) in &sums {
            for (state, number) in states(balance) {
                text.line(family, &[("file", file), ("sink", sink), ("state", state)], number);
            }
        }
    }

    fn render_pods(&self, text: &mut Text) {
        let tables = self.pods.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pods = tables.iter().map(|table| table.len() as u64).sum();
        text.gauge("orlop_agent_pods", "Pods that are known", pods);
        let PodNumbers { lists, events, failures, late, refused } = &*self.pod_numbers;
        let counters = [
            ("orlop_agent_pod_lists", "Lists of pods", lists),
            ("orlop_agent_pod_events", "Events of pods", events),
            ("orlop_agent_pod_failures", "Times that the API could not be asked", failures),
            ("orlop_agent_pods_late", "Files whose pod was not known in time", late),
            ("orlop_agent_pods_refused", "Pods that found no room", refused),
        ];
        for (name, help, number) in counters {
            text.counter(name, help, number.load(Ordering::Relaxed));
        }
    }
}

/// The parts of the equation by their names.
pub(crate) fn states(balance: &Balance) -> [(&'static str, u64); 6] {
    [
        ("read", balance.read),
        ("sent", balance.sent),
        ("sampled_out", balance.sampled_out_total()),
        ("quarantined", balance.quarantined),
        ("oversize", balance.oversize),
        ("in_flight", balance.in_flight),
    ]
}

fn render_tail(text: &mut Text, tail: &host::tail::Stats) {
    let gauges = [
        ("orlop_agent_files", "Files that are followed", tail.files),
        ("orlop_agent_files_open", "Files that are open", tail.open),
        ("orlop_agent_files_unreadable", "Files that cannot be read now", tail.unreadable),
        ("orlop_agent_directories", "Directories that are looked into", tail.directories),
        ("orlop_agent_watches", "Directories with a watch", tail.watches),
        ("orlop_agent_directories_polled", "Directories without a watch", tail.polled),
        (
            "orlop_agent_deleted_bytes",
            "Disk that deleted files occupy because they are read",
            tail.deleted_bytes,
        ),
        ("orlop_agent_lag_bytes", "Bytes that are not read yet", tail.lag_bytes),
    ];
    for (name, help, number) in gauges {
        text.gauge(name, help, number);
    }
    let counters = [
        ("orlop_agent_files_rotated", "Files that were rotated", tail.rotated),
        (
            "orlop_agent_files_rewritten",
            "Files that were truncated or written anew",
            tail.rewritten,
        ),
        (
            "orlop_agent_possible_losses",
            "Times that bytes may have been lost",
            tail.possible_losses,
        ),
        (
            "orlop_agent_possible_loss_bytes",
            "Bytes known to be unread then",
            tail.possible_loss_bytes,
        ),
        (
            "orlop_agent_recovered_bytes",
            "Bytes read from the copy before a truncation",
            tail.recovered_bytes,
        ),
        ("orlop_agent_dropped_files", "Deleted files let go unread", tail.dropped_files),
        ("orlop_agent_dropped_bytes", "Their unread bytes", tail.dropped_bytes),
        ("orlop_agent_watch_overflows", "Times that the kernel dropped events", tail.overflows),
        (
            "orlop_agent_file_failures",
            "Times that a file could not be opened or read",
            tail.failures,
        ),
        ("orlop_agent_own_files", "Files and folders not read because we write them", tail.own),
        ("orlop_agent_special_files", "Names that are no regular file", tail.special),
        (
            "orlop_agent_links_refused",
            "Links that are not followed because of their owner",
            tail.links_refused,
        ),
        ("orlop_agent_link_loops", "Links that lead back to where they lie", tail.loops),
        (
            "orlop_agent_files_refused",
            "Files and folders that are not followed because of a bound",
            tail.refused,
        ),
        (
            "orlop_agent_hole_bytes",
            "Bytes of holes and long runs of NULs that were stepped over",
            tail.hole_bytes,
        ),
        ("orlop_agent_notices_lost", "Messages about files beyond their bound", tail.notices_lost),
    ];
    for (name, help, number) in counters {
        text.counter(name, help, number);
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}.");
    }

    fn counter(&mut self, name: &str, help: &str, number: u64) {
        self.family(name, "counter", help);
        self.line(&format!("{name}_total"), &[], number);
    }

    fn gauge(&mut self, name: &str, help: &str, number: u64) {
        self.family(name, "gauge", help);
        self.line(name, &[], number);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], number: u64) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {number}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_each_family_once_ends_with_eof_and_escapes_names() {
        let numbers = Numbers::default();
        let sink = Arc::new(SinkNumbers::new("a\"b\\"));
        sink.sent.add(3);
        numbers.sinks.lock().unwrap().push(sink);
        let text = numbers.render("1", "c", &[]);
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("orlop_agent_sink_records_sent_total{sink=\"a\\\"b\\\\\"} 3\n"));
        let mut types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let all = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), all);
    }

    #[test]
    fn what_is_odd_of_files_is_shown() {
        let numbers = Numbers::default();
        let (mut lines, mut tail) = numbers.published();
        lines.hole_bytes = 6;
        (tail.special, tail.links_refused, tail.refused) = (1, 2, 3);
        (tail.hole_bytes, tail.notices_lost) = (4, 5);
        numbers.publish(lines, tail);
        let text = numbers.render("1", "c", &[]);
        for (name, number) in [
            ("special_files", 1),
            ("links_refused", 2),
            ("files_refused", 3),
            ("hole_bytes", 4),
            ("notices_lost", 5),
            ("line_hole_bytes", 6),
        ] {
            let line = format!("\norlop_agent_{name}_total {number}\n");
            assert!(text.contains(&line), "{name}: {text}");
        }
    }

    #[test]
    fn r25_a_deleted_file_and_the_one_that_has_its_name_are_one_series() {
        let file = |path: &str, read| {
            let mut balance = Balance::default();
            balance.kept(read);
            let balances = ["s", "t"].map(|sink| (sink.to_owned(), balance)).to_vec();
            FileLine { path: path.to_owned(), balances, ..FileLine::default() }
        };
        let files = [file("/a.log", 3), file("/b.log", 7), file("/a.log", 20)];
        let text = Numbers::default().render("1", "c", &files);
        let series = |line: &str| line.rsplit_once(' ').unwrap().0.to_owned();
        let shown = text.lines().filter(|line| line.starts_with("orlop_agent_file_records{"));
        let mut shown: Vec<String> = shown.map(series).collect();
        assert_eq!(shown.len(), 2 * 2 * 6);
        shown.sort_unstable();
        shown.dedup();
        assert_eq!(shown.len(), 2 * 2 * 6);
        for (path, read) in [("/a.log", 23), ("/b.log", 7)] {
            let labels = format!("{{file=\"{path}\",sink=\"t\",state=\"read\"}}");
            assert!(text.contains(&format!("orlop_agent_file_records{labels} {read}\n")));
        }
    }
}
