//! Container images without a registry: OCI layout archives, made from a static program or from
//! Debian packages, the same bytes for the same input.
//!
//! A program that is not static brings the libraries of this host along ([`of_linked_program`]).
//!
//! An archive is a tar of `oci-layout`, `index.json` and `blobs/sha256/*` with one gzip layer.
//! Entries are sorted, times are 0, owners are numbers, JSON keys are sorted and the gzip header
//! is fixed, so nothing but the input decides the digest. The annotation
//! `io.containerd.image.name` in the index gives the image its name when it is imported into
//! containerd or podman.
//!
//! Input: a [`Spec`] and a program, or a [`Spec`] and package names. Output: a [`Built`] in
//! `CACHE/images/`, made once for each input. Limits: an image is put together in memory
//! ([`IMAGE_BYTES_MAX`]). Errors: [`ImageError`].

mod debian;
mod files;
mod layout;
mod linked;
mod recipes;

pub use recipes::{ORLOP, PAUSE, REDIS, REDIS_PACKAGES, WEB};

use files::Files;
use model::{Explain, Hint, Retry};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// An image's files may take this much, unpacked.
pub const IMAGE_BYTES_MAX: u64 = 512 << 20;

/// The user that images run as: the same number as in other distributions' "nonroot" images.
pub const NONROOT_UID: u32 = 65_532;

/// Changes when the same input begins to give another archive, so that old ones are made again.
const FORMAT: &str = "orlop-image/1";

/// Hex digits of the input digest in a file's name.
const KEY_DIGITS: usize = 16;

/// Where systems keep the certificates that they trust; an image has them at the first.
const TRUSTED: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What an image is called and how it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spec {
    /// Its name with host and tag, as a pod names it.
    pub reference: &'static str,
    /// The program with its first arguments.
    pub entrypoint: &'static [&'static str],
    /// Arguments that a pod may replace.
    pub arguments: &'static [&'static str],
    /// Folders that the program writes to; they belong to [`NONROOT_UID`].
    pub writable: &'static [&'static str],
    /// Where it starts.
    pub workdir: &'static str,
    /// TCP ports it listens on.
    pub ports: &'static [u16],
}

/// An archive on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The image's name.
    pub reference: &'static str,
    /// The archive.
    pub archive: PathBuf,
    /// `sha256:...` of the manifest: what a node shows as the image's digest.
    pub manifest: String,
    /// `sha256:...` of the archive itself.
    pub checksum: String,
    /// It lay in the cache already.
    pub cached: bool,
}

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file could not be used.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The program is linked to shared libraries, which an image of one file lacks.
    #[error("{path} is not a static program (it asks for the loader {loader})")]
    NotStatic {
        /// The program.
        path: PathBuf,
        /// The loader it names.
        loader: String,
    },
    /// apt or dpkg failed.
    #[error("{command} failed; it said:\n{tail}")]
    Command {
        /// The program and its verb.
        command: String,
        /// The end of what it wrote.
        tail: String,
    },
    /// A package is not what the package list says.
    #[error("package {package} has digest {found}, the package list says {expected}")]
    Digest {
        /// The package's file.
        package: String,
        /// From the package list.
        expected: String,
        /// Of the file.
        found: String,
    },
    /// The image would be larger than the limit.
    #[error("image {reference} would take more than {limit} bytes")]
    TooLarge {
        /// The image.
        reference: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl Explain for ImageError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::NotStatic { .. } => {
                Some(Hint::new("build it with RUSTFLAGS=\"-C target-feature=+crt-static\""))
            }
            Self::Command { command, .. } if command.starts_with("apt-get") => {
                Some(Hint::new("renew the package lists as root: apt-get update"))
            }
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some(Hint::new("free some disk space and run the same command again"))
            }
            _ => None,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Command { .. } | Self::Digest { .. } => Retry::Now,
            _ => Retry::Never,
        }
    }
}

