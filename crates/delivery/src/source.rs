//! From a folder or a repository to documents.
//!
//! Every `*.yaml`, `*.yml` and `*.json` file below the path is read; other files are ignored. A
//! document that cannot be read becomes a [`Problem`] and the others go on. Documents are held
//! [`Packed`], one file and one parsed document in memory at a time.

use crate::cache::{ContentKey, Parsed, TreeCache};
use crate::encrypted;
use crate::error::DeliveryError;
use crate::render::{self, RenderOptions, Tool};
use model::Explain;
use objects::{GroupKind, Manifest, Object, Origin, Packed, yaml};
use serde_json::Value;
use sops::Identities;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use sync::Problem;
use sync::plan::PlanSource;
use tokio_util::sync::CancellationToken;

/// File names that mean: this folder is the input of another tool, not a set of objects.
const RENDERED_BY_OTHERS: [&str; 4] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml"];
/// Endings of files that are read.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];

/// Where a tree comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A folder or a single file of this machine.
    Directory(PathBuf),
    /// One revision of a repository.
    Git {
        /// Which.
        fetch: Box<repo::Fetch>,
        /// Where fetched objects are kept between runs.
        cache: PathBuf,
    },
}

/// How a tree is read.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// For who loads again and again: files that it knows are not parsed, and those of a
    /// repository not even read.
    pub cache: Option<TreeCache>,
    /// For trees that are the input of another tool.
    pub render: RenderOptions,
    /// For files that SOPS encrypted; without them such a file is a problem of the tree.
    pub keys: Option<Arc<Identities>>,
}

/// Where the files lie.
enum Place {
    Directory(PathBuf),
    /// A folder of a repository.
    Fetched(String),
}

/// One document of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) packed: Packed,
    pub(crate) origin: Origin,
}

/// A tree that was read: what every verb needs, and nothing of a cluster.
#[derive(Debug, Clone)]
pub struct Tree {
    pub(crate) source: PlanSource,
    pub(crate) documents: Vec<Document>,
    /// The kinds that the tree's CustomResourceDefinitions define, with their scope.
    pub(crate) defined: Vec<Defined>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) partial: bool,
}

/// A kind that a CustomResourceDefinition of the tree defines.
#[derive(Debug, Clone)]
pub(crate) struct Defined {
    pub(crate) kind: GroupKind,
    pub(crate) namespaced: bool,
    pub(crate) versions: Vec<String>,
}

impl Tree {
    /// A tree without any object, for the end of a delivery.
    pub(crate) fn empty() -> Self {
        Self::of(PlanSource::default())
    }

    fn of(source: PlanSource) -> Self {
        Self {
            source,
            documents: Vec::new(),
            defined: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            partial: false,
        }
    }

    /// What was read.
    #[must_use]
    pub fn source(&self) -> &PlanSource {
        &self.source
    }

    /// How many objects were read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Documents that could not be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Reads the source. Blocking work runs on a thread of its own; `cancel` ends it soon.
///
/// # Errors
/// [`DeliveryError::Source`], [`DeliveryError::Render`], [`DeliveryError::NeedsRender`],
/// [`DeliveryError::Stopped`].
pub async fn load(
    source: &Source,
    options: &LoadOptions,
    cancel: &CancellationToken,
) -> Result<Tree, DeliveryError> {
    let (source, options) = (source.clone(), options.clone());
    blocking(cancel, move |seen| read_source(&source, &options, seen)).await
}

/// Reads files that were fetched already. `path` is the folder of the repository that they were
/// fetched from.
///
/// # Errors
/// As [`load`].
pub async fn read(
    files: Arc<repo::Tree>,
    path: &str,
    options: &LoadOptions,
    cancel: &CancellationToken,
) -> Result<Tree, DeliveryError> {
    let (path, options) = (path.to_owned(), options.clone());
    blocking(cancel, move |seen| {
        let location = files.source().to_owned();
        read_tree(&files, location, &Place::Fetched(path), &options, seen)
    })
    .await
}

async fn blocking(
    cancel: &CancellationToken,
    work: impl FnOnce(&AtomicBool) -> Result<Tree, DeliveryError> + Send + 'static,
) -> Result<Tree, DeliveryError> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let mut work = tokio::task::spawn_blocking(move || work(&seen));
    let joined = tokio::select! {
        joined = &mut work => joined,
        () = cancel.cancelled() => {
            flag.store(true, Ordering::Relaxed);
            work.await
        }
    };
    match joined {
        Ok(Err(DeliveryError::Source(repo::RepoError::Cancelled { .. }))) => {
            Err(DeliveryError::Stopped)
        }
        Ok(result) => result,
        Err(error) => Err(DeliveryError::Internal(error.to_string())),
    }
}

