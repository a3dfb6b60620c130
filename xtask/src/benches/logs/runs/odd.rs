//! What is dear: escapes, nesting, many fields, long lines, a cold disk, TLS. As B3 otherwise.

use super::super::input::Odd;
use super::{Lab, Outcome, Workload, words};
use crate::benches::logs::subjects::{Places, Subject};
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
            let places = self.places_of(&path.display().to_string());
            let case = Case { name: odd.name(), places, count, bytes, is_cold: false };
            self.case(subjects, &case, &mut rows)?;
        }
        let path = self.folder.join("cri.log");
        let (count, bytes) = (self.lines, path.metadata()?.len());
        let input = path.display().to_string();
        let places = self.places_of(&input);
        let cold = Case { name: "a cold disk", places, count, bytes, is_cold: true };
        self.case(subjects, &cold, &mut rows)?;
        super::warm(&path)?;
        let places = self.safe_places_of(&input);
        self.case(subjects, &Case { name: "TLS", places, is_cold: false, ..cold }, &mut rows)?;
        Ok(rows)
    }

    fn case(
        &self,
        subjects: &[Subject],
        case: &Case,
        rows: &mut Vec<Vec<String>>,
    ) -> anyhow::Result<()> {
        for subject in subjects {
            let Some(config) = subject.config(Workload::Otlp, &case.places) else { continue };
            crate::terminal::step(format_args!("{}: {}", case.name, subject.name));
            if case.is_cold {
                forget(Path::new(&case.places.input))?;
            }
            let outcome = self.drain(subject, &config, Some(case.count as u64), None)?;
            rows.push(row(case.name, subject, &outcome, (case.count, case.bytes)));
        }
        Ok(())
    }
}

/// What is read, and how.
struct Case {
    name: &'static str,
    places: Places,
    count: usize,
    bytes: u64,
    /// Out of the page cache first.
    is_cold: bool,
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
