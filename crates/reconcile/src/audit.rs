//! The audit log: one JSON object per line, appended and never rewritten.
//!
//! On a host it is a file, in a cluster the standard output, where the cluster's own collector
//! takes it. A line that cannot be written is told in the log and does not stop a delivery.

use crate::ReconcileError;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Where audit lines go; clones share it.
#[derive(Clone)]
pub struct Audit(Arc<Mutex<Sink>>);

enum Sink {
    File(File),
    Stdout,
    Nowhere,
}

impl Audit {
    /// Lines are kept nowhere.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(Arc::new(Mutex::new(Sink::Nowhere)))
    }

    /// Lines go to the standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self(Arc::new(Mutex::new(Sink::Stdout)))
    }

    /// Lines are appended to a file that only its owner may read.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(path: &Path) -> Result<Self, ReconcileError> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let failed = |source| ReconcileError::File { path: path.to_owned(), source };
        Ok(Self(Arc::new(Mutex::new(Sink::File(opened.map_err(failed)?)))))
    }

    /// Appends one line; the text has no line end.
    pub(crate) fn line(&self, text: &str) {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One write per line, so that lines of several processes do not mix.
        let line = format!("{text}\n");
        let written = match &mut *sink {
            Sink::File(file) => file.write_all(line.as_bytes()),
            Sink::Stdout => io::stdout().lock().write_all(line.as_bytes()),
            Sink::Nowhere => Ok(()),
        };
        if let Err(error) = written {
            tracing::error!(%error, "an audit line was not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        Audit::file(&path).unwrap().line("{\"n\":1}");
        Audit::file(&path).unwrap().line("{\"n\":2}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"n\":1}\n{\"n\":2}\n");
    }
}
