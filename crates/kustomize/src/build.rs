//! One build: folders are read from the bottom up, and each layer's steps run in kustomize's order.

use crate::error::{KustomizeError, KustomizeErrors};
use crate::generate::{self, Failure};
use crate::node::Node;
use crate::parse::{self, Document};
use crate::resource::{self, Resource};
use crate::spec::{self, Kustomization, Options, Replacement, ReplacementField};
use crate::steps::{self, LoadedPatch};
use crate::{Entry, Files, Limits, nameref, order, paths, set};
use objects::Origin;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names of a kustomization file.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

type Outcome<T> = Result<T, KustomizeErrors>;

/// The state of one build.
pub(crate) struct Build<'a> {
    files: &'a dyn Files,
    limits: &'a Limits,
    /// Files that were read, with their length in bytes.
    pub(crate) read: BTreeMap<String, usize>,
    bytes: usize,
    /// Folders that are being built, the root first.
    stack: Vec<String>,
    folders: usize,
}

/// A kustomization file with where it is.
struct Layer {
    folder: String,
    file: String,
    spec: Kustomization,
}

impl Layer {
    fn fail(&self, field: &str, message: impl Into<String>) -> KustomizeErrors {
        KustomizeError::Apply {
            file: self.file.clone(),
            field: field.to_owned(),
            message: message.into(),
        }
        .into()
    }
}

impl<'a> Build<'a> {
    pub(crate) fn new(files: &'a dyn Files, limits: &'a Limits) -> Self {
        let (read, stack) = (BTreeMap::new(), Vec::new());
        Self { files, limits, read, bytes: 0, stack, folders: 0 }
    }

    /// Builds the folder `root`.
    pub(crate) fn run(&mut self, root: &str) -> Outcome<Vec<Resource>> {
        let Some(folder) = paths::join("", root) else {
            return Err(KustomizeError::Outside {
                path: root.to_owned(),
                field: "root".to_owned(),
                file: "the request".to_owned(),
                outside_of: "the tree".to_owned(),
            }
            .into());
        };
        let layer = self.load(&folder)?;
        if layer.spec.is_component {
            return Err(layer.fail("kind", "a component is built only as a part of another folder"));
        }
        let mut all = self.layer(&layer, Vec::new())?;
        for resource in &mut all {
            if resource.needs_hash {
                let hash = generate::hash(resource).map_err(|e| layer.fail("resources", e))?;
                resource.store_previous();
                let name = format!("{}-{hash}", resource.name());
                resource.set_name(&name);
            }
        }
        nameref::mend(&mut all).map_err(|error| layer.fail("resources", error))?;
        all.retain(|resource| !resource.is_local());
        order::sort(&mut all, layer.spec.sort.as_ref());
        set::unique(&all).map_err(|error| layer.fail("resources", error))?;
        for resource in &mut all {
            resource::tidy_annotations(&mut resource.node);
        }
        Ok(all)
    }

    /// Finds and reads the kustomization file of a folder.
    fn load(&mut self, folder: &str) -> Outcome<Layer> {
        self.folders += 1;
        if self.folders > self.limits.files {
            return Err(too_much("the number of folders", self.limits.files, "folders").into());
        }
        let path = |name: &str| paths::join(folder, name).unwrap_or_default();
        let is_file = |name: &&&str| self.files.entry(&path(name)) == Some(Entry::File);
        let names: Vec<&str> = FILE_NAMES.iter().filter(is_file).copied().collect();
        let name = match names.as_slice() {
            [] => {
                let folder = paths::shown(folder).to_owned();
                return Err(KustomizeError::NoKustomization { folder }.into());
            }
            [name] => *name,
            several => {
                let (folder, names) = (paths::shown(folder).to_owned(), several.join(", "));
                return Err(KustomizeError::Several { folder, names }.into());
            }
        };
        let file = path(name);
        let bytes = self.read_file(&file, "root", &file)?;
        let documents = documents(&file, &bytes)?;
        let [document] = documents.as_slice() else {
            let message = match documents.as_slice() {
                [] => "the kustomization file is empty",
                _ => "the kustomization file has more than one document",
            };
            let line = documents.get(1).map_or(1, |document| document.line);
            let message = message.to_owned();
            return Err(KustomizeError::Syntax { file, line, message }.into());
        };
        let spec = spec::read(&file, document)?;
        Ok(Layer { folder: folder.to_owned(), file, spec })
    }

