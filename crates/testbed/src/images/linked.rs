//! Which shared libraries a program asks for, as this host's loader finds them.
//!
//! Input: the loader's path and a program of our own. Output: absolute paths, the loader first.
//! The loader is asked with `--list`, which maps the program but does not start it.

use super::ImageError;
use crate::error::tail;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lines of the loader's output that an error repeats.
const TAIL_LINES: usize = 4;

pub(super) fn libraries(loader: &str, program: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let output = Command::new(loader)
        .arg("--list")
        .arg(program)
        .stdin(Stdio::null())
        .output()
        .map_err(ImageError::file("run", loader))?;
    if !output.status.success() {
        return Err(ImageError::Command {
            command: format!("{loader} --list"),
            tail: tail(&String::from_utf8_lossy(&output.stderr), TAIL_LINES),
        });
    }
    let listing = String::from_utf8_lossy(&output.stdout);
    let found = listing.lines().filter_map(listed).filter(|path| path != Path::new(loader));
    Ok(std::iter::once(PathBuf::from(loader)).chain(found).collect())
}

/// Reads `NAME => PATH (ADDRESS)` and `PATH (ADDRESS)`; what the kernel gives has no path.
fn listed(line: &str) -> Option<PathBuf> {
    let found = line.split_once("=>").map_or(line, |(_, path)| path);
    let path = found.trim().rsplit_once(" (")?.0;
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_listing_gives_paths_and_skips_what_the_kernel_maps() {
        let path = |line| listed(line).map(|path| path.display().to_string());
        assert_eq!(path("\tlinux-vdso.so.1 (0x00007ffd4e9cd000)"), None);
        let line = "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fd4e833e000)";
        assert_eq!(path(line).as_deref(), Some("/lib/x86_64-linux-gnu/libc.so.6"));
        let line = "\t/lib64/ld-linux-x86-64.so.2 (0x00007fd4e9cd2000)";
        assert_eq!(path(line).as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(path("\tstatically linked"), None);
        assert_eq!(path(""), None);
    }
}
