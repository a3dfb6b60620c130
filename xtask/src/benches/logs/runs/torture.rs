//! B8: files that are rotated as fast as nobody should, while the subject is killed.

use super::{Lab, WATCH, words};
use crate::benches::logs::input;
use crate::benches::logs::subjects::Subject;
use crate::benches::pause;
use anyhow::Context;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files that are written.
const FILES: usize = 20;
/// Lines a second over all of them.
const RATE: usize = 10_000;
/// One file is rotated each time.
const ROTATE: Duration = Duration::from_millis(100);
/// Every so manieth file is copied and truncated instead of renamed.
const COPY_EACH: usize = 4;
/// Between two writes.
const TICK: Duration = Duration::from_millis(10);

/// A file that is written and rotated.
struct Rotated {
    path: PathBuf,
    file: File,
    copies: bool,
}

impl Rotated {
    fn new(path: PathBuf, copies: bool) -> anyhow::Result<Self> {
        let file = open(&path)?;
        Ok(Self { path, file, copies })
    }

    /// Keeps two old files; the third is gone, and its inode is used again.
    fn rotate(&mut self) -> anyhow::Result<()> {
        let old = |number: usize| PathBuf::from(format!("{}.{number}", self.path.display()));
        let _ = fs::rename(old(1), old(2));
        if self.copies {
            fs::copy(&self.path, old(1))?;
            self.file.set_len(0)?;
        } else {
            fs::rename(&self.path, old(1))?;
            self.file = open(&self.path)?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot open {}", path.display()))
}

impl Lab {
    /// Every subject as it is, and those that keep their state also killed on the way.
    pub(in super::super) fn torture(
        &self,
        subjects: &[Subject],
    ) -> anyhow::Result<Vec<Vec<String>>> {
        let mut rows = vec![words(&[
            "B8 20 files, one rotated each 100 ms",
            "lines",
            "lost",
            "doubled",
            "peak RSS",
        ])];
        for subject in subjects {
            for kill in [false, true] {
                if kill && !subject.keeps_state() {
                    continue;
                }
                if let Some(row) = self.tortured(subject, kill)? {
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }

    fn tortured(&self, subject: &Subject, kill: bool) -> anyhow::Result<Option<Vec<String>>> {
        let folder = self.fresh("torture")?;
        let places = self.places_of(&folder.join("*.log").display().to_string());
        let Some((workload, config)) = subject.steady(&places) else { return Ok(None) };
        let output = workload.to_file().then_some(places.output.as_path());
        let name = if kill { "killed and started again in the middle" } else { "left alone" };
        crate::terminal::step(format_args!("B8, {name}: {}", subject.name));
        let mut files = (0..FILES)
            .map(|index| {
                let copies = index % COPY_EACH == COPY_EACH - 1;
                Rotated::new(folder.join(format!("{index}.log")), copies)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut running = self.start(subject, &config)?;
        pause(Duration::from_secs(1));
        let (start, mut sequence, mut rotations) = (Instant::now(), 0, 0);
        let mut to_kill = kill;
        while start.elapsed() < WATCH {
            let due = RATE * usize::try_from(start.elapsed().as_millis())? / 1_000;
            while sequence < due {
                let line = input::line(sequence, input::micros());
                let one = files.get_mut(sequence % FILES).context("no file")?;
                writeln!(one.file, "{}{line}", input::FRAME)?;
                sequence += 1;
            }
            let wanted = start.elapsed().as_millis() / ROTATE.as_millis();
            while rotations < wanted {
                let index = usize::try_from(rotations)? % FILES;
                files.get_mut(index).context("no file")?.rotate()?;
                rotations += 1;
            }
            if to_kill && start.elapsed() > WATCH / 2 {
                to_kill = false;
                running.kill()?;
                running = self.start_again(subject, &config)?;
            }
            pause(TICK);
        }
        self.come(output, sequence as u64)?;
        let peak = running.cost()?.1;
        let ended = if running.is_over() { ", ended by itself" } else { "" };
        running.stop()?;
        self.count(output)?;
        let stats = self.stats()?;
        Ok(Some(vec![
            format!("{}, {name}{ended}", subject.name),
            sequence.to_string(),
            (sequence as u64).saturating_sub(stats.distinct).to_string(),
            stats.doubled(subject).to_string(),
            format!("{peak:.0} MiB"),
        ]))
    }
}
