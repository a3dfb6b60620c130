//! Trees for other tools: a folder with a kustomization file is built, a chart is rendered.
//!
//! Kustomize is done natively, over the whole repository or, for a local folder, over the one
//! that holds its `.git`, so that a base beside the overlay is found. A chart goes through the
//! `helm` program, twice: output that differs is refused, because it would be applied for ever.
//!
//! Input: a listing, and [`RenderOptions`]. Output: documents with the place they come from, and
//! the files that were read. Errors: [`RenderError`]; nothing of a tree that cannot be rendered
//! is delivered.

use crate::encrypted::{self, EncryptedError};
use helm::{Bounds, Helm, HelmError, Network, Request};
use kustomize::{Files, KustomizeErrors, Limits};
use model::{Explain, Hint, Retry};
use objects::Manifest;
use repo::{Entry, RepoError, Tree};
use serde_json::Value;
use sops::Identities;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that makes a folder a chart.
const CHART_FILE: &str = "Chart.yaml";
/// What charts see as the cluster's version unless told otherwise.
pub const KUBE_VERSION: &str = "1.37.0";
/// The name of a release whose chart names none that can be used.
const RELEASE: &str = "release";
/// Stands for the settings of a rendering among the files that were read; no file's path is empty.
const SETTINGS: &str = "";
/// Helm's mark of the template that a document comes from.
const SOURCE_MARK: &str = "# Source: ";

/// What makes objects of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// Kustomize where there is a kustomization, Helm where there is a `Chart.yaml`, else none.
    #[default]
    Auto,
    /// None: the files are objects. A folder for another tool is refused.
    Plain,
    /// Kustomize; a folder without a kustomization is refused.
    Kustomize,
    /// Helm; a folder without a chart is refused.
    Helm,
}

/// How trees are rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderOptions {
    /// What makes objects of files.
    pub engine: Engine,
    /// The helm program; the first one on PATH when absent.
    pub helm: Option<PathBuf>,
    /// The namespace of a release.
    pub namespace: String,
    /// The name of a release; the chart's own name when absent.
    pub release: Option<String>,
    /// Files of values in the tree, relative to the chart, later ones over earlier ones.
    pub values: Vec<String>,
    /// Values over those of all files. They reach helm in a private file, never as an argument.
    pub inline: Option<Value>,
    /// Whether the chart's `crds/` are delivered too.
    pub include_crds: bool,
    /// The version of Kubernetes that charts see.
    pub kube_version: String,
    /// The API versions that charts see beside those of that version.
    pub api_versions: Vec<String>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            engine: Engine::Auto,
            helm: None,
            namespace: crate::options::NAMESPACE.to_owned(),
            release: None,
            values: Vec::new(),
            inline: None,
            include_crds: true,
            kube_version: KUBE_VERSION.to_owned(),
            api_versions: Vec::new(),
        }
    }
}

/// Why a tree was not rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The kustomization cannot be built.
    #[error("cannot build the kustomization in {folder}")]
    Kustomize {
        /// The folder.
        folder: String,
        /// All that is wrong.
        #[source]
        source: KustomizeErrors,
    },
    /// The chart cannot be rendered.
    #[error("cannot render the chart in {folder}")]
    Helm {
        /// The folder.
        folder: String,
        /// What helm or the bounds say.
        #[source]
        source: HelmError,
    },
    /// The folder is not for the engine that is asked for.
    #[error("the folder has no {needed}, which the engine `{engine}` needs")]
    Engine {
        /// The engine.
        engine: &'static str,
        /// The file that makes a folder one for it.
        needed: &'static str,
    },
    /// A file is encrypted where it cannot be.
    #[error("cannot use {path}")]
    Encrypted {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: EncryptedError,
    },
    /// A file of values is not in the chart's folder.
    #[error("there is no file of values {path} beside the chart")]
    Values {
        /// The path.
        path: String,
    },
}

impl Explain for RenderError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Kustomize { source, .. } => source.hint(),
            Self::Helm { source, .. } => source.hint(),
            Self::Engine { .. } => {
                Some(Hint::new("give the path of its folder, or the engine `auto`"))
            }
            Self::Encrypted { source, .. } => source.hint(),
            Self::Values { .. } => Some(Hint::new("give its path relative to Chart.yaml")),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Helm { source, .. } => source.retry(),
            Self::Kustomize { .. }
            | Self::Engine { .. }
            | Self::Encrypted { .. }
            | Self::Values { .. } => Retry::Never,
        }
    }
}

/// The tool that a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Kustomize,
    Helm,
}

