//! `cargo xtask bench logs`: the node agent next to rsyslog, syslog-ng and an OpenTelemetry
//! Collector.
//!
//! Every subject runs alone on core 0 and reads files that were written before; the sink and the
//! generator have core 1. A record carries its number and its time, so what is lost or doubled is
//! counted, not guessed. CPU seconds are those of the subject's process, from its start until the
//! last record arrived; peak memory is the kernel's high-water mark. Subjects take turns; the first
//! round of a workload is not counted. What other tenants of the processor take away is measured
//! all the while: see [`pace`].
//!
//! Workloads have the numbers of the plan: B1 raw lines to a file, B2 JSON with three fields to a
//! file, B3 container lines with JSON to OTLP/HTTP, B4 the same with zstd, B5 the same sampled to
//! 10 %, B6 10,000 lines a second over 50 files, B7 10,000 idle files, B8 rotation and kills, B9 a
//! sink that is down for a while, B10 redaction of three patterns; and what is dear to read.

mod input;
mod pace;
mod runs;
mod subjects;

use super::{Bench, Settings, machine, markdown};
use crate::{terminal, workspace};
use anyhow::Context;
use runs::{Lab, Outcome};
use std::fmt::Write as _;
use std::time::Instant;
use subjects::Subject;

/// The bench.
pub(crate) const BENCH: Bench = Bench {
    name: "logs",
    about: "the node agent next to rsyslog, syslog-ng and an OpenTelemetry Collector",
    run,
};

/// Lines for each thousand of `--objects`.
const LINES_EACH: usize = 1_000;
/// Lines a second of B6, over so many files.
const STEADY_RATE: usize = 10_000;
/// Files of B6.
const STEADY_FILES: usize = 50;

/// What is read, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Lines as they are, to a file.
    Raw,
    /// JSON of which time, message and three fields are written, to a file.
    Json,
    /// The same with all that a record says: its severity, its trace and whence it is.
    Whole,
    /// Container lines with JSON, to OTLP/HTTP without compression.
    Otlp,
    /// The same, compressed.
    Packed,
    /// The same, of which a tenth is kept.
    Sampled,
    /// As `Json` with three patterns made unreadable.
    Redacted,
}

impl Workload {
    const ALL: [Self; 7] = [
        Self::Raw,
        Self::Json,
        Self::Whole,
        Self::Otlp,
        Self::Packed,
        Self::Sampled,
        Self::Redacted,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Raw => "B1 raw lines → file",
            Self::Json => "B2 JSON, 3 fields → file",
            Self::Whole => "B2 the same, whole records",
            Self::Otlp => "B3 CRI + JSON → OTLP/HTTP",
            Self::Packed => "B4 B3 compressed",
            Self::Sampled => "B5 B4 sampled to 10 %",
            Self::Redacted => "B10 B2 with 3 redactions",
        }
    }

    /// Whether the lines are framed as a container runtime does.
    pub(crate) fn is_container(self) -> bool {
        matches!(self, Self::Otlp | Self::Packed | Self::Sampled)
    }

    /// Whether records go to a file rather than over HTTP.
    pub(crate) fn to_file(self) -> bool {
        matches!(self, Self::Raw | Self::Json | Self::Whole | Self::Redacted)
    }
}

/// What a subject does with a workload, run by run.
struct Case<'s> {
    workload: Workload,
    subject: &'s Subject,
    config: String,
    outcomes: Vec<Outcome>,
}