fn read_source(
    source: &Source,
    options: &LoadOptions,
    cancel: &AtomicBool,
) -> Result<Tree, DeliveryError> {
    let (files, location, place) = match source {
        Source::Directory(path) => {
            let files = repo::Tree::directory(path, repo::Limits::default())
                .map_err(DeliveryError::Source)?;
            (files, path.display().to_string(), Place::Directory(path.clone()))
        }
        Source::Git { fetch, cache: fetched } => {
            let progress = |step: repo::Step| tracing::debug!(?step, "fetching");
            let files =
                repo::fetch(fetch, fetched, cancel, &progress).map_err(DeliveryError::Source)?;
            (files, fetch.url.to_string(), Place::Fetched(fetch.path.clone()))
        }
    };
    read_tree(&files, location, &place, options, cancel)
}

fn read_tree(
    files: &repo::Tree,
    location: String,
    place: &Place,
    options: &LoadOptions,
    cancel: &AtomicBool,
) -> Result<Tree, DeliveryError> {
    let commit = files.commit().map(|commit| commit.id.clone());
    let path = match place {
        Place::Directory(_) => String::new(),
        Place::Fetched(path) => path.clone(),
    };
    let mut tree = Tree::of(PlanSource { location, path, commit, digest: String::new() });
    tree.read_files(place, files, options, cancel)?;
    Ok(tree)
}

/// Parses one file; an encrypted one is decrypted.
pub(crate) fn parse(path: &str, bytes: &[u8], keys: Option<&Identities>) -> Parsed {
    let hash = repo::ContentDigest::hash(bytes);
    if encrypted::is_encrypted(bytes) {
        return decrypted(path, bytes, hash, keys);
    }
    let mut parsed = Parsed { hash, ..Parsed::default() };
    let mut is_encrypted = false;
    let diagnostics = yaml::parse_each(path, bytes, &mut |manifest| {
        is_encrypted |= encrypted::is_encrypted_object(&manifest.object);
        parsed.add(manifest);
    });
    if is_encrypted {
        return decrypted(path, bytes, hash, keys);
    }
    for diagnostic in diagnostics {
        parsed.problems.push(Problem {
            origin: None,
            message: diagnostic.to_string(),
            hint: diagnostic.hint().map(|hint| hint.as_str().to_owned()),
        });
    }
    parsed.documents.shrink_to_fit();
    parsed
}

/// An encrypted file.
fn decrypted(path: &str, bytes: &[u8], hash: [u8; 32], keys: Option<&Identities>) -> Parsed {
    let mut parsed = Parsed { hash, is_encrypted: true, ..Parsed::default() };
    match encrypted::manifests(path, bytes, keys) {
        Ok(manifests) => manifests.into_iter().for_each(|manifest| parsed.add(manifest)),
        Err(error) => parsed.problems.push(problem(Some(path.to_owned()), &error)),
    }
    parsed
}

/// One file of the tree, parsed now or before. An encrypted one is always parsed now.
fn parsed(
    files: &repo::Tree,
    entry: &repo::Entry,
    options: &LoadOptions,
) -> Result<Arc<Parsed>, repo::RepoError> {
    let keys = options.keys.as_deref();
    let Some(cache) = &options.cache else {
        return Ok(Arc::new(parse(&entry.path, &files.read(entry)?, keys)));
    };
    let path = Arc::from(entry.path.as_str());
    let blob = entry.content_id().map(ContentKey::Blob);
    if let Some(known) = blob.and_then(|key| cache.get(&path, key)) {
        return Ok(known);
    }
    let bytes = files.read(entry)?;
    let key = blob.unwrap_or_else(|| ContentKey::Hash(repo::ContentDigest::hash(&bytes)));
    if let Some(known) = cache.get(&path, key) {
        return Ok(known);
    }
    let parsed = Arc::new(parse(&entry.path, &bytes, keys));
    if !parsed.is_encrypted {
        cache.put(&path, key, &parsed);
    }
    Ok(parsed)
}

