//! What is tailed, and within which bounds.

use super::glob::{GlobError, Pattern};
use super::own::Own;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where a file begins that was there before us, or before the reload that made an input mean it,
/// and of which no checkpoint is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartAt {
    /// At its first byte.
    #[default]
    Beginning,
    /// After its last whole line; what comes later is read.
    End,
}

/// Which symbolic links among the files are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// Those that belong to root or to the owner of what they point to. Others could make us read
    /// a file for somebody who may not.
    #[default]
    Owned,
    /// None, neither files nor directories.
    Refused,
}

/// A set of files that are read in the same way.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name, for messages.
    pub name: String,
    /// The files.
    pub include: Vec<Pattern>,
    /// Files that are left out all the same.
    pub exclude: Vec<Pattern>,
    /// What is left out because this process writes it.
    pub own: Arc<Own>,
    /// Where to begin in files that were there before us.
    pub start_at: StartAt,
    /// Which links are followed.
    pub symlinks: Symlinks,
    /// Whether all files of one directory are one source, as the files of a container are: they
    /// are read one after the other, the oldest first. Otherwise only `app.log`, `app.log.1` and
    /// the like belong together.
    pub directory_is_source: bool,
}

impl Input {
    /// Files that patterns name.
    ///
    /// # Errors
    /// [`GlobError`] of the first text that is no pattern.
    pub fn globs(name: &str, include: &[&str], exclude: &[&str]) -> Result<Self, GlobError> {
        let parse = |texts: &[&str]| -> Result<Vec<Pattern>, GlobError> {
            texts.iter().map(|text| Pattern::parse(text)).collect()
        };
        Ok(Self {
            name: name.to_owned(),
            include: parse(include)?,
            exclude: parse(exclude)?,
            own: Arc::default(),
            start_at: StartAt::Beginning,
            symlinks: Symlinks::Owned,
            directory_is_source: false,
        })
    }

    /// The logs of the pods of a node, `ROOT/var/log/pods/NS_POD_UID/CONTAINER/N.log`, with the
    /// files that the kubelet has rotated and not yet compressed.
    ///
    /// # Errors
    /// [`GlobError`] when the root makes no pattern.
    pub fn pods(name: &str, root: &Path) -> Result<Self, GlobError> {
        let root = escaped(&root.to_string_lossy());
        let root = root.trim_end_matches('/');
        let live = format!("{root}/var/log/pods/*_*_*/*/[0-9]*.log");
        let digits = |count| "[0-9]".repeat(count);
        let rotated = format!("{live}.{}-{}", digits(8), digits(6));
        let mut input = Self::globs(name, &[&live, &rotated], &[])?;
        input.directory_is_source = true;
        Ok(input)
    }

    /// Whether a pattern means this path.
    #[must_use]
    pub fn means(&self, path: &Path) -> bool {
        self.include.iter().any(|pattern| pattern.matches(path))
            && !self.exclude.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether a file at this path is read.
    #[must_use]
    pub fn reads(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        self.means(path) && !is_no_text(name.as_encoded_bytes())
    }
}

/// A path as a pattern that matches it alone.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for char in path.chars() {
        if matches!(char, '*' | '?' | '[' | '\\') {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

/// The bounds of a tailer. Every one is enforced; what they cut off is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Files that are followed at the same time; further ones wait until others go.
    pub files_max: usize,
    /// Directories that are looked into.
    pub directories_max: usize,
    /// Directories that are watched, with two watches of the user's share each; directories beyond
    /// are polled.
    pub watches_max: usize,
    /// Files that are held open. What must wait beyond that is closed and opened again in its
    /// turn; if it is deleted before, its bytes are lost, and told. By default three quarters of
    /// what this process may open without what it needs itself.
    pub open_max: usize,
    /// Files that are held open although nothing happens to them and everything has arrived.
    pub open_idle_max: usize,
    /// Bytes per second of what was written before we came; `None` is as fast as it goes.
    pub backlog_bytes_per_s: Option<u64>,
    /// Bytes on disk that deleted files may occupy because we hold them.
    pub deleted_bytes_max: u64,
    /// Part of its file system that deleted files may occupy because we hold them, in percent.
    pub deleted_percent_max: u8,
    /// How long a deleted file is held while nobody takes its bytes.
    pub deleted_age_max: Duration,
    /// How long a deleted file that was read to its end must be quiet to be let go.
    pub deleted_quiet: Duration,
    /// How long a file that was renamed out of the patterns must be quiet to be let go. Its
    /// writer may not know yet that it was renamed.
    pub renamed_quiet: Duration,
    /// How long a new file that looks like a copy of its neighbour, or may become one, is held back
    /// after it has grown, for the neighbour to be truncated.
    pub copy_grace: Duration,
    /// How often everything is compared with the disk, whatever the events said. This finds what
    /// events do not tell: writes through a memory map or from another machine.
    pub reconcile_every: Duration,
    /// The shortest and the longest pause between two looks at a directory that cannot be watched.
    pub poll_every: (Duration, Duration),
    /// The first and the longest pause before a file that cannot be read is tried again.
    pub retry_every: (Duration, Duration),
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            files_max: 100_000,
            directories_max: 100_000,
            watches_max: 65_536,
            open_max: open_max(process_limit()),
            open_idle_max: 1024,
            backlog_bytes_per_s: None,
            deleted_bytes_max: 4 << 30,
            deleted_percent_max: 10,
            deleted_age_max: seconds(300),
            deleted_quiet: seconds(2),
            renamed_quiet: seconds(60),
            copy_grace: seconds(2),
            reconcile_every: seconds(60),
            poll_every: (Duration::from_millis(250), seconds(10)),
            retry_every: (seconds(5), seconds(300)),
        }
    }
}

