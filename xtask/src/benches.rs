//! The table of benches. A new one is one file here and one line in [`BENCHES`].
//!
//! A bench runs Orlop and its peers in the same run and gives Markdown: versions, flags, a table.

mod gitops;
mod gitsync;
mod kustomize;
mod logs;
mod schema;
mod sync;

use std::fmt::Write;
use std::time::Duration;

/// Every bench.
pub(crate) const BENCHES: &[Bench] =
    &[gitops::BENCH, gitsync::BENCH, kustomize::BENCH, logs::BENCH, schema::BENCH, sync::BENCH];

/// One bench.
pub(crate) struct Bench {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// What it compares.
    pub(crate) about: &'static str,
    /// Runs it; gives what is recorded.
    pub(crate) run: fn(&Settings) -> anyhow::Result<String>,
}

/// What the command line says.
pub(crate) struct Settings {
    /// Numbers of objects.
    pub(crate) objects: Vec<usize>,
    /// Runs of what can be repeated; the median counts.
    pub(crate) runs: usize,
}

/// The machine in one line.
pub(crate) fn machine() -> String {
    let host = testbed::probe::host();
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown CPU", |rest| rest.trim_start_matches([' ', '\t', ':']));
    format!(
        "{} × {model}, {} MiB, {}, Linux {} {}",
        host.cpus, host.memory_mib, host.system, host.kernel, host.machine
    )
}

/// Lets other programs work.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench waits for other programs' work, which gives no event"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Rows as a Markdown table; the first row is the heading.
pub(crate) fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        // Writing into a String does not fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_table_with_a_heading() {
        let rows = vec![vec!["a".to_owned(), "b".to_owned()], vec!["1".to_owned(), "2".to_owned()]];
        assert_eq!(markdown(&rows), "| a | b |\n|---|---|\n| 1 | 2 |\n");
    }
}
