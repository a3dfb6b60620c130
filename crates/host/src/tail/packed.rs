//! Rotated files that are compressed with gzip, for who wants the history before the first start
//! (R7). They are found once, never followed, and never read as text by the tailer.
//!
//! Input: what is tailed. Output: the files whose name without `.gz`, or without what a rotation
//! appends as well, is meant by a pattern, oldest first. Limits: [`PACKED_MAX`] files,
//! [`DEPTH_MAX`] directories deep, links are not followed.

use super::config::{Input, stem};
use super::glob::Pattern;
use super::identity::{Identity, MARKER_BYTES_MAX, Resume};
use super::open::peek;
use crate::hash::Fnv;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most files that are found.
pub const PACKED_MAX: usize = 10_000;
/// How deep below a pattern's base they are looked for.
pub const DEPTH_MAX: usize = 16;
/// How their names end.
const ENDING: &[u8] = b".gz";

/// A compressed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The number of the input that means it.
    pub input: usize,
    /// Which file it is.
    pub identity: Identity,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written to, in nanoseconds since 1970. The programs that compress keep
    /// the time of the text.
    pub written_ns: u64,
}

/// The compressed files that the inputs mean, oldest first.
#[must_use]
pub fn packed<'a>(inputs: impl IntoIterator<Item = (usize, &'a Input)>) -> Vec<PackedFile> {
    let mut found = Vec::new();
    for (number, input) in inputs {
        let mut bases: Vec<&Path> = input.include.iter().map(Pattern::base).collect();
        bases.sort_unstable();
        bases.dedup();
        for base in bases {
            walk(base, DEPTH_MAX, number, input, &mut found);
        }
    }
    found.sort_by(|one, other| (one.written_ns, &one.path).cmp(&(other.written_ns, &other.path)));
    found.dedup_by(|one, other| one.path == other.path);
    found
}

fn walk(dir: &Path, depth: usize, number: usize, input: &Input, found: &mut Vec<PackedFile>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if found.len() >= PACKED_MAX {
            return;
        }
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => walk(&path, depth - 1, number, input, found),
            Ok(kind) if kind.is_file() && means(input, &path) => found.extend(known(path, number)),
            _ => {}
        }
    }
}

/// Whether an input means the text that was compressed.
fn means(input: &Input, path: &Path) -> bool {
    let Some(name) = path.file_name().map(OsStrExt::as_bytes) else { return false };
    let Some(text) = name.strip_suffix(ENDING) else { return false };
    let named = |name: &[u8]| path.with_file_name(OsStr::from_bytes(name));
    let names = [path.to_owned(), named(text), named(stem(text))];
    names.iter().any(|path| input.include.iter().any(|pattern| pattern.matches(path)))
        && !names.iter().any(|path| input.exclude.iter().any(|pattern| pattern.matches(path)))
}

fn known(path: PathBuf, input: usize) -> Option<PackedFile> {
    let (_, identity, stat) = peek(&path).ok()?;
    let seconds = u64::try_from(stat.stx_mtime.tv_sec).unwrap_or(0);
    let written_ns = seconds.saturating_mul(1_000_000_000) + u64::from(stat.stx_mtime.tv_nsec);
    Some(PackedFile { path, input, identity, size: stat.stx_size, written_ns })
}

impl PackedFile {
    /// Opens it, when it is still the same file.
    ///
    /// # Errors
    /// When it is gone, replaced, or cannot be read.
    pub fn open(&self) -> io::Result<File> {
        let (fd, identity, _) = peek(&self.path)?;
        if !identity.same(&self.identity) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(File::from(fd))
    }
}

impl Resume {
    /// Whether a text that begins so can be the one that was read, as far as its beginning and
    /// its place say.
    #[must_use]
    pub fn may_be_text(&self, path: &Path, beginning: &[u8]) -> bool {
        self.head.len > 0 && self.path.parent() == path.parent() && self.head.fits(beginning)
    }

    /// Whether these bytes stand before the offset in the text that was read.
    #[must_use]
    pub fn stands_before(&self, bytes: &[u8]) -> bool {
        let len = usize::from(self.marker.len).min(MARKER_BYTES_MAX);
        bytes
            .len()
            .checked_sub(len)
            .and_then(|from| bytes.get(from..))
            .is_some_and(|end| len == 0 || Fnv::of(end) == self.marker.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r7_compressed_files_are_found_by_what_they_were_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("d")).unwrap();
        for (name, seconds) in [
            ("d/a.log.2.gz", 20),
            ("d/a.log.1.gz", 30),
            ("d/a.log-20260101.gz", 10),
            ("d/b.txt.1.gz", 5),
            ("d/a.log.3.zst", 5),
            ("d/no.log.1.gz", 5),
            ("a.log.gz", 40),
        ] {
            let file = File::create(at(name)).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        }
        std::os::unix::fs::symlink(at("a.log.gz"), at("d/c.log.gz")).unwrap();
        let root = dir.path().to_str().unwrap();
        let include = format!("{root}/**/*.log");
        let exclude = format!("{root}/**/no.log");
        let input = Input::globs("i", &[&include], &[&exclude]).unwrap();
        let found = packed([(7, &input)]);
        let names: Vec<_> =
            found.iter().map(|one| one.path.strip_prefix(dir.path()).unwrap()).collect();
        let wanted = ["d/a.log-20260101.gz", "d/a.log.2.gz", "d/a.log.1.gz", "a.log.gz"];
        assert_eq!(names, wanted.map(Path::new));
        assert!(found.iter().all(|one| one.input == 7 && one.open().is_ok()));
        std::fs::remove_file(&found[0].path).unwrap();
        std::fs::write(&found[0].path, "another").unwrap();
        assert!(found[0].open().is_err());
    }
}
