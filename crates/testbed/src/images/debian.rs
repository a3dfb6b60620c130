//! Debian packages as files: apt resolves and fetches them, dpkg-deb opens them.

use super::files::Files;
use super::{IMAGE_BYTES_MAX, ImageError, digest};
use crate::error::tail;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lines of a program's output that an error repeats.
const TAIL_LINES: usize = 8;

/// One package at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: String,
    file: String,
}

/// What apt would fetch for these names, sorted by name. Renews the package lists once, as
/// root, when apt does not know a name.
pub(super) fn resolve(
    names: &[&str],
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Package>, ImageError> {
    let mut arguments = vec!["--print-uris", "download"];
    arguments.extend(names);
    let listing = match run("apt-get", &arguments, None) {
        Err(_) if rustix::process::geteuid().is_root() => {
            say("packages: renewing the package lists");
            run("apt-get", &["update", "-q"], None)?;
            run("apt-get", &arguments, None)?
        }
        other => other?,
    };
    let mut packages: Vec<Package> =
        String::from_utf8_lossy(&listing).lines().filter_map(listed).collect();
    packages.sort_by(|one, two| one.name.cmp(&two.name));
    match names.iter().find(|name| !packages.iter().any(|package| package.name == **name)) {
        None => Ok(packages),
        Some(name) => Err(ImageError::Command {
            command: "apt-get --print-uris download".to_owned(),
            tail: format!("  nothing about {name}"),
        }),
    }
}

/// Fetches the packages, checks their digests and adds their files.
pub(super) fn unpack(
    cache: &Path,
    packages: &[Package],
    files: &mut Files,
) -> Result<(), ImageError> {
    let folder = Scratch::new(cache)?;
    let versions = packages.iter().map(|package| format!("{}={}", package.name, package.version));
    let arguments: Vec<String> =
        ["-q".into(), "download".into()].into_iter().chain(versions).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run("apt-get", &arguments, Some(&folder.0))?;
    for package in packages {
        let path = folder.0.join(&package.file);
        let bytes = fs::read(&path).map_err(ImageError::file("read", &path))?;
        let found = digest(&bytes);
        if found != package.sha256 {
            return Err(ImageError::Digest {
                package: package.file.clone(),
                expected: package.sha256.clone(),
                found,
            });
        }
        let archive = run("dpkg-deb", &["--fsys-tarfile", &path.to_string_lossy()], None)?;
        files
            .unpack(archive.as_slice(), IMAGE_BYTES_MAX)
            .map_err(ImageError::file("unpack", &path))?;
    }
    files.merge_usr();
    Ok(())
}

/// Reads `'URI' NAME_VERSION_ARCH.deb SIZE SHA256:HEX`.
pub(super) fn listed(line: &str) -> Option<Package> {
    let mut words = line.strip_prefix('\'')?.split(' ').skip(1);
    let file = words.next()?;
    let sha256 = words.nth(1)?.strip_prefix("SHA256:")?;
    let mut parts = file.strip_suffix(".deb")?.split('_');
    Some(Package {
        name: parts.next()?.to_owned(),
        version: parts.next()?.replace("%3a", ":"),
        sha256: format!("sha256:{sha256}"),
        file: file.to_owned(),
    })
}

/// A folder for fetched packages that goes away with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(cache: &Path) -> Result<Self, ImageError> {
        let path = cache.join(format!("images/packages-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(ImageError::file("create", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program writes to stdout; its words on failure.
fn run(program: &str, arguments: &[&str], folder: Option<&Path>) -> Result<Vec<u8>, ImageError> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let output = command.output().map_err(ImageError::file("run", program))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let verb = arguments.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
    Err(ImageError::Command {
        command: format!("{program} {verb}"),
        tail: tail(&String::from_utf8_lossy(&output.stderr), TAIL_LINES),
    })
}
