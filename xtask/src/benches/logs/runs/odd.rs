//! What is dear to read: escapes, nesting, many fields, long lines, a cold disk. As B3 otherwise.

use super::super::input::Odd;
use super::{Lab, Outcome, Workload, words};
use crate::benches::logs::subjects::Subject;
use anyhow::Context;
use std::fs::File;
use std::path::Path;

/// Bytes of lines for each case.
const CASE_BYTES: usize = 256 << 20;

impl Lab {
    /// One row for each case and subject.
    pub(in super::super) fn odd(&self, subjects: &[Subject]) -> anyhow::Result<Vec<Vec<String>>> {
        let mut rows = vec![words(&[
            "as B3, but",
            "subject",
            "µs CPU a line",
            "MB/s of CPU",
            "peak RSS",
            "lost",
        ])];
        let folder = self.fresh("odd")?;
        let path = folder.join("odd.log");
        for odd in Odd::ALL {
            // One line says how many make a case.
            let one = usize::try_from(odd.write(&path, 1)?)?;
            let count = (CASE_BYTES / one).min(self.lines);
            let bytes = odd.write(&path, count)?;
            super::warm(&path)?;
            self.case(subjects, odd.name(), &path, (count, bytes), false, &mut rows)?;
        }
        let (path, count) = (self.folder.join("cri.log"), self.lines);
        let bytes = path.metadata()?.len();
        self.case(subjects, "a cold disk", &path, (count, bytes), true, &mut rows)?;
        Ok(rows)
    }

    fn case(
        &self,
        subjects: &[Subject],
        name: &str,
        path: &Path,
        size: (usize, u64),
        cold: bool,
        rows: &mut Vec<Vec<String>>,
    ) -> anyhow::Result<()> {
        for subject in subjects {
            let places = self.places_of(&path.display().to_string());
            let Some(config) = subject.config(Workload::Otlp, &places) else { continue };
            crate::terminal::step(format_args!("{name}: {}", subject.name));
            if cold {
                forget(path)?;
            }
            let outcome = self.drain(subject, &config, Some(size.0 as u64), None)?;
            rows.push(row(name, subject, &outcome, size));
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "printed with two decimals")]
fn row(name: &str, subject: &Subject, outcome: &Outcome, size: (usize, u64)) -> Vec<String> {
    let (lines, bytes, seconds) = (size.0 as f64, size.1 as f64, outcome.cpu.as_secs_f64());
    vec![
        name.to_owned(),
        subject.name.to_owned(),
        format!("{:.2}", seconds * 1e6 / lines),
        format!("{:.0}", bytes / 1e6 / seconds.max(1e-3)),
        format!("{:.0} MiB", outcome.peak_mib),
        outcome.lost.map_or_else(|| "–".to_owned(), |lost| lost.to_string()),
    ]
}

/// Out of the page cache.
fn forget(path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.sync_all()?;
    let advice = rustix::fs::Advice::DontNeed;
    Ok(rustix::fs::fadvise(&file, 0, None, advice)?)
}