    /// Builds one layer on top of `all`, which is empty but for components.
    fn layer(&mut self, layer: &Layer, mut all: Vec<Resource>) -> Outcome<Vec<Resource>> {
        if self.stack.len() >= self.limits.depth {
            let what = format!("the depth of bases in {}", layer.file);
            return Err(too_much(&what, self.limits.depth, "levels").into());
        }
        self.stack.push(layer.folder.clone());
        for (index, path) in layer.spec.resources.iter().enumerate() {
            let field = format!("resources[{index}]");
            let more = self.resource(layer, &field, path)?;
            set::append(&mut all, more).map_err(|error| layer.fail(&field, error))?;
            self.count(&all, layer)?;
        }
        self.generators(layer, &mut all)?;
        for (index, path) in layer.spec.components.iter().enumerate() {
            let field = format!("components[{index}]");
            let folder = self.folder(layer, &field, path)?;
            let below = self.load(&folder)?;
            if !below.spec.is_component {
                return Err(
                    below.fail("kind", "is not `Component`, as one of `components` must be")
                );
            }
            all = self.layer(&below, all)?;
        }
        self.transform(layer, &mut all)?;
        self.count(&all, layer)?;
        self.stack.pop();
        Ok(all)
    }

    fn count(&self, all: &[Resource], layer: &Layer) -> Outcome<()> {
        if all.len() > self.limits.resources {
            let what = format!("the number of objects in {}", layer.file);
            return Err(too_much(&what, self.limits.resources, "objects").into());
        }
        Ok(())
    }

    /// The objects of one entry of `resources`: a file, or a folder that is built.
    fn resource(&mut self, layer: &Layer, field: &str, path: &str) -> Outcome<Vec<Resource>> {
        let full = self.inside_tree(layer, field, path)?;
        match self.files.entry(&full) {
            Some(Entry::File) => {
                let (full, bytes) = self.file(layer, field, path)?;
                objects_of(&full, &bytes)
            }
            Some(Entry::Folder) => {
                let folder = self.folder(layer, field, path)?;
                let below = self.load(&folder)?;
                if below.spec.is_component {
                    return Err(layer.fail(field, "names a component: it belongs to `components`"));
                }
                self.layer(&below, Vec::new())
            }
            None => Err(self.unreadable(layer, field, path, "there is no such file or folder")),
        }
    }

    /// A path of the tree; remote ones and those that leave it are refused.
    fn inside_tree(&self, layer: &Layer, field: &str, path: &str) -> Outcome<String> {
        if paths::is_remote(path) {
            return Err(KustomizeError::Unsupported {
                file: layer.file.clone(),
                line: 1,
                field: field.to_owned(),
                reason: format!("`{path}` is on another machine"),
            }
            .into());
        }
        paths::join(&layer.folder, path).ok_or_else(|| outside(layer, field, path, "the tree"))
    }

    /// A folder that is named, checked against cycles.
    fn folder(&self, layer: &Layer, field: &str, path: &str) -> Outcome<String> {
        let folder = self.inside_tree(layer, field, path)?;
        if self.files.entry(&folder) != Some(Entry::Folder) && !folder.is_empty() {
            return Err(self.unreadable(layer, field, path, "there is no such folder"));
        }
        // A folder above is refused as well: what is in it would be in it again.
        if let Some(at) = self.stack.iter().position(|open| paths::is_within(open, &folder)) {
            let mut chain: Vec<&str> =
                self.stack.iter().skip(at).map(|folder| paths::shown(folder)).collect();
            chain.push(paths::shown(&folder));
            return Err(KustomizeError::Cycle { chain: chain.join(" -> ") }.into());
        }
        Ok(folder)
    }

    /// Reads a file that a layer names; it must be in or below the layer's folder.
    fn file(&mut self, layer: &Layer, field: &str, path: &str) -> Outcome<(String, Vec<u8>)> {
        let full = self.inside_tree(layer, field, path)?;
        if !paths::is_within(&full, &layer.folder) {
            return Err(outside(layer, field, path, paths::shown(&layer.folder)));
        }
        let bytes = self.read_file(&full, field, &layer.file)?;
        Ok((full, bytes))
    }

    fn read_file(&mut self, path: &str, field: &str, file: &str) -> Outcome<Vec<u8>> {
        let bytes = self.files.read(path).map_err(|reason| KustomizeError::Read {
            path: path.to_owned(),
            field: field.to_owned(),
            file: file.to_owned(),
            reason,
        })?;
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.read.insert(path.to_owned(), bytes.len());
        if self.bytes > self.limits.bytes {
            return Err(too_much("the size of all files read", self.limits.bytes, "bytes").into());
        }
        if self.read.len() > self.limits.files {
            return Err(too_much("the number of files read", self.limits.files, "files").into());
        }
        Ok(bytes)
    }

