//! The journal of systemd, entry by entry.
//!
//! It is read through `journalctl --output=export --follow`, a child process whose output is
//! parsed here. The journal's own files have three compressions, a keyed hash table and a writer
//! that changes them under the reader; the program that belongs to the installed journald knows
//! them all, and it is there wherever a journal is. A crash of it costs us nothing: reading goes
//! on after the cursor of the last entry that was delivered. Its output is foreign input to
//! [`Export`], which keeps to bounds whatever comes.
//!
//! The cursor of an entry ([`Entry::cursor`]) is what a checkpoint holds. Errors:
//! [`JournalError`]; each of them asks for a new [`Journal`] after a pause.

mod export;

pub use export::{
    ENTRY_BYTES_MAX, Entry, Export, FIELDS_MAX, Fed, NAME_BYTES_MAX, VALUE_BYTES_MAX,
};

use model::{Explain, Hint, Retry};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the program is looked for.
pub const PROGRAMS: [&str; 2] = ["/usr/bin/journalctl", "/bin/journalctl"];
/// The longest cursor, in bytes; systemd's have some 200.
pub const CURSOR_BYTES_MAX: usize = 512;
/// How much of what the program complains about is kept, in bytes.
const COMPLAINT_BYTES_MAX: usize = 1024;
/// How much is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// The pause before the program is started again.
const PAUSE: Duration = Duration::from_secs(5);

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// With the oldest entry.
    Beginning,
    /// With the first entry of this time or later, in microseconds since 1970.
    Since(u64),
    /// With the newest entry, where it ends, too.
    Newest,
    /// After the entry with this cursor.
    After(String),
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The program; the first of [`PROGRAMS`] that is there when `None`.
    pub program: Option<PathBuf>,
    /// The directory with journal files; this machine's own when `None`.
    pub directory: Option<PathBuf>,
    /// Units, all when empty.
    pub units: Vec<String>,
    /// Where to begin.
    pub from: From,
}

/// Why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The program is not there.
    #[error("cannot read the journal: journalctl is not installed")]
    NotInstalled,
    /// The program cannot be started.
    #[error("cannot start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A cursor has a form that no journal gives.
    #[error("a cursor of the journal is damaged")]
    Cursor,
    /// The program ended.
    #[error("journalctl ended ({status}): {complaint}")]
    Ended {
        /// Its exit status, or how it was killed.
        status: String,
        /// The end of what it said.
        complaint: String,
    },
    /// Its output cannot be read.
    #[error("cannot read what journalctl prints")]
    Read(#[source] io::Error),
}

impl Explain for JournalError {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::NotInstalled => {
                Hint::new("install systemd's journalctl, or leave the journal out of the inputs")
            }
            Self::Start { .. } | Self::Read(_) => {
                Hint::new("check the program, and the limits on processes and open files")
            }
            Self::Cursor => Hint::new("leave the cursor out to begin at the oldest entry"),
            Self::Ended { .. } => {
                Hint::new("run the agent as root or in the group systemd-journal")
            }
        })
    }

    fn retry(&self) -> Retry {
        match self {
            Self::NotInstalled | Self::Cursor => Retry::Never,
            Self::Start { .. } | Self::Ended { .. } | Self::Read(_) => Retry::After(PAUSE),
        }
    }
}

/// A journal that is read. The program ends when this is dropped.
#[derive(Debug)]
pub struct Journal {
    child: Child,
    export: Export,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    complaint: Vec<u8>,
    /// The cursor of the entry after which it begins, until an entry came.
    after: Option<String>,
}

