//! A native Kustomize build: a tree of files in, the objects of `kustomize build` out.
//!
//! What is printed is byte for byte what kustomize 5.8.1 prints; what it can do and this cannot
//! is refused by name with file and field, never skipped. Pure: files come from a [`Files`], so
//! that Git blobs, a folder and a map in a test are built by the same code.
//!
//! Input: a [`Files`], the folder to build and [`Limits`]. Output: [`Built`].
//! Errors: [`KustomizeErrors`]. Limits: [`Limits`], and for each document 100 levels and 100,000
//! values copied by aliases; a pattern has at most 1,000 bytes.

mod build;
mod emit;
mod error;
mod fieldspec;
pub mod fuzzing;
mod generate;
mod gojson;
mod id;
mod image;
mod json6902;
mod labels;
mod merge;
mod nameref;
mod node;
mod order;
mod parse;
mod paths;
mod pattern;
mod replacement;
mod resource;
mod scalar;
mod schema;
mod set;
mod spec;
mod steps;

pub use error::{KustomizeError, KustomizeErrors};

use objects::{Manifest, Object};
use std::collections::BTreeMap;

/// The names of a kustomization file.
pub const FILE_NAMES: [&str; 3] = build::FILE_NAMES;
/// Levels of bases and components that [`Limits::default`] allows.
pub const DEPTH_MAX: usize = 32;
/// Files that [`Limits::default`] allows.
pub const FILES_MAX: usize = 10_000;
/// Bytes of all files that [`Limits::default`] allows.
pub const BYTES_MAX: usize = 256 * 1024 * 1024;
/// Objects that [`Limits::default`] allows.
pub const RESOURCES_MAX: usize = 50_000;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// A tree of files. Paths are relative to its root, with `/`, and never hold `.` or `..`; the
/// root is the empty path. Links must not lead out of the tree.
pub trait Files {
    /// What stands at a path, if something does.
    fn entry(&self, path: &str) -> Option<Entry>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// A tree of files in memory: bytes by path.
impl Files for BTreeMap<String, Vec<u8>> {
    fn entry(&self, path: &str) -> Option<Entry> {
        if self.contains_key(path) {
            return Some(Entry::File);
        }
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let next = self.range(below.clone()..).next();
        next.filter(|(name, _)| name.starts_with(&below)).map(|_| Entry::Folder)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }
}

/// How large a build may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Levels of bases and components.
    pub depth: usize,
    /// Files that are read; as many folders.
    pub files: usize,
    /// Bytes of all files that are read; one that is read twice counts twice.
    pub bytes: usize,
    /// Objects after any layer.
    pub resources: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: DEPTH_MAX, files: FILES_MAX, bytes: BYTES_MAX, resources: RESOURCES_MAX }
    }
}

/// What a build gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The objects in the order of the output. The origin is the file and line of the source; of
    /// a generated object it is the kustomization file.
    pub manifests: Vec<Manifest>,
    /// The files that were read, sorted.
    pub files: Vec<String>,
}

impl Built {
    /// What `kustomize build` prints.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        for (index, manifest) in self.manifests.iter().enumerate() {
            if index > 0 {
                out.push_str("---\n");
            }
            out.push_str(&emit::map(manifest.object.as_map()));
        }
        out
    }
}

/// Builds the folder `root` of a tree.
///
/// # Errors
/// [`KustomizeErrors`]: all that is wrong with one kustomization file, or the first thing that is
/// wrong elsewhere.
pub fn build(files: &dyn Files, root: &str, limits: &Limits) -> Result<Built, KustomizeErrors> {
    let mut build = build::Build::new(files, limits);
    let all = build.run(root)?;
    let files = build.read.into_keys().collect();
    let mut manifests = Vec::with_capacity(all.len());
    let mut errors = Vec::new();
    for resource in all {
        let object = resource
            .node
            .to_json()
            .and_then(|value| Object::from_value(value).map_err(|error| error.to_string()));
        match object {
            Ok(object) => manifests.push(Manifest { object, origin: resource.origin }),
            Err(message) => errors.push(KustomizeError::Object {
                file: resource.origin.file.to_string(),
                line: resource.origin.line,
                message,
            }),
        }
    }
    if errors.is_empty() { Ok(Built { manifests, files }) } else { Err(KustomizeErrors(errors)) }
}
