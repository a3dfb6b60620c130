//! One run after the other: start a subject, wait until its records are there, see what it cost.

mod odd;
mod torture;

use super::pace::{self, Probe};
use super::subjects::{Places, Subject};
use super::{Workload, folder, input, words};
use crate::benches::pause;
use crate::{measure, workspace};
use anyhow::{Context, bail};
use serde::Deserialize;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The core of the subject, and that of everything else.
const CORES: [usize; 2] = [0, 1];
/// A run that takes longer has failed.
const RUN_LIMIT: Duration = Duration::from_secs(300);
/// Nothing more comes when nothing came for so long.
const QUIET: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// B6 is watched in slices, until so many were undisturbed, but not longer than that.
const SLICE: Duration = Duration::from_secs(1);
const SLICES: usize = 20;
const SLICES_MAX: usize = 180;
/// How long B7 is watched.
const WATCH: Duration = Duration::from_secs(20);
/// How long the sink of B9 is down.
const OUTAGE: Duration = Duration::from_secs(15);
/// Files of B7.
const IDLE_FILES: usize = 10_000;
/// Between two writes of the generator.
const TICK: Duration = Duration::from_millis(20);
/// Bytes of a file that are posted to the sink at once.
const POST_BYTES: usize = 16 << 20;

/// What a run cost, and what came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    pub(super) peak_mib: f64,
    /// Records that never came; nothing where records are left out on purpose.
    pub(super) lost: Option<u64>,
    pub(super) doubled: u64,
    /// Turns of the probe for each nanosecond while it ran; none when it was too short for one.
    pub(super) speed: Option<f64>,
}

impl Outcome {
    /// CPU seconds if the core had been at full pace all the time.
    pub(super) fn at_full_pace(&self, full: Option<f64>) -> f64 {
        self.cpu.as_secs_f64() * self.pace(full)
    }

    /// The pace of its core, 1 for the full one.
    pub(super) fn pace(&self, full: Option<f64>) -> f64 {
        pace::of(self.speed, full)
    }
}

/// What the sink counted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stats {
    records: u64,
    distinct: u64,
    p50_micros: u64,
    p99_micros: u64,
}

impl Stats {
    /// Records that came once more.
    fn doubled(&self, subject: &Subject) -> u64 {
        (self.records / subject.marks()).saturating_sub(self.distinct)
    }
}

/// What B6 saw of one subject.
struct Watched {
    slices: Vec<Slice>,
    peak_mib: f64,
    /// Lines that it had to read.
    written: u64,
    stats: Stats,
}

/// A part of the time that a subject is watched.
struct Slice {
    cpu: Duration,
    time: Duration,
    /// Of its core, 1 for the full one.
    pace: f64,
}

/// The place of all runs: input files, the sink.
pub(super) struct Lab {
    folder: PathBuf,
    lines: usize,
    sink: Child,
    url: String,
    /// The same sink with TLS.
    tls_url: String,
    probe: Probe,
}