impl ImageError {
    fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// The image of one static program, which lies at `entrypoint[0]` in it.
///
/// # Errors
/// When the program cannot be read or is not static, or the archive cannot be written.
pub fn of_program(cache: &Path, spec: &Spec, program: &Path) -> Result<Built, ImageError> {
    let bytes = fs::read(program).map_err(ImageError::file("read", program))?;
    if let Some(loader) = layout::loader(&bytes) {
        return Err(ImageError::NotStatic { path: program.to_owned(), loader });
    }
    let key = key(spec, [digest(&bytes).as_str()]);
    cached(cache, spec, &key, || {
        let mut files = Files::with_users(spec);
        let path = spec.entrypoint.first().copied().unwrap_or("/program");
        files.file(path, 0o755, bytes);
        Ok((files, BTreeMap::new()))
    })
}

/// The image of one program with the shared libraries that it asks for, as they lie on this host,
/// and the certificates that this host trusts. It is what this machine runs, in a pod: for tests
/// and demos, where building everything once more as a static program would take minutes.
///
/// Older archives of the same image are removed, because each build of the program makes one.
///
/// # Errors
/// When the program or a library cannot be read, or the archive cannot be written.
pub fn of_linked_program(cache: &Path, spec: &Spec, program: &Path) -> Result<Built, ImageError> {
    let read = |path: &Path| fs::read(path).map_err(ImageError::file("read", path));
    let bytes = read(program)?;
    let mut parts = Vec::new();
    if let Some(loader) = layout::loader(&bytes) {
        for library in linked::libraries(&loader, program)? {
            let bytes = read(&library)?;
            parts.push((library, 0o755, bytes));
        }
    }
    if let Some(trusted) = TRUSTED.iter().map(Path::new).find(|path| path.exists()) {
        parts.push((PathBuf::from(TRUSTED[0]), 0o644, read(trusted)?));
    }
    let digests: Vec<String> =
        parts.iter().map(|(_, _, bytes)| digest(bytes)).chain([digest(&bytes)]).collect();
    let key = key(spec, digests.iter().map(String::as_str));
    let built = cached(cache, spec, &key, || {
        let mut files = Files::with_users(spec);
        let path = spec.entrypoint.first().copied().unwrap_or("/program");
        files.file(path, 0o755, bytes);
        for (path, mode, bytes) in parts {
            files.file(&path.to_string_lossy(), mode, bytes);
        }
        Ok((files, BTreeMap::new()))
    })?;
    if !built.cached {
        forget_others(&built);
    }
    Ok(built)
}

/// Removes archives of the same image beside `built`; one that cannot be removed only takes space.
fn forget_others(built: &Built) {
    let Some(folder) = built.archive.parent() else { return };
    let own = built.archive.file_name().unwrap_or_default().to_string_lossy();
    let start = format!("{}-", file_name(built.reference));
    for name in crate::files::names(folder) {
        if name.starts_with(&start) && name.ends_with(".tar") && *name != own {
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

/// The image of Debian packages, unpacked into one tree without their documentation. Versions
/// are what apt resolves on this host; they become labels `org.debian.package.NAME`.
///
/// # Errors
/// When apt does not know a package or cannot fetch it, or the archive cannot be written.
pub fn of_packages(
    cache: &Path,
    spec: &Spec,
    packages: &[&str],
    say: &mut dyn FnMut(&str),
) -> Result<Built, ImageError> {
    let resolved = debian::resolve(packages, say)?;
    let key = key(spec, resolved.iter().map(|package| package.sha256.as_str()));
    cached(cache, spec, &key, || {
        say(&format!("image {}: unpacking {} packages", spec.reference, resolved.len()));
        let mut files = Files::with_users(spec);
        debian::unpack(cache, &resolved, &mut files)?;
        let labels = resolved.iter().map(|package| {
            (format!("org.debian.package.{}", package.name), package.version.clone())
        });
        Ok((files, labels.collect()))
    })
}

/// Packs a folder into a gzip archive under the name `top`: sorted, owned by root, without times.
///
/// # Errors
/// When a file cannot be read or the archive cannot be written.
pub fn pack(folder: &Path, top: &str, archive: &Path) -> Result<(), ImageError> {
    let mut files = Files::default();
    gather(folder, top, &mut files)?;
    let bytes = layout::packed(&files).map_err(ImageError::file("compose", archive))?;
    fs::write(archive, bytes).map_err(ImageError::file("write", archive))
}

fn gather(folder: &Path, name: &str, files: &mut Files) -> Result<(), ImageError> {
    let entries = fs::read_dir(folder).map_err(ImageError::file("read", folder))?;
    for entry in entries {
        let path = entry.map_err(ImageError::file("read", folder))?.path();
        let own = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{name}/{own}");
        if path.is_dir() {
            gather(&path, &name, files)?;
            continue;
        }
        let bytes = fs::read(&path).map_err(ImageError::file("read", &path))?;
        let about = fs::metadata(&path).map_err(ImageError::file("read", &path))?;
        let mode = if about.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
        files.file(&name, mode, bytes);
    }
    Ok(())
}

/// The archive of `key`, made by `make` if the cache lacks it.
fn cached(
    cache: &Path,
    spec: &Spec,
    key: &str,
    make: impl FnOnce() -> Result<(Files, BTreeMap<String, String>), ImageError>,
) -> Result<Built, ImageError> {
    let folder = cache.join("images");
    crate::files::create_dir(&folder).map_err(as_file)?;
    let short: String = key.chars().take(KEY_DIGITS).collect();
    let archive = folder.join(format!("{}-{short}.tar", file_name(spec.reference)));
    if let Ok(bytes) = fs::read(&archive)
        && let Some(manifest) = layout::manifest_digest(&bytes)
    {
        let checksum = digest(&bytes);
        return Ok(Built { reference: spec.reference, archive, manifest, checksum, cached: true });
    }
    let (files, labels) = make()?;
    if files.bytes() > IMAGE_BYTES_MAX {
        return Err(ImageError::TooLarge { reference: spec.reference, limit: IMAGE_BYTES_MAX });
    }
    let (bytes, manifest) =
        layout::archive(spec, &files, &labels).map_err(ImageError::file("compose", &archive))?;
    crate::files::write(&archive, &bytes).map_err(as_file)?;
    let checksum = digest(&bytes);
    Ok(Built { reference: spec.reference, archive, manifest, checksum, cached: false })
}

/// What decides the archive's bytes: the format, the spec and the digests of what goes in.
fn key<'a>(spec: &Spec, inputs: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    hash.update(FORMAT);
    hash.update(std::env::consts::ARCH);
    hash.update(serde_json::to_vec(spec).unwrap_or_default());
    for input in inputs {
        hash.update(b"\n");
        hash.update(input);
    }
    hex(&hash.finalize())
}

/// `sha256:` and the hex digits.
fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A reference as a part of a file's name.
fn file_name(reference: &str) -> String {
    reference.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-', "_")
}

fn as_file(error: crate::TestbedError) -> ImageError {
    match error {
        crate::TestbedError::File { action, path, source } => {
            ImageError::File { action, path, source }
        }
        other => ImageError::Command { command: "write".to_owned(), tail: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