impl Tool {
    /// The tool of a listed folder, by the files at its top and by what is asked for.
    pub(crate) fn of(entries: &[Entry], engine: Engine) -> Result<Option<Self>, RenderError> {
        let has = |name: &str| entries.iter().any(|entry| entry.path == name);
        let is_kustomization = || kustomize::FILE_NAMES.into_iter().any(has);
        match engine {
            Engine::Auto | Engine::Kustomize if is_kustomization() => Ok(Some(Self::Kustomize)),
            Engine::Auto => Ok(has(CHART_FILE).then_some(Self::Helm)),
            Engine::Plain => Ok(None),
            Engine::Kustomize => {
                Err(RenderError::Engine { engine: "kustomize", needed: "kustomization.yaml" })
            }
            Engine::Helm if has(CHART_FILE) => Ok(Some(Self::Helm)),
            Engine::Helm => Err(RenderError::Engine { engine: "helm", needed: CHART_FILE }),
        }
    }
}

/// A file with its bytes, for the digest of what was read.
pub(crate) type Read = Vec<(String, Vec<u8>)>;

/// The files of a listing.
pub(crate) struct Listed<'a> {
    tree: &'a Tree,
    entries: BTreeMap<&'a str, &'a Entry>,
    keys: Option<&'a Identities>,
}

impl<'a> Listed<'a> {
    pub(crate) fn new(tree: &'a Tree, entries: &'a [Entry], keys: Option<&'a Identities>) -> Self {
        let entries = entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
        Self { tree, entries, keys }
    }

    /// The bytes as they stand in the tree.
    fn get(&self, path: &str) -> Result<Vec<u8>, RepoError> {
        match self.entries.get(path) {
            Some(entry) => self.tree.read(entry),
            None => Ok(Vec::new()),
        }
    }
}

impl Files for Listed<'_> {
    fn entry(&self, path: &str) -> Option<kustomize::Entry> {
        if self.entries.contains_key(path) {
            return Some(kustomize::Entry::File);
        }
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let next = self.entries.range(below.as_str()..).next();
        next.filter(|(name, _)| name.starts_with(&below)).map(|_| kustomize::Entry::Folder)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if !self.entries.contains_key(path) {
            return Err("there is no such file".to_owned());
        }
        let bytes = self.get(path).map_err(|error| model::chain(&error))?;
        if !encrypted::is_encrypted(&bytes) {
            return Ok(bytes);
        }
        encrypted::text(path, &bytes, self.keys).map_err(|error| model::chain(&error))
    }
}

/// Builds the kustomization in `folder`, which is relative to the listing.
pub(crate) fn kustomize(
    files: &Listed<'_>,
    folder: &str,
) -> Result<(Vec<Manifest>, Read), RenderError> {
    let built = kustomize::build(files, folder, &Limits::default())
        .map_err(|source| RenderError::Kustomize { folder: shown(folder), source })?;
    let read = |path: String| files.get(&path).ok().map(|bytes| (path, bytes));
    Ok((built.manifests, built.files.into_iter().filter_map(read).collect()))
}

/// Renders the chart at the top of the listing. Gives each document with its template.
pub(crate) fn helm(
    files: &Listed<'_>,
    options: &RenderOptions,
) -> Result<Result<(Read, Read), RenderError>, RepoError> {
    let mut chart = BTreeMap::new();
    for path in files.entries.keys() {
        chart.insert((*path).to_owned(), files.get(path)?);
    }
    let mut read: Read = chart.clone().into_iter().collect();
    read.push((SETTINGS.to_owned(), settings(options)));
    Ok(render(chart, options).map(|documents| (documents, read)))
}

/// What the output depends on beside the files, for the digest of what was read.
fn settings(options: &RenderOptions) -> Vec<u8> {
    let RenderOptions { engine: _, helm: _, namespace, release, values, .. } = options;
    let RenderOptions { inline, include_crds, kube_version, api_versions, .. } = options;
    serde_json::json!([
        namespace,
        release,
        values,
        inline,
        include_crds,
        kube_version,
        api_versions
    ])
    .to_string()
    .into_bytes()
}

fn render(chart: BTreeMap<String, Vec<u8>>, options: &RenderOptions) -> Result<Read, RenderError> {
    let failed = |source| RenderError::Helm { folder: shown(""), source };
    let mut values_files = Vec::new();
    for path in &options.values {
        let file = chart.get(path).ok_or_else(|| RenderError::Values { path: path.clone() })?;
        if encrypted::is_encrypted(file) {
            let source = EncryptedError::Values;
            return Err(RenderError::Encrypted { path: path.clone(), source });
        }
        values_files.push(file.clone());
    }
    let helm = Helm::find(options.helm.as_deref()).map_err(failed)?;
    if let Network::Shared { reason } = helm.network() {
        tracing::warn!(reason, "helm runs with this host's network");
    }
    let request = Request {
        release: options.release.clone().unwrap_or_else(|| release(&chart)),
        namespace: options.namespace.clone(),
        chart,
        values_files,
        values: options.inline.clone(),
        kube_version: options.kube_version.clone(),
        api_versions: options.api_versions.clone(),
        include_crds: options.include_crds,
    };
    let text = helm.render_twice(&request, &Bounds::default()).map_err(failed)?;
    Ok(documents(&text))
}