fn run(settings: &Settings) -> anyhow::Result<String> {
    let thousands = settings.objects.first().copied().unwrap_or(1);
    let lines = thousands * LINES_EACH;
    terminal::step("building the agent as it ships, and the sink");
    let subjects = subjects::all()?;
    // Before this thread stays on one core: that would be all there is.
    let machine = machine();
    let lab = Lab::new(lines)?;
    let mut cases: Vec<Case<'_>> = Vec::new();
    for workload in Workload::ALL {
        let places = lab.places(workload);
        let first = cases.len();
        cases.extend(subjects.iter().filter_map(|subject| {
            let config = subject.config(workload, &places)?;
            Some(Case { workload, subject, config, outcomes: Vec::new() })
        }));
        let turns = cases.get_mut(first..).unwrap_or_default();
        for Case { subject, config, .. } in turns.iter() {
            // A virtual machine pays for memory that it never touched before, whoever happens to
            // be the first.
            let seen = each(lab.backlog(subject, workload, config)?.cpu.as_secs_f64(), lines);
            let name = format_args!("{}: {}", workload.title(), subject.name);
            terminal::step(format_args!("{name}: {seen} µs a line, not counted: to warm up"));
        }
        // In turns: no machine is equally fast all the time.
        let measure = |case: &mut Case<'_>| {
            terminal::step(format_args!("{}: {}", workload.title(), case.subject.name));
            lab.backlog(case.subject, workload, &case.config).map(|it| case.outcomes.push(it))
        };
        for _ in 0..settings.runs {
            turns.iter_mut().try_for_each(measure)?;
        }
        let start = Instant::now();
        while start.elapsed() < pace::PATIENCE {
            let full = lab.full_pace();
            let is_done = |case: &Case<'_>| {
                pace::is_enough(&case.outcomes, settings.runs, |outcome| outcome.pace(full))
            };
            if turns.iter().all(is_done) {
                break;
            }
            turns.iter_mut().filter(|case| !is_done(case)).try_for_each(measure)?;
        }
        // A long run that does not end has told something.
        let done = cases.get(first..).unwrap_or_default();
        for row in rows(done, lines, settings.runs, lab.full_pace())? {
            terminal::step(row.join(" | "));
        }
    }
    let mut text = format!(
        "Machine: {machine}. {lines} lines of {} bytes, warm page cache, {} runs after one that \
         is not counted, the median by CPU; of what was lost or doubled, the most in any run. \
         `at full pace` is the median of each run's CPU time times its pace: how fast a fixed loop \
         ran on the subject's core during the run, as a share of the fastest tenth of all its \
         turns (others use the same processor). {}\n\n",
        input::LINE_BYTES,
        settings.runs,
        pace::RULE
    );
    for subject in &subjects {
        let _ = writeln!(text, "- {}: {}", subject.name, subject.version);
    }
    let _ = write!(text, "\n{}", markdown(&rows(&cases, lines, settings.runs, lab.full_pace())?));
    let others = lab.steady(&subjects, STEADY_RATE, STEADY_FILES)?;
    let _ = write!(text, "\n{}", markdown(&others));
    let idle = lab.idle(&subjects)?;
    let _ = write!(text, "\n{}", markdown(&idle));
    for rows in [lab.torture(&subjects)?, lab.outage(&subjects)?, lab.odd(&subjects)?] {
        let _ = write!(text, "\n{}", markdown(&rows));
    }
    text.push_str(QUOTED);
    Ok(text)
}

/// What others say of themselves; such tools do not install here.
const QUOTED: &str = "
Quoted, not measured here: Fluent Bit 5.1.1 0.80 µs a line (raw to file), 1.94 µs (JSON to
file), 3.98 µs (JSON to OTLP/HTTP), 4.50 µs (with zstd), on a machine of this kind; vlagent
4.8 % of a core and 33 MB at 10,000 lines a second (VictoriaMetrics' own run of 2026-09-17).
";

/// What each subject cost in each workload.
fn rows(
    cases: &[Case<'_>],
    lines: usize,
    runs: usize,
    full: Option<f64>,
) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = vec![words(&[
        "workload",
        "subject",
        "µs CPU a line",
        "from – to",
        "pace",
        "at full pace",
        "times Orlop's",
        "wall",
        "peak RSS",
        "lost",
        "doubled",
        "not counted",
    ])];
    // That of the first subject of a workload, which is Orlop.
    let mut ours = (None, 0.0);
    for Case { workload, subject, outcomes, .. } in cases {
        let more = outcomes.len().saturating_sub(runs);
        // Whether a run counts for speed or not, no line may be lost in it.
        let lost = outcomes.iter().map(|outcome| outcome.lost).max().flatten();
        let doubled = outcomes.iter().map(|outcome| outcome.doubled).max().unwrap_or(0);
        let mut outcomes = pace::calmest(outcomes, runs, |outcome| outcome.pace(full));
        let at_full_pace = |outcome: &&Outcome| outcome.at_full_pace(full);
        outcomes.sort_by(|one, other| at_full_pace(one).total_cmp(&at_full_pace(other)));
        let steady = outcomes.get(outcomes.len() / 2).map(at_full_pace).context("no run")?;
        if ours.0 != Some(*workload) {
            ours = (Some(*workload), steady);
        }
        outcomes.sort_by_key(|outcome| outcome.cpu);
        let middle = outcomes.get(outcomes.len() / 2).context("no run")?;
        let cpu = |one: Option<&&Outcome>| one.map_or(0.0, |one| one.cpu.as_secs_f64());
        let (least, most) = (cpu(outcomes.first()), cpu(outcomes.last()));
        rows.push(vec![
            workload.title().to_owned(),
            subject.name.to_owned(),
            each(middle.cpu.as_secs_f64(), lines),
            format!("{} – {}", each(least, lines), each(most, lines)),
            format!("{:.0} %", 100.0 * middle.pace(full)),
            each(steady, lines),
            format!("{:.1}", steady / ours.1.max(f64::MIN_POSITIVE)),
            format!("{:.2} s", middle.wall.as_secs_f64()),
            format!("{:.0} MiB", middle.peak_mib),
            lost.map_or_else(|| "–".to_owned(), |lost| lost.to_string()),
            doubled.to_string(),
            more.to_string(),
        ]);
    }
    Ok(rows)
}

/// Microseconds of CPU a line.
#[expect(clippy::cast_precision_loss, reason = "printed with three decimals")]
fn each(seconds: f64, lines: usize) -> String {
    format!("{:.3}", seconds * 1e6 / lines as f64)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The folder of all that a bench writes; on the disk of the build, not in memory.
fn folder() -> anyhow::Result<std::path::PathBuf> {
    Ok(workspace::target()?.join("bench-logs"))
}