impl Tree {
    fn read_files(
        &mut self,
        place: &Place,
        files: &repo::Tree,
        options: &LoadOptions,
        cancel: &AtomicBool,
    ) -> Result<(), DeliveryError> {
        let listing = files.list(cancel).map_err(DeliveryError::Source)?;
        self.partial = !listing.complete;
        for finding in &listing.findings {
            self.warnings.push(Problem {
                origin: Some(finding.subject.to_string()),
                message: finding.message.clone(),
                hint: finding.hint.clone(),
            });
        }
        let tool = Tool::of(&listing.entries, options.render.engine);
        if let Some(tool) = tool.map_err(DeliveryError::Render)? {
            return self.read_rendered(tool, place, files, &listing, options, cancel);
        }
        let mut digest = repo::ContentDigest::default();
        for entry in &listing.entries {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            if RENDERED_BY_OTHERS.contains(&name) {
                return Err(DeliveryError::NeedsRender { file: entry.path.clone() });
            }
            if !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                continue;
            }
            if cancel.load(Ordering::Relaxed) {
                return Err(DeliveryError::Stopped);
            }
            match parsed(files, entry, options) {
                Ok(parsed) => {
                    digest.add_hashed(&entry.path, &parsed.hash);
                    self.add_parsed(parsed);
                }
                Err(error @ repo::RepoError::FileRefused { .. }) => {
                    self.problems.push(problem(Some(entry.path.clone()), &error));
                }
                Err(error) => return Err(DeliveryError::Source(error)),
            }
        }
        self.documents.shrink_to_fit();
        self.source.digest = digest.finish();
        Ok(())
    }

    /// Reads a tree that is the input of another tool.
    fn read_rendered(
        &mut self,
        tool: Tool,
        place: &Place,
        files: &repo::Tree,
        listing: &repo::Listing,
        options: &LoadOptions,
        cancel: &AtomicBool,
    ) -> Result<(), DeliveryError> {
        let keys = options.keys.as_deref();
        let read = match tool {
            Tool::Kustomize => {
                // A base may lie beside the path: the whole repository is the tree.
                let local;
                let (whole, folder) = match place {
                    Place::Directory(path) => {
                        let (root, below) = render::repository_of(path);
                        local = repo::Tree::directory(&root, repo::Limits::default())
                            .map_err(DeliveryError::Source)?;
                        (&local, below)
                    }
                    Place::Fetched(path) => (files, path.clone()),
                };
                let all = whole.list_whole(cancel).map_err(DeliveryError::Source)?;
                let listed = render::Listed::new(whole, &all.entries, keys);
                let folder = folder.trim_matches('/');
                let (manifests, read) =
                    render::kustomize(&listed, folder).map_err(DeliveryError::Render)?;
                let mut parsed = Parsed::default();
                manifests.into_iter().for_each(|manifest| parsed.add(manifest));
                self.add_parsed(Arc::new(parsed));
                read
            }
            Tool::Helm => {
                let listed = render::Listed::new(files, &listing.entries, keys);
                let rendered =
                    render::helm(&listed, &options.render).map_err(DeliveryError::Source)?;
                let (documents, read) = rendered.map_err(DeliveryError::Render)?;
                for (template, bytes) in documents {
                    self.add_parsed(Arc::new(parse(&template, &bytes, keys)));
                }
                read
            }
        };
        let mut digest = repo::ContentDigest::default();
        read.iter().for_each(|(path, bytes)| digest.add(path, bytes));
        self.documents.shrink_to_fit();
        self.source.digest = digest.finish();
        Ok(())
    }

    fn add_parsed(&mut self, parsed: Arc<Parsed>) {
        match Arc::try_unwrap(parsed) {
            Ok(parsed) => {
                self.documents.extend(parsed.documents);
                self.defined.extend(parsed.defined);
                self.problems.extend(parsed.problems);
            }
            // The cache has it too.
            Err(parsed) => {
                self.documents.extend_from_slice(&parsed.documents);
                self.defined.extend_from_slice(&parsed.defined);
                self.problems.extend_from_slice(&parsed.problems);
            }
        }
    }
}

impl Parsed {
    fn add(&mut self, Manifest { object, origin }: Manifest) {
        self.defined.extend(Defined::of(&object));
        match Packed::pack(&object) {
            Ok(packed) => self.documents.push(Document { packed, origin }),
            Err(error) => self.problems.push(Problem {
                origin: Some(origin.to_string()),
                message: format!("the document cannot be written as JSON: {error}"),
                hint: None,
            }),
        }
    }
}

impl Defined {
    /// The kind that a CustomResourceDefinition defines.
    pub(crate) fn of(object: &Object) -> Option<Self> {
        if object.kind() != "CustomResourceDefinition" {
            return None;
        }
        let versions = object.at(&["spec", "versions"])?.as_array()?;
        Some(Self {
            kind: GroupKind::new(
                object.str_at(&["spec", "group"])?,
                object.str_at(&["spec", "names", "kind"])?,
            ),
            namespaced: object.str_at(&["spec", "scope"]) == Some("Namespaced"),
            versions: versions
                .iter()
                .filter(|version| version.get("served").and_then(Value::as_bool) != Some(false))
                .filter_map(|version| Some(version.get("name")?.as_str()?.to_owned()))
                .collect(),
        })
    }
}

/// An error as a line of a plan, with its causes.
pub(crate) fn problem(origin: Option<String>, error: &dyn Explain) -> Problem {
    Problem {
        origin,
        message: model::chain(error),
        hint: error.hint().map(|hint| hint.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn a_tree_is_held_in_no_more_bytes_than_its_files() {
        let mut text = String::new();
        for n in 0..100 {
            let _ = write!(
                text,
                "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{n}\nspec:\n  \
                 replicas: 2\n  template:\n    spec:\n      containers:\n        \
                 - name: web\n          image: web:v{n}\n          ports:\n            - containerPort: 8080\n"
            );
        }
        let mut tree = Tree::empty();
        tree.add_parsed(Arc::new(parse("web.yaml", text.as_bytes(), None)));
        assert_eq!((tree.len(), tree.problems()), (100, [].as_slice()));
        let held: usize = tree.documents.iter().map(|document| document.packed.len_bytes()).sum();
        assert!(held <= text.len(), "{held} bytes for {} bytes of YAML", text.len());
        // What comes beside the text: a pointer and a length, the file's name once, the line.
        assert!(size_of::<Document>() <= 40, "{}", size_of::<Document>());
    }
}