    fn unreadable(&self, layer: &Layer, field: &str, path: &str, reason: &str) -> KustomizeErrors {
        KustomizeError::Read {
            path: path.to_owned(),
            field: field.to_owned(),
            file: layer.file.clone(),
            reason: reason.to_owned(),
        }
        .into()
    }

    fn generators(&mut self, layer: &Layer, all: &mut Vec<Resource>) -> Outcome<()> {
        let spec = &layer.spec;
        let maps = spec.config_maps.iter().enumerate().map(|(i, g)| (i, g, false));
        let secrets = spec.secrets.iter().enumerate().map(|(i, g)| (i, g, true));
        for (index, generator, secret) in maps.chain(secrets) {
            let list = if secret { "secretGenerator" } else { "configMapGenerator" };
            let field = format!("{list}[{index}]");
            let origin = Origin { file: Arc::from(layer.file.as_str()), line: 1 };
            let global: Option<&Options> = spec.options.as_ref();
            let mut load = |path: &str| match self.file(layer, &field, path) {
                Ok((_, bytes)) => Ok(bytes),
                Err(KustomizeErrors(mut errors)) => match errors.pop() {
                    Some(error) => Err(Failure::File(Box::new(error))),
                    None => Err(Failure::Generator(format!("cannot read {path}"))),
                },
            };
            let made = generate::make(generator, global, secret, origin, &mut load);
            let made = made.map_err(|failure| match failure {
                Failure::File(error) => KustomizeErrors::from(*error),
                Failure::Generator(message) => layer.fail(&field, message),
            })?;
            set::absorb(all, made).map_err(|error| layer.fail(&field, error))?;
        }
        Ok(())
    }

    /// The steps of a layer, in kustomize's order.
    fn transform(&mut self, layer: &Layer, all: &mut Vec<Resource>) -> Outcome<()> {
        let spec = &layer.spec;
        self.strategic_patches(layer, all)?;
        self.patches(layer, all)?;
        let simple = |field: &'static str| move |error: String| layer.fail(field, error);
        if !spec.namespace.is_empty() {
            steps::namespace(all, &spec.namespace).map_err(simple("namespace"))?;
        }
        if !spec.name_prefix.is_empty() {
            steps::affix(all, &spec.name_prefix, true).map_err(simple("namePrefix"))?;
        }
        if !spec.name_suffix.is_empty() {
            steps::affix(all, &spec.name_suffix, false).map_err(simple("nameSuffix"))?;
        }
        for label in &spec.labels {
            steps::labels(all, label).map_err(simple("labels"))?;
        }
        steps::common_labels(all, &spec.common_labels).map_err(simple("commonLabels"))?;
        steps::annotations(all, &spec.common_annotations).map_err(simple("commonAnnotations"))?;
        self.json_patches(layer, all)?;
        for (name, count) in &spec.replicas {
            steps::replicas(all, name, *count).map_err(simple("replicas"))?;
        }
        for image in &spec.images {
            image.apply(all).map_err(simple("images"))?;
        }
        self.replacements(layer, all)
    }

    fn strategic_patches(&mut self, layer: &Layer, all: &mut Vec<Resource>) -> Outcome<()> {
        for (index, text) in layer.spec.patches_strategic.iter().enumerate() {
            let field = format!("patchesStrategicMerge[{index}]");
            // For a long time the entry could be the patch itself.
            let patches = match objects_of(&layer.file, text.as_bytes()) {
                Ok(patches) if !patches.is_empty() => patches,
                _ => {
                    let (path, bytes) = self.file(layer, &field, text)?;
                    objects_of(&path, &bytes)?
                }
            };
            for patch in patches {
                steps::patch_by_id(all, &patch.node, true).map_err(|e| layer.fail(&field, e))?;
            }
        }
        steps::drop_empty(all);
        Ok(())
    }

    fn patches(&mut self, layer: &Layer, all: &mut Vec<Resource>) -> Outcome<()> {
        for (index, patch) in layer.spec.patches.iter().enumerate() {
            let field = format!("patches[{index}]");
            let (file, bytes) = match patch.path.as_str() {
                "" => (layer.file.clone(), patch.patch.clone().into_bytes()),
                path => self.file(layer, &field, path)?,
            };
            let loaded = LoadedPatch::read(&file, &bytes)?;
            steps::patch(all, patch, loaded).map_err(|error| layer.fail(&field, error))?;
            steps::drop_empty(all);
        }
        Ok(())
    }