/// So many descriptors a process needs for other things than files, unless it has few at all.
const OTHERS: usize = 64;

/// How many files a process may hold open that may have so many descriptors.
fn open_max(limit: usize) -> usize {
    (limit - OTHERS.min(limit / 2)) / 4 * 3
}

/// How many files this process may open.
fn process_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1 << 20)
}

/// Endings of files that are never read as text: compressed, or in the middle of it.
const NO_TEXT: [&str; 9] = [".gz", ".tmp", ".zst", ".xz", ".bz2", ".lz4", ".lzma", ".zip", ".swp"];

/// Whether the name says that the file is no text.
pub(crate) fn is_no_text(name: &[u8]) -> bool {
    NO_TEXT.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// The name without what a rotation appends: `app.log` of `app.log.1` and `app.log-20260101`.
pub(crate) fn stem(name: &[u8]) -> &[u8] {
    let kept = name
        .iter()
        .rposition(|byte| !byte.is_ascii_digit() && !matches!(byte, b'.' | b'-' | b'_'))
        .map_or(0, |at| at + 1);
    name.get(..kept).filter(|stem| !stem.is_empty()).unwrap_or(name)
}

/// The name that a rotation makes this one of, also before its ending: `app.log` of `app.log.1` and
/// of `app-20260101.log`; nothing of a name that looks like none of a rotation.
pub(crate) fn live_name(name: &[u8]) -> Option<Vec<u8>> {
    let kept = stem(name);
    if kept.len() < name.len() {
        return Some(kept.to_vec());
    }
    let (base, ending) = name.split_at_checked(name.iter().rposition(|byte| *byte == b'.')?)?;
    let kept = stem(base);
    (kept.len() < base.len()).then(|| [kept, ending].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stem_of_a_rotated_name_is_the_live_one() {
        for name in ["app.log", "app.log.1", "app.log-20260101", "app.log.2026-01-01_00"] {
            assert_eq!(stem(name.as_bytes()), b"app.log", "{name}");
        }
        assert_eq!(stem(b"0.log.20260101-000000"), b"0.log");
        assert_eq!(stem(b"0.1"), b"0.1");
    }

    #[test]
    fn a_rotation_puts_its_number_or_date_behind_a_name_or_before_its_ending() {
        for name in ["app.log.1", "app.1.log", "app-20260101.log", "app-20260101-1700000000.log"] {
            assert_eq!(live_name(name.as_bytes()).unwrap(), b"app.log", "{name}");
        }
        for name in ["app.log", "10.log", "0.1", "app"] {
            assert_eq!(live_name(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn r7_compressed_and_half_made_files_are_no_text() {
        for name in ["a.log.1.gz", "0.log.20260101-000000.tmp", "a.zst"] {
            assert!(is_no_text(name.as_bytes()), "{name}");
        }
        assert!(!is_no_text(b"a.log.1"));
    }

    #[test]
    fn r27_the_pods_of_a_node_with_rotated_files_are_named_and_nothing_else() {
        let input = Input::pods("pods", Path::new("/ho[s]t/")).unwrap();
        let named = |path: &str| input.include.iter().any(|p| p.matches(Path::new(path)));
        assert!(named("/ho[s]t/var/log/pods/ns_web-1_0a/web/0.log"));
        assert!(named("/ho[s]t/var/log/pods/ns_web-1_0a/web/12.log.20260101-000000"));
        assert!(!named("/ho[s]t/var/log/pods/ns_web-1_0a/web/0.log.20260101-000000.gz"));
        assert!(!named("/ho[s]t/var/log/pods/ns_web-1_0a/0.log"));
        assert!(!named("/host/var/log/pods/ns_web-1_0a/web/0.log"));
    }
}
