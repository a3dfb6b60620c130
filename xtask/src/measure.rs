//! What a command costs: wall time, CPU seconds with its children, peak memory.
//!
//! CPU time of a command is read from `/proc/PID/stat` between the process's end and its reaping,
//! so it is complete to one tick (usually 10 ms); that of a process that goes on is exact. Peak
//! memory is the kernel's high-water mark, looked at every [`LOOK_MILLISECONDS`]: what a process
//! gains in its last moment can be missed.

use anyhow::Context;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Between two looks at a process's memory.
const LOOK_MILLISECONDS: u64 = 5;
/// Fields of `/proc/PID/stat` behind the name: user, system, and both of reaped children.
const CPU_FIELDS: std::ops::Range<usize> = 11..15;
/// Bytes of a failed command's output that the error repeats.
const OUTPUT_BYTES: usize = 2_000;

/// The cost of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time, with children.
    pub(crate) cpu: Duration,
    /// Peak resident memory in MiB.
    pub(crate) peak_mib: f64,
}

/// Runs a command to its end; `exits` are the exit codes that count as success.
pub(crate) fn run(mut command: Command, exits: &[i32]) -> anyhow::Result<Cost> {
    let name = crate::workspace::spoken(&command);
    let log = crate::workspace::target()?.join(format!("measured-{}.log", std::process::id()));
    let file = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let pid = Pid::from_child(&child);
    let (sender, ended) = channel();
    let waiter = std::thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let result = waitid(WaitId::Pid(pid), options);
        // The receiver lives until it has heard of the end.
        let _ = sender.send(Instant::now());
        result
    });
    let raw = pid.as_raw_nonzero().get();
    let mut peak = 0;
    let end = loop {
        match ended.recv_timeout(Duration::from_millis(LOOK_MILLISECONDS)) {
            Ok(end) => break end,
            Err(RecvTimeoutError::Timeout) => peak = peak.max(peak_kib(raw).unwrap_or(0)),
            Err(RecvTimeoutError::Disconnected) => break Instant::now(),
        }
    };
    let cpu = cpu(raw);
    let status = child.wait()?;
    let waited = waiter.join();
    anyhow::ensure!(matches!(waited, Ok(Ok(_))), "{name}: its end was missed");
    let output = fs::read(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    if !status.code().is_some_and(|code| exits.contains(&code)) {
        let start = output.len().saturating_sub(OUTPUT_BYTES);
        let tail = String::from_utf8_lossy(output.get(start..).unwrap_or_default()).into_owned();
        anyhow::bail!("{name}: {status}; it said:\n{tail}");
    }
    #[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
    let peak_mib = peak as f64 / 1024.0;
    Ok(Cost { wall: end - start, cpu: cpu.context("no CPU time")?, peak_mib })
}

/// The run in the middle by wall time, and the highest peak of all.
pub(crate) fn median(mut costs: Vec<Cost>) -> Option<Cost> {
    costs.sort_by_key(|cost| cost.wall);
    let peak_mib = costs.iter().map(|cost| cost.peak_mib).fold(0.0, f64::max);
    costs.get(costs.len() / 2).map(|cost| Cost { peak_mib, ..*cost })
}

/// Highest resident memory of a process so far.
pub(crate) fn peak_kib(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// CPU time of a process and its reaped children so far. In nanoseconds unless threads have ended
/// or children were reaped: then it is in ticks, which count those too.
pub(crate) fn cpu(pid: i32) -> Option<Duration> {
    let ticks = ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let each = rustix::param::clock_ticks_per_second();
    let coarse = Duration::from_millis(ticks * 1000 / each.max(1));
    Some(of_threads(pid).unwrap_or_default().max(coarse))
}

/// CPU time of the threads that are alive.
fn of_threads(pid: i32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(nanoseconds.sum()))
}

/// Clock ticks in the text of `/proc/PID/stat`; the name in it may hold anything but `)`.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    fields.get(CPU_FIELDS)?.iter().map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_counts_the_process_and_its_reaped_children() {
        let stat = "12 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1 0 99";
        assert_eq!(ticks(stat), Some(127));
        assert_eq!(ticks("broken"), None);
    }

    #[test]
    fn cpu_time_of_a_process_that_goes_on_has_that_of_each_thread() {
        let own = i32::try_from(std::process::id()).unwrap();
        let before = of_threads(own).unwrap();
        std::thread::scope(|scope| {
            // It is alive, and its time counts, until there is more.
            scope.spawn(|| while of_threads(own).unwrap() <= before {});
        });
        assert!(cpu(own).unwrap() > before);
        assert_eq!(cpu(0), None);
    }

    #[test]
    fn the_median_is_a_run_that_happened_with_the_highest_peak() {
        let cost = |millis, peak_mib| Cost {
            wall: Duration::from_millis(millis),
            cpu: Duration::from_millis(millis / 2),
            peak_mib,
        };
        let middle = median(vec![cost(30, 1.0), cost(10, 5.0), cost(20, 2.0)]);
        assert_eq!(middle, Some(cost(20, 5.0)));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo broken; exit 3"]);
        let error = run(command, &[0]).unwrap_err().to_string();
        assert!(error.contains("broken"), "{error}");
        let mut command = Command::new("sh");
        command.args(["-c", "exit 1"]);
        assert!(run(command, &[0, 1]).unwrap().wall > Duration::ZERO);
    }
}
