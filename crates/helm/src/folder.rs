//! A private folder that is removed whatever happens.

use crate::HelmError;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Only the owner enters.
const FOLDER_MODE: u32 = 0o700;
/// Only the owner reads and writes.
const FILE_MODE: u32 = 0o600;
/// Names that are tried before giving up.
const TRIES: u64 = 1_000;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The folder; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a new one below the system's folder for temporary files. One that is there already
    /// is never used, whoever made it.
    pub(crate) fn new() -> Result<Self, HelmError> {
        let base = std::env::temp_dir();
        let mut last = base.clone();
        for _ in 0..TRIES {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            last = base.join(format!("orlop-helm-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(FOLDER_MODE).create(&last) {
                Ok(()) => return Ok(Self(last)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(HelmError::folder("create", last)(source)),
            }
        }
        let source = std::io::ErrorKind::AlreadyExists.into();
        Err(HelmError::folder("create", last)(source))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file whose path is relative and stays inside.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), HelmError> {
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if path.is_empty() || path.contains('\0') || !Path::new(path).components().all(is_plain) {
            return Err(HelmError::Path { path: path.to_owned() });
        }
        let full = self.0.join(path);
        if let Some(parent) = full.parent() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(FOLDER_MODE);
            builder.create(parent).map_err(HelmError::folder("create", parent))?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        let written = options.open(&full).and_then(|mut file| file.write_all(bytes));
        written.map_err(HelmError::folder("write", full))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_folder_is_private_keeps_to_itself_and_is_removed() {
        let folder = Folder::new().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        folder.write("a/b.yaml", b"x").unwrap();
        let mode = fs::metadata(path.join("a/b.yaml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for bad in ["", "../x", "/etc/x", "a/../../x", "."] {
            assert!(matches!(folder.write(bad, b""), Err(HelmError::Path { .. })), "{bad}");
        }
        drop(folder);
        assert!(!path.exists());
    }
}
