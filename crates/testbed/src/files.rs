//! Writing files so that a reader sees the old or the new content, never a part.

use crate::TestbedError;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Creates `path` and its parents, readable by the owner only.
pub(crate) fn create_dir(path: &Path) -> Result<(), TestbedError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(TestbedError::file("create", path))
}

/// Replaces `path` by `content`, readable by the owner only.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), TestbedError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed = |source| TestbedError::File { action: "write", path: path.to_owned(), source };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(failed)?;
    file.write_all(content.as_ref()).map_err(failed)?;
    drop(file);
    fs::rename(&part, path).map_err(failed)
}

/// The whole text of `path`, or nothing when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<String>, TestbedError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TestbedError::file("read", path)(error)),
    }
}

/// Names of what is in the folder, sorted; nothing when there is no such folder.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}