impl Journal {
    /// Starts the program.
    ///
    /// # Errors
    /// [`JournalError`] when it is not there, cannot be started, or the cursor is none.
    pub fn start(source: &Source) -> Result<Self, JournalError> {
        let program = match &source.program {
            Some(program) => program.clone(),
            None => {
                let mut known = PROGRAMS.iter().map(PathBuf::from);
                known.find(|path| path.exists()).ok_or(JournalError::NotInstalled)?
            }
        };
        let mut command = Command::new(&program);
        command.args(["--output=export", "--no-pager", "--quiet", "--all"]);
        // Following alone shows the current boot only, and would pass over what was written before
        // the machine started again.
        command.arg("--merge");
        match &source.from {
            From::Newest => command.arg("--lines=1"),
            _ => command.args(["--follow", "--no-tail"]),
        };
        let mut after = None;
        match &source.from {
            From::Beginning | From::Newest => {}
            From::Since(us) => {
                command.arg(format!("--since=@{}.{:06}", us / 1_000_000, us % 1_000_000));
            }
            // `--after-cursor` passes over the next entry when the one of the cursor is not there
            // any more, or is of no unit that is read.
            From::After(cursor) if is_cursor(cursor) => {
                after = Some(cursor.clone());
                command.arg(format!("--cursor={cursor}"));
            }
            From::After(_) => return Err(JournalError::Cursor),
        }
        if let Some(directory) = &source.directory {
            let mut argument = std::ffi::OsString::from("--directory=");
            argument.push(directory);
            command.arg(argument);
        }
        command.args(source.units.iter().map(|unit| format!("--unit={unit}")));
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in a terminal is for this process, which ends the program when it ends.
        command.process_group(0);
        let child = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => JournalError::NotInstalled,
            _ => JournalError::Start { program: program.clone(), source },
        })?;
        for fd in [child.stdout.as_ref().map(AsFd::as_fd), child.stderr.as_ref().map(AsFd::as_fd)] {
            let Some(fd) = fd else { continue };
            rustix::io::ioctl_fionbio(fd, true)
                .map_err(|errno| JournalError::Read(errno.into()))?;
        }
        Ok(Self {
            child,
            export: Export::default(),
            buffer: vec![0; READ_BYTES],
            at: 0,
            end: 0,
            complaint: Vec::new(),
            after,
        })
    }

    /// The next entry; waits for it at most so long. `None` when none came in time.
    ///
    /// # Errors
    /// [`JournalError`] when the program ended or its output cannot be read. Entries that were
    /// complete before were given.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Entry<'_>>, JournalError> {
        let mut waited = false;
        loop {
            let bytes = self.buffer.get(self.at..self.end).unwrap_or_default();
            let fed = self.export.feed(bytes);
            self.at += fed.consumed;
            if fed.complete {
                let after = self.after.take();
                if after.is_some() && after.as_deref() == self.export.entry().cursor() {
                    continue;
                }
                break;
            }
            self.listen();
            let Some(stdout) = &self.child.stdout else { return Err(self.ended()) };
            match rustix::io::read(stdout, &mut *self.buffer) {
                Ok(0) => return Err(self.ended()),
                Ok(read) => (self.at, self.end) = (0, read),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if waited => return Ok(None),
                Err(Errno::AGAIN) => {
                    self.wait(timeout);
                    waited = true;
                }
                Err(errno) => return Err(JournalError::Read(errno.into())),
            }
        }
        Ok(Some(self.export.entry()))
    }

    /// Waits for output, complaints or the time.
    fn wait(&self, timeout: Duration) {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let mut fds = Vec::with_capacity(1);
        fds.extend(self.child.stdout.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let _ = poll(&mut fds, Some(&timeout));
    }

    /// Keeps the end of what the program complains about, so that it never blocks on that.
    fn listen(&mut self) {
        let Some(stderr) = &self.child.stderr else { return };
        let mut bytes = [0; COMPLAINT_BYTES_MAX];
        while let Ok(read @ 1..) = rustix::io::read(stderr, &mut bytes) {
            self.complaint.extend_from_slice(bytes.get(..read).unwrap_or_default());
            let over = self.complaint.len().saturating_sub(COMPLAINT_BYTES_MAX);
            self.complaint.drain(..over);
        }
    }

    fn ended(&mut self) -> JournalError {
        let _ = self.child.kill();
        let status = self.child.wait().map_or_else(|error| error.to_string(), |s| s.to_string());
        self.listen();
        let complaint = String::from_utf8_lossy(&self.complaint);
        let complaint = complaint.chars().filter(|c| !c.is_control()).collect();
        JournalError::Ended { status, complaint }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a text can be a cursor: pairs of a letter and hexadecimal digits.
fn is_cursor(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b';');
    !text.is_empty() && text.len() <= CURSOR_BYTES_MAX && text.bytes().all(is_known)
}

#[cfg(test)]
mod tests;
