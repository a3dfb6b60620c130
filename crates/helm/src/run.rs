//! One run of a program under bounds: own process group, empty environment, limits, capped output.
//!
//! Standard output and error are read until they are closed; then, or when time or output run
//! out, the whole group is killed, before its leader is waited for, so that its number is still
//! its own. The limits are set right after the start; what little the program does before them
//! counts.

use crate::{Bounds, HelmError, Network};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

/// Bytes of standard error that are kept.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Where helm may look for programs of its own.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What a program printed.
pub(crate) struct Printed {
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    pub(crate) status: ExitStatus,
}

/// Runs `program` with `home` as its home and current folder.
pub(crate) fn run(
    program: &Path,
    arguments: &[String],
    home: &Path,
    bounds: &Bounds,
    network: &Network,
) -> Result<Printed, HelmError> {
    let start = |source| HelmError::Start { program: program.to_owned(), source };
    let mut command = match network {
        Network::None { unshare } => {
            let mut command = Command::new(unshare);
            command.args(["--net", "--"]).arg(program);
            command
        }
        Network::Shared { .. } => Command::new(program),
    };
    command.args(arguments).env_clear().current_dir(home);
    command.env("PATH", SEARCH_PATH).env("HOME", home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(start)?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    limit(group, bounds);
    let (send, done) = channel();
    let out = child.stdout.take().map(|pipe| read(pipe, bounds.output_bytes, true, send.clone()));
    let err = child.stderr.take().map(|pipe| read(pipe, ERROR_BYTES_MAX, false, send));
    let pipes = usize::from(out.is_some()) + usize::from(err.is_some());
    let ended = wait(&done, pipes, bounds);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().map_err(start)?;
    ended?;
    let collect = |reader: Option<std::thread::JoinHandle<Vec<u8>>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    Ok(Printed { out: collect(out), err: collect(err), status })
}

/// Sets the limits of a program that has just begun. One that has ended already needs none.
fn limit(pid: Option<Pid>, bounds: &Bounds) {
    // Without a number the limits would become those of this process.
    if pid.is_none() {
        return;
    }
    let seconds = bounds.cpu.as_secs().max(1);
    for (resource, most) in [
        (Resource::Cpu, seconds),
        (Resource::As, bounds.memory_bytes),
        (Resource::Fsize, bounds.file_bytes),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        let _ = rustix::process::prlimit(pid, resource, limit);
    }
}

enum Told {
    Closed,
    Full,
}

/// Reads a pipe on a thread of its own, up to a limit. With `strict` more is an error.
fn read(
    mut pipe: impl Read + Send + 'static,
    limit: usize,
    strict: bool,
    tell: std::sync::mpsc::Sender<Told>,
) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0_u8; 16 * 1024];
        loop {
            let count = match pipe.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            let room = limit.saturating_sub(kept.len());
            kept.extend_from_slice(buffer.get(..count.min(room)).unwrap_or_default());
            if count > room && strict {
                let _ = tell.send(Told::Full);
                return kept;
            }
        }
        let _ = tell.send(Told::Closed);
        kept
    })
}

fn wait(done: &Receiver<Told>, pipes: usize, bounds: &Bounds) -> Result<(), HelmError> {
    let end = Instant::now() + bounds.timeout;
    for _ in 0..pipes {
        match done.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Told::Closed) | Err(RecvTimeoutError::Disconnected) => {}
            Ok(Told::Full) => {
                return Err(HelmError::TooMuch {
                    what: "the output of helm",
                    limit: format!("{} bytes", bounds.output_bytes),
                });
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(HelmError::Timeout { limit: bounds.timeout });
            }
        }
    }
    Ok(())
}

/// The signal that ended a program.
pub(crate) fn signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}