/// The chart's own name, where it can be a release's.
fn release(chart: &BTreeMap<String, Vec<u8>>) -> String {
    let text = chart.get(CHART_FILE).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let name = text.as_deref().unwrap_or_default().lines().find_map(|line| {
        let name = line.strip_prefix("name:")?.trim().trim_matches(['"', '\'']);
        let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = !name.is_empty() && name.chars().all(is_label) && !name.starts_with('-');
        fits.then(|| name.to_owned())
    });
    name.unwrap_or_else(|| RELEASE.to_owned())
}

/// The documents of helm's output, each with the template that helm names.
fn documents(text: &str) -> Read {
    let mut out: Read = Vec::new();
    let mut name = String::new();
    for part in text.split("\n---\n").map(|part| part.strip_prefix("---\n").unwrap_or(part)) {
        let source = part.lines().find_map(|line| line.strip_prefix(SOURCE_MARK));
        if let Some(source) = source {
            source.split_once('/').map_or(source, |(_, path)| path).clone_into(&mut name);
        }
        out.push((name.clone(), part.as_bytes().to_vec()));
    }
    out
}

fn shown(folder: &str) -> String {
    if folder.is_empty() { "the root of the tree".to_owned() } else { folder.to_owned() }
}

/// The folder that holds the repository of a local folder, with the way from there to here.
pub(crate) fn repository_of(path: &Path) -> (PathBuf, String) {
    let Ok(full) = path.canonicalize() else { return (path.to_owned(), String::new()) };
    let root = full.ancestors().find(|folder| folder.join(".git").exists());
    match root.and_then(|root| Some((root, full.strip_prefix(root).ok()?.to_str()?))) {
        Some((root, below)) => (root.to_owned(), below.to_owned()),
        None => (path.to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_of_helm_has_its_template() {
        let text = "---\n# Source: web/templates/a.yaml\na: 1\n---\n# Source: web/templates/b.yaml\nb: 2\n";
        let all = documents(text);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["templates/a.yaml", "templates/b.yaml"]);
        assert_eq!(all[1].1, b"# Source: web/templates/b.yaml\nb: 2\n");
    }

    #[test]
    fn a_release_is_called_like_its_chart_where_that_is_a_name() {
        let chart =
            |text: &str| BTreeMap::from([(CHART_FILE.to_owned(), text.as_bytes().to_vec())]);
        assert_eq!(release(&chart("apiVersion: v2\nname: \"web\"\n")), "web");
        assert_eq!(release(&chart("name: --x\n")), RELEASE);
    }

    #[test]
    fn the_whole_repository_of_a_local_folder_is_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        let overlay = folder.path().join("overlays/prod");
        std::fs::create_dir_all(&overlay).unwrap();
        assert_eq!(repository_of(&overlay).1, "");
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        let (root, below) = repository_of(&overlay);
        assert_eq!(
            (root, below.as_str()),
            (folder.path().canonicalize().unwrap(), "overlays/prod")
        );
    }

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    async fn load(
        path: PathBuf,
        options: &RenderOptions,
    ) -> Result<crate::Tree, crate::DeliveryError> {
        let token = tokio_util::sync::CancellationToken::new();
        let options =
            crate::LoadOptions { render: options.clone(), ..crate::LoadOptions::default() };
        crate::load(&crate::Source::Directory(path), &options, &token).await
    }

    #[tokio::test]
    async fn an_overlay_is_built_with_the_base_beside_it_and_says_where_objects_come_from() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                (".git/HEAD", "ref: refs/heads/main\n"),
                ("base/kustomization.yaml", "resources: [a.yaml]\n"),
                ("base/a.yaml", "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
                ("prod/kustomization.yaml", "resources: [../base]\nnamePrefix: prod-\n"),
            ],
        );
        let tree = load(folder.path().join("prod"), &RenderOptions::default()).await.unwrap();
        assert_eq!((tree.len(), tree.problems().len()), (1, 0));
        let document = &tree.documents[0];
        assert_eq!(document.origin.to_string(), "base/a.yaml:2");
        assert_eq!(document.packed.unpack().unwrap().name(), "prod-a");
        let before = tree.source().digest.clone();
        write(
            folder.path(),
            &[("base/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")],
        );
        let tree = load(folder.path().join("prod"), &RenderOptions::default()).await.unwrap();
        assert_ne!(tree.source().digest, before);
    }

    #[tokio::test]
    async fn a_kustomization_that_cannot_be_built_delivers_nothing_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("kustomization.yaml", "resorces: [a.yaml]\n")]);
        let error = load(folder.path().to_owned(), &RenderOptions::default()).await.unwrap_err();
        assert_eq!(error.hint().unwrap().as_str(), "did you mean `resources`?");
        assert!(model::chain(&error).contains("kustomization.yaml:1: unknown field"));
    }

    #[tokio::test]
    async fn an_engine_that_the_folder_is_not_for_is_refused_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        write(folder.path(), &[("a.yaml", object)]);
        let options = |engine| RenderOptions { engine, ..RenderOptions::default() };
        for (engine, missing) in
            [(Engine::Kustomize, "no kustomization.yaml"), (Engine::Helm, "no Chart.yaml")]
        {
            let error = load(folder.path().to_owned(), &options(engine)).await.unwrap_err();
            assert!(model::chain(&error).contains(missing), "{error:?}");
        }
        let tree = load(folder.path().to_owned(), &options(Engine::Plain)).await.unwrap();
        assert_eq!(tree.len(), 1);
        write(folder.path(), &[("kustomization.yaml", "resources: [a.yaml]\n")]);
        let tree = load(folder.path().to_owned(), &options(Engine::Kustomize)).await.unwrap();
        assert_eq!(tree.len(), 1);
        let error = load(folder.path().to_owned(), &options(Engine::Plain)).await.unwrap_err();
        assert!(error.to_string().contains("kustomization.yaml makes its folder"), "{error}");
    }

    #[tokio::test]
    async fn a_chart_is_rendered_by_helm_and_a_missing_helm_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
                (
                    "templates/a.yaml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-a\n",
                ),
            ],
        );
        let options =
            |helm: PathBuf| RenderOptions { helm: Some(helm), ..RenderOptions::default() };
        let error = load(folder.path().to_owned(), &options("/no/helm".into())).await.unwrap_err();
        assert!(model::chain(&error).contains("there is no `helm` at /no/helm"), "{error}");
        let program = match testbed::peer("helm") {
            Ok(program) => program,
            Err(missing) => {
                println!("SKIP a_chart_is_rendered_by_helm: {missing}");
                return;
            }
        };
        let tree = load(folder.path().to_owned(), &options(program.clone())).await.unwrap();
        let document = &tree.documents[0];
        assert_eq!(document.origin.file.as_ref(), "templates/a.yaml");
        assert_eq!(document.packed.unpack().unwrap().name(), "web-a");

        // Values of the caller over those of a file, and without the chart's definitions.
        let crd = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: crd}\n";
        let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  \
                        name: {{ .Release.Name }}-a\n  namespace: {{ .Release.Namespace }}\n\
                        data: {a: {{ .Values.a }}, b: {{ .Values.b }}}\n";
        let files = [
            ("templates/a.yaml", template),
            ("crds/c.yaml", crd),
            ("prod.yaml", "a: file\nb: file\n"),
        ];
        write(folder.path(), &files);
        let mut asked = RenderOptions {
            engine: Engine::Helm,
            release: Some("shop".to_owned()),
            namespace: "eu".to_owned(),
            values: vec!["prod.yaml".to_owned()],
            inline: Some(serde_json::json!({"b": "inline"})),
            include_crds: false,
            ..options(program)
        };
        let tree = load(folder.path().to_owned(), &asked).await.unwrap();
        assert_eq!(tree.len(), 1);
        let object = tree.documents[0].packed.unpack().unwrap();
        assert_eq!((object.namespace(), object.name()), ("eu", "shop-a"));
        assert_eq!(object.at(&["data"]), Some(&serde_json::json!({"a": "file", "b": "inline"})));
        asked.include_crds = true;
        let with_crds = load(folder.path().to_owned(), &asked).await.unwrap();
        assert_eq!(with_crds.len(), 2);
        assert_ne!(with_crds.source().digest, tree.source().digest);
    }

    #[tokio::test]
    async fn gitops_18_an_encrypted_file_of_values_is_never_written_down_for_helm() {
        let folder = tempfile::tempdir().unwrap();
        let secret = include_str!("../../../testdata/sops-age-flux.yaml");
        let chart = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
        write(folder.path(), &[("Chart.yaml", chart), ("secret.yaml", secret)]);
        let options =
            RenderOptions { values: vec!["secret.yaml".to_owned()], ..RenderOptions::default() };
        let error = load(folder.path().to_owned(), &options).await.unwrap_err();
        let told = model::chain(&error);
        assert!(told.contains("cannot use secret.yaml: the file of values is encrypted"), "{told}");
    }
}