/// A subject that runs.
struct Running {
    child: Child,
    start: Instant,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.sink.kill();
        let _ = self.sink.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Lab {
    pub(super) fn new(lines: usize) -> anyhow::Result<Self> {
        let folder = folder()?;
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        input::write(&folder.join("json.log"), 0, lines, false)?;
        input::write(&folder.join("cri.log"), 0, lines, true)?;
        workspace::build_programs()?;
        let program = workspace::target()?.join("debug/log-sink");
        // The generator is this thread.
        pace::pin(CORES[1]).context("cannot stay off the subject's core")?;
        let mut sink = pinned(CORES[1], &Command::new(&program))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut line = String::new();
        if let Some(output) = sink.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let said: serde_json::Value = serde_json::from_str(&line).context("the sink's URL")?;
        let text = |key: &str| said.get(key).and_then(|text| text.as_str()).unwrap_or_default();
        fs::write(folder.join("ca.pem"), text("authority"))?;
        let (url, tls_url) = (text("url").to_owned(), text("tls").to_owned());
        let probe = Probe::new(CORES[0]);
        Ok(Self { folder, lines, sink, url, tls_url, probe })
    }

    /// Turns of the probe for each nanosecond at full pace, as far as that was seen.
    pub(super) fn full_pace(&self) -> Option<f64> {
        self.probe.full()
    }

    pub(super) fn places(&self, workload: Workload) -> Places {
        let name = if workload.is_container() { "cri.log" } else { "json.log" };
        self.places_of(&self.folder.join(name).display().to_string())
    }

    fn places_of(&self, input: &str) -> Places {
        Places {
            input: input.to_owned(),
            output: self.folder.join("out"),
            sink: self.url.clone(),
            authority: None,
            state: self.folder.join("state"),
        }
    }

    /// With the sink that has TLS.
    fn safe_places_of(&self, input: &str) -> Places {
        Places {
            sink: self.tls_url.clone(),
            authority: Some(self.folder.join("ca.pem")),
            ..self.places_of(input)
        }
    }

    /// Files that were written before, to the end.
    pub(super) fn backlog(
        &self,
        subject: &Subject,
        workload: Workload,
        config: &str,
    ) -> anyhow::Result<Outcome> {
        let places = self.places(workload);
        warm(Path::new(&places.input))?;
        self.probe.wait_for_calm();
        let wanted = match workload {
            Workload::Sampled => None,
            _ => Some(self.lines as u64),
        };
        let output = workload.to_file().then_some(places.output.as_path());
        self.drain(subject, config, wanted, output)
    }

    /// Runs until all that is wanted came, or until nothing comes any more where that is not known.
    fn drain(
        &self,
        subject: &Subject,
        config: &str,
        wanted: Option<u64>,
        output: Option<&Path>,
    ) -> anyhow::Result<Outcome> {
        let running = self.start(subject, config)?;
        let end = self.come(output, wanted.unwrap_or(u64::MAX))?;
        let (cost, start) = (running.cost()?, running.start);
        running.stop()?;
        self.count(output)?;
        let stats = self.stats()?;
        Ok(Outcome {
            cpu: cost.0,
            wall: end.saturating_duration_since(start),
            peak_mib: cost.1,
            lost: wanted.map(|wanted| wanted.saturating_sub(stats.distinct)),
            doubled: stats.doubled(subject),
            speed: self.probe.speed(start, end),
        })
    }

    /// Waits until the sink has so many records; a file of them, until it grows no more.
    fn come(&self, output: Option<&Path>, wanted: u64) -> anyhow::Result<Instant> {
        match output {
            Some(output) => {
                self.wait(|| Ok(fs::metadata(output).map_or(0, |about| about.len())), u64::MAX)
            }
            None => self.wait(|| Ok(self.stats()?.distinct), wanted),
        }
    }

    /// Lets the sink count the records of a file, when they are in one.
    fn count(&self, output: Option<&Path>) -> anyhow::Result<()> {
        output.map_or(Ok(()), |output| self.post_file(output))
    }

    /// Waits until `wanted` is reached or nothing comes any more; gives the time of the last step.
    fn wait(
        &self,
        progress: impl Fn() -> anyhow::Result<u64>,
        wanted: u64,
    ) -> anyhow::Result<Instant> {
        let start = Instant::now();
        let (mut last, mut at) = (0, Instant::now());
        while start.elapsed() < RUN_LIMIT {
            let now = progress()?;
            if now != last {
                (last, at) = (now, Instant::now());
            }
            if now >= wanted || (now > 0 && at.elapsed() > QUIET) {
                return Ok(at);
            }
            pause(LOOK);
        }
        bail!("not done within {} s: {last} of {wanted}", RUN_LIMIT.as_secs())
    }

    /// B6: so many lines a second over many files.
    pub(super) fn steady(
        &self,
        subjects: &[Subject],
        rate: usize,
        files: usize,
    ) -> anyhow::Result<Vec<Vec<String>>> {
        let mut rows = vec![words(&[
            "B6 10,000 lines/s, 50 files",
            "of a core",
            "pace",
            "at full pace",
            "peak RSS",
            "lost",
            "p50",
            "p99",
            "seconds not counted",
        ])];
        for subject in subjects {
            let folder = self.fresh("steady")?;
            let places = self.places_of(&folder.join("*.log").display().to_string());
            let Some((workload, config)) = subject.steady(&places) else { continue };
            let output = workload.to_file().then_some(places.output.as_path());
            let open = |index| fs::File::create(folder.join(format!("{index}.log")));
            let open = (0..files).map(open).collect::<Result<Vec<_>, _>>()?;
            let watched = self.watch(subject, &config, output, &open, rate)?;
            let Watched { slices, stats, .. } = watched;
            let counted = pace::calmest(&slices, SLICES, |slice| slice.pace);
            let sum = |of: fn(&Slice) -> Duration| counted.iter().map(|slice| of(slice)).sum();
            let (cpu, time) = (sum(|slice| slice.cpu), sum(|slice| slice.time));
            let at_full_pace = sum(|slice| slice.cpu.mul_f64(slice.pace));
            // When a line of a file was written is not known.
            let latency = |micros| if output.is_some() { "–".to_owned() } else { millis(micros) };
            rows.push(vec![
                subject.name.to_owned(),
                share(cpu, time),
                format!("{:.0} %", 100.0 * at_full_pace.div_duration_f64(cpu)),
                share(at_full_pace, time),
                format!("{:.0} MiB", watched.peak_mib),
                watched.written.saturating_sub(stats.distinct).to_string(),
                latency(stats.p50_micros),
                latency(stats.p99_micros),
                (slices.len() - counted.len()).to_string(),
            ]);
        }
        Ok(rows)
    }

    /// So many lines a second into these files, one after the other.
    fn watch(
        &self,
        subject: &Subject,
        config: &str,
        output: Option<&Path>,
        files: &[fs::File],
        rate: usize,
    ) -> anyhow::Result<Watched> {
        let running = self.start(subject, config)?;
        self.probe.calm(true);
        pause(Duration::from_secs(1));
        let (start, mut sequence, mut slices) = (Instant::now(), 0, Vec::<Slice>::new());
        while !pace::is_enough(&slices, SLICES, |slice| slice.pace) && slices.len() < SLICES_MAX {
            let (from, before) = (Instant::now(), running.cost()?.0);
            while from.elapsed() < SLICE {
                let due = rate * usize::try_from(start.elapsed().as_millis())? / 1_000;
                while sequence < due {
                    let line = input::line(sequence, input::micros());
                    let mut file = files.get(sequence % files.len()).context("no file")?;
                    writeln!(file, "{}{line}", input::FRAME)?;
                    sequence += 1;
                }
                pause(TICK);
            }
            let (cpu, to) = (running.cost()?.0 - before, Instant::now());
            let pace = pace::of(self.probe.speed(from, to), self.full_pace());
            slices.push(Slice { cpu, time: to - from, pace });
        }
        let written = sequence as u64;
        self.come(output, written)?;
        let peak_mib = running.cost()?.1;
        running.stop()?;
        self.count(output)?;
        Ok(Watched { slices, peak_mib, written, stats: self.stats()? })
    }

    /// B7: files that nobody writes to any more.
    pub(super) fn idle(&self, subjects: &[Subject]) -> anyhow::Result<Vec<Vec<String>>> {
        let mut rows = vec![words(&["B7 10,000 idle files", "of a core", "peak RSS"])];
        let folder = self.fresh("idle")?;
        for index in 0..IDLE_FILES {
            input::write(&folder.join(format!("{index}.log")), index, 1, true)?;
        }
        let places = self.places_of(&folder.join("*.log").display().to_string());
        for subject in subjects {
            let Some((workload, config)) = subject.steady(&places) else { continue };
            let output = workload.to_file().then_some(places.output.as_path());
            let running = self.start(subject, &config)?;
            self.come(output, IDLE_FILES as u64)?;
            self.probe.calm(true);
            pause(Duration::from_secs(2));
            let before = running.cost()?.0;
            pause(WATCH);
            let (after, peak) = running.cost()?;
            running.stop()?;
            let share = share(after - before, WATCH);
            rows.push(vec![subject.name.to_owned(), share, format!("{peak:.0} MiB")]);
        }
        Ok(rows)
    }

    /// B9: the sink is down for a while, then everything has to come.
    pub(super) fn outage(&self, subjects: &[Subject]) -> anyhow::Result<Vec<Vec<String>>> {
        let mut rows = vec![words(&[
            "B9 sink down 15 s, then up",
            "peak RSS while down",
            "peak RSS",
            "lost",
            "doubled",
            "caught up in",
            "CPU",
        ])];
        for subject in subjects {
            let places = self.places(Workload::Packed);
            let Some(config) = subject.config(Workload::Packed, &places) else { continue };
            let running = self.start_after(subject, &config, "/down")?;
            pause(OUTAGE);
            let down = running.cost()?.1;
            self.ask("POST", "/up", b"")?;
            let up = Instant::now();
            let end = self.wait(|| Ok(self.stats()?.distinct), self.lines as u64)?;
            let (cpu, peak) = running.cost()?;
            running.stop()?;
            let stats = self.stats()?;
            rows.push(vec![
                subject.name.to_owned(),
                format!("{down:.0} MiB"),
                format!("{peak:.0} MiB"),
                (self.lines as u64).saturating_sub(stats.distinct).to_string(),
                stats.doubled(subject).to_string(),
                format!("{:.2} s", end.saturating_duration_since(up).as_secs_f64()),
                format!("{:.2} s", cpu.as_secs_f64()),
            ]);
        }
        Ok(rows)
    }

    fn fresh(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn start(&self, subject: &Subject, config: &str) -> anyhow::Result<Running> {
        self.start_after(subject, config, "/reset")
    }

    fn start_after(&self, subject: &Subject, config: &str, ask: &str) -> anyhow::Result<Running> {
        self.probe.calm(false);
        self.fresh("state")?;
        let _ = fs::remove_file(self.folder.join("out"));
        // What the one before wrote is nothing to this one.
        rustix::fs::sync();
        self.ask("POST", "/reset", b"")?;
        self.ask("POST", ask, b"")?;
        self.start_again(subject, config)
    }

    /// With the state that it left.
    fn start_again(&self, subject: &Subject, config: &str) -> anyhow::Result<Running> {
        let state = self.folder.join("state");
        let file = self.folder.join("config.yaml");
        fs::write(&file, config)?;
        let log = fs::File::create(self.folder.join("subject.log"))?;
        let mut command = pinned(CORES[0], &subject.command(&file, &state));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot run {}", subject.name))?;
        Ok(Running { child, start: Instant::now() })
    }

    fn stats(&self) -> anyhow::Result<Stats> {
        Ok(serde_json::from_str(&self.ask("GET", "/stats", b"")?)?)
    }

    /// Lets the sink count the records of a file.
    fn post_file(&self, path: &Path) -> anyhow::Result<()> {
        let mut file = fs::File::open(path)?;
        let mut rest = Vec::new();
        loop {
            let mut block = vec![0; POST_BYTES];
            let read = file.read(&mut block)?;
            rest.extend_from_slice(block.get(..read).unwrap_or_default());
            let end = match rest.iter().rposition(|byte| *byte == b'\n') {
                Some(end) if read > 0 => end + 1,
                _ => rest.len(),
            };
            self.ask("POST", "/records", rest.get(..end).unwrap_or_default())?;
            rest.drain(..end);
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<String> {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: sink\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer of the sink")?;
        anyhow::ensure!(head.contains(" 200 "), "the sink: {head}");
        Ok(body.to_owned())
    }
}

impl Running {
    /// CPU time and peak memory so far.
    fn cost(&self) -> anyhow::Result<(Duration, f64)> {
        let pid = i32::try_from(self.child.id())?;
        let cpu = measure::cpu(pid).context("the subject is gone: see subject.log")?;
        #[expect(clippy::cast_precision_loss, reason = "printed without decimals")]
        let peak = measure::peak_kib(pid).unwrap_or(0) as f64 / 1024.0;
        Ok((cpu, peak))
    }

    /// Whether it ended although nobody asked it to.
    fn is_over(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Ends it as a power cut would.
    fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has: what it does then is not measured.
    fn stop(mut self) -> anyhow::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(15) {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            pause(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Into the page cache.
fn warm(path: &Path) -> anyhow::Result<()> {
    std::io::copy(&mut fs::File::open(path)?, &mut std::io::sink())?;
    Ok(())
}

/// A command on one core, which ends when the bench is killed.
fn pinned(core: usize, command: &Command) -> Command {
    let mut pinned = Command::new("setpriv");
    pinned
        .args(["--pdeathsig", "KILL", "taskset", "-c", &core.to_string()])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            pinned.env(name, value);
        }
    }
    pinned
}

fn share(cpu: Duration, time: Duration) -> String {
    format!("{:.2} %", cpu.as_secs_f64() / time.as_secs_f64() * 100.0)
}

fn millis(micros: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
    let millis = micros as f64 / 1_000.0;
    format!("{millis:.1} ms")
}
