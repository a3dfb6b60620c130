//! Where audit lines go: one JSON object per line, appended and never rewritten.
//!
//! On a host it is a file, in a cluster the standard output, where the cluster's own collector
//! takes it. The form of a line and the chain over all of them are those of [`gitops::audit`]; a
//! file goes on with the chain of its last line, a process that writes to the standard output
//! begins a new one. A line that cannot be written is told in the log and stops no delivery.

use crate::ReconcileError;
use gitops::audit::{AuditEvent, Chain};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The last line is looked for in so many bytes at the end of a file.
const LAST_LINE_BYTES_MAX: u64 = 64 * 1024;

/// Where audit lines go; clones share it.
#[derive(Clone)]
pub struct Audit(Arc<Mutex<Log>>);

struct Log {
    sink: Sink,
    chain: Chain,
}

enum Sink {
    File(File),
    Stdout,
    Nowhere,
}

impl Audit {
    fn to(sink: Sink, chain: Chain) -> Self {
        Self(Arc::new(Mutex::new(Log { sink, chain })))
    }

    /// Lines are kept nowhere.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::to(Sink::Nowhere, Chain::default())
    }

    /// Lines go to the standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(Sink::Stdout, Chain::default())
    }

    /// Lines are appended to a file that only its owner may read.
    ///
    /// # Errors
    /// When it cannot be opened, or its last line is none of ours: a gap in the chain would look
    /// like a line that somebody removed.
    pub fn file(path: &Path) -> Result<Self, ReconcileError> {
        let failed = |source| ReconcileError::File { path: path.to_owned(), source };
        let open = || {
            let mut options = OpenOptions::new();
            options.append(true).read(true).create(true).mode(0o600);
            let mut file = options.open(path)?;
            let last = last_line(&mut file)?;
            let broken = || io::Error::other("its last line is no whole audit line");
            let chain = match last {
                None => Chain::default(),
                Some(line) => Chain::after(&line).ok_or_else(broken)?,
            };
            Ok((file, chain))
        };
        let (file, chain) = open().map_err(failed)?;
        Ok(Self::to(Sink::File(file), chain))
    }

    /// From now on the lines of all clones go where those of `other` would.
    pub(crate) fn switch(&self, other: Self) {
        let Some(other) = Arc::into_inner(other.0) else { return };
        let other = other.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = other;
    }

    /// Appends one line.
    pub(crate) fn event(&self, event: &AuditEvent) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(log.sink, Sink::Nowhere) {
            return;
        }
        // One write per line, so that lines of several processes do not mix.
        let line = log.chain.line(event);
        let written = match &mut log.sink {
            Sink::File(file) => file.write_all(line.as_bytes()),
            Sink::Stdout => io::stdout().lock().write_all(line.as_bytes()),
            Sink::Nowhere => Ok(()),
        };
        if let Err(error) = written {
            tracing::error!(%error, "an audit line was not written");
        }
    }
}

/// The last line of a file; none when it is empty.
fn last_line(file: &mut File) -> io::Result<Option<String>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_LINE_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(LAST_LINE_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().next_back().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_the_chain_goes_on_over_a_restart() {
        let event = AuditEvent::new(
            gitops::audit::EventType::SyncFinished,
            "sync",
            gitops::spec::Outcome::Succeeded,
            jiff::Timestamp::UNIX_EPOCH,
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for _ in 0..2 {
            let audit = Audit::file(&path).unwrap();
            audit.event(&event);
            audit.event(&event);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4);
        gitops::audit::verify(Chain::default(), text.lines()).unwrap();
        // Clones go with it to another file.
        let (audit, other) = (Audit::file(&path).unwrap(), folder.path().join("other.jsonl"));
        let clone = audit.clone();
        audit.switch(Audit::file(&other).unwrap());
        clone.event(&event);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(std::fs::read_to_string(&other).unwrap().lines().count(), 1);
        std::fs::write(&path, format!("{text}half a li")).unwrap();
        assert!(Audit::file(&path).is_err());
    }
}