    fn json_patches(&mut self, layer: &Layer, all: &mut [Resource]) -> Outcome<()> {
        for (index, patch) in layer.spec.patches_json.iter().enumerate() {
            let field = format!("patchesJson6902[{index}]");
            let (file, bytes) = match patch.path.as_str() {
                "" => (layer.file.clone(), patch.patch.clone().into_bytes()),
                path => self.file(layer, &field, path)?,
            };
            let LoadedPatch::Json(operations) = LoadedPatch::read(&file, &bytes)? else {
                return Err(layer.fail(&field, "is not a list of JSON patch operations"));
            };
            let target = patch.target.as_ref().filter(|target| !target.name.is_empty());
            let Some(target) = target else {
                return Err(layer.fail(&field, "needs a `target` with a `name`"));
            };
            steps::json_patch(all, target, &operations, false)
                .map_err(|e| layer.fail(&field, e))?;
        }
        Ok(())
    }

    fn replacements(&mut self, layer: &Layer, all: &mut [Resource]) -> Outcome<()> {
        for (index, entry) in layer.spec.replacements.iter().enumerate() {
            let field = format!("replacements[{index}]");
            let loaded: Vec<Replacement>;
            let list: &[Replacement] = match entry {
                ReplacementField::Inline(replacement) => std::slice::from_ref(replacement.as_ref()),
                ReplacementField::File(path) => {
                    let (path, bytes) = self.file(layer, &field, path)?;
                    let documents = documents(&path, &bytes)?;
                    let Some(document) = documents.first() else { continue };
                    loaded = spec::read_replacements(&path, document)?;
                    &loaded
                }
            };
            for replacement in list {
                crate::replacement::apply(all, replacement).map_err(|e| layer.fail(&field, e))?;
            }
        }
        Ok(())
    }
}

fn outside(layer: &Layer, field: &str, path: &str, outside_of: &str) -> KustomizeErrors {
    KustomizeError::Outside {
        path: path.to_owned(),
        field: field.to_owned(),
        file: layer.file.clone(),
        outside_of: outside_of.to_owned(),
    }
    .into()
}

fn too_much(what: &str, limit: usize, unit: &str) -> KustomizeError {
    KustomizeError::TooMuch { what: what.to_owned(), limit: format!("{limit} {unit}") }
}

/// The documents of a file, without empty ones.
pub(crate) fn documents(file: &str, bytes: &[u8]) -> Outcome<Vec<Document>> {
    let mut documents = parse::parse(bytes).map_err(|fault| KustomizeError::Syntax {
        file: file.to_owned(),
        line: fault.line,
        message: fault.message,
    })?;
    documents.retain(|document| !document.node.is_null());
    Ok(documents)
}

/// The objects of a file, with lists taken apart.
pub(crate) fn objects_of(file: &str, bytes: &[u8]) -> Outcome<Vec<Resource>> {
    let name: Arc<str> = Arc::from(file);
    let mut open: std::collections::VecDeque<(Node, u32)> = documents(file, bytes)?
        .into_iter()
        .filter(|document| !document.node.is_nil_or_empty())
        .map(|document| (document.node, document.line))
        .collect();
    let mut out = Vec::new();
    while let Some((node, line)) = open.pop_front() {
        let bad = |message: String| {
            KustomizeErrors::from(KustomizeError::Object { file: file.to_owned(), line, message })
        };
        check(&node).map_err(bad)?;
        let is_list = node.get("kind").and_then(Node::text).is_some_and(|k| k.ends_with("List"));
        match node.get("items") {
            Some(items) if is_list => match items {
                Node::List(items) => {
                    for item in items.iter().filter(|item| !item.is_nil_or_empty()) {
                        let mut item = item.clone();
                        item.quote_strings();
                        open.push_back((item, line));
                    }
                }
                items if items.is_null() => {}
                items => {
                    return Err(bad(format!("`items` is {}, expected a list", items.article())));
                }
            },
            _ => out.push(Resource::new(node, Origin { file: name.clone(), line })),
        }
    }
    Ok(out)
}

/// What every object needs.
fn check(node: &Node) -> Result<(), String> {
    if node.as_map().is_none() {
        return Err(format!("the document is {}, not an object", node.article()));
    }
    let kind = node.get("kind").and_then(Node::text).unwrap_or_default();
    if kind.is_empty() {
        return Err("`kind` is missing".to_owned());
    }
    let name = node.at(&["metadata", "name"]).filter(|node| !node.is_null());
    if !kind.ends_with("List") && name.and_then(Node::text).unwrap_or_default().is_empty() {
        return Err("`metadata.name` is missing".to_owned());
    }
    Ok(())
}
