//! The steps of a layer: each changes the objects that are there.

use crate::build;
use crate::error::KustomizeErrors;
use crate::fieldspec::{self, Create, FieldSpec};
use crate::id::{Gvk, Id};
use crate::json6902::{self, Operation};
use crate::merge;
use crate::node::{Map, Node, Tag};
use crate::resource::{self, Resource};
use crate::set::{self, Select};
use crate::spec::{Label, Patch, Target, Texts};

/// Directives of Kubernetes' own merge that kustomize does not know.
const UNKNOWN_DIRECTIVES: [&str; 3] =
    ["$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys"];

/// Puts all objects into a namespace, and the default account of bindings with them.
pub(crate) fn namespace(all: &mut [Resource], namespace: &str) -> Result<(), String> {
    for resource in all.iter_mut() {
        resource.store_previous();
        let id = resource.id();
        let mut set = |node: &mut Node| fieldspec::set_scalar(node, namespace.to_owned(), Tag::Str);
        if !id.gvk.is_cluster_scoped() {
            let spec = spec("metadata/namespace");
            fieldspec::apply(resource, &spec, Create::Scalar, &mut set)?;
        }
        if matches!(resource.kind(), "RoleBinding" | "ClusterRoleBinding") {
            default_subjects(&mut resource.node, namespace);
        }
        for spec in fieldspec::namespace() {
            // A kind that is called Namespace and is another group's keeps its name.
            if spec.path == "metadata/name" && resource.api_version() != "v1" {
                continue;
            }
            fieldspec::apply(resource, spec, Create::Scalar, &mut set)
                .map_err(|error| format!("{id}: {error}"))?;
        }
    }
    set::unique(all)
}

fn spec(path: &'static str) -> FieldSpec {
    FieldSpec::new(Gvk::default(), path, true)
}

fn default_subjects(node: &mut Node, namespace: &str) {
    let subjects = node.as_map_mut().and_then(|map| map.get_mut("subjects"));
    let Some(Node::List(subjects)) = subjects else { return };
    for subject in subjects.iter_mut().filter_map(Node::as_map_mut) {
        if subject.get("name").and_then(Node::text) != Some("default") {
            continue;
        }
        match subject.get_mut("namespace") {
            Some(Node::Scalar(scalar)) => scalar.set(namespace.to_owned(), Tag::Str),
            _ => {
                subject.insert("namespace".to_owned(), Node::string(namespace));
            }
        }
    }
}

/// Puts a text before or behind the names.
pub(crate) fn affix(all: &mut [Resource], text: &str, before: bool) -> Result<(), String> {
    for resource in all {
        let original = resource.original_id().gvk;
        let keeps = match original.kind.as_str() {
            "CustomResourceDefinition" | "Namespace" => true,
            "APIService" => original.group == "apiregistration.k8s.io",
            _ => false,
        };
        if keeps {
            continue;
        }
        let list = if before { &mut resource.prefixes } else { &mut resource.suffixes };
        list.push(text.to_owned());
        resource.store_previous();
        let name = resource.name().to_owned();
        let name = if before { format!("{text}{name}") } else { format!("{name}{text}") };
        let mut set = |node: &mut Node| fieldspec::set_scalar(node, name.clone(), Tag::Auto);
        let spec = FieldSpec::new(Gvk::default(), "metadata/name", false);
        fieldspec::apply(resource, &spec, Create::Nothing, &mut set)?;
    }
    Ok(())
}

/// One entry of `labels`.
pub(crate) fn labels(all: &mut [Resource], label: &Label) -> Result<(), String> {
    let mut specs = label.fields.clone();
    let conflict = |path| format!("the field `{path}` is a built-in one with another `create`");
    if label.selectors {
        fieldspec::merge(&mut specs, fieldspec::selectors()).map_err(conflict)?;
    } else {
        if label.templates {
            fieldspec::merge(&mut specs, fieldspec::templates()).map_err(conflict)?;
        }
        fieldspec::merge(&mut specs, &[spec("metadata/labels")]).map_err(conflict)?;
    }
    set_texts(all, &label.pairs, &specs)
}

pub(crate) fn common_labels(all: &mut [Resource], labels: &Texts) -> Result<(), String> {
    set_texts(all, labels, fieldspec::selectors())
}

pub(crate) fn annotations(all: &mut [Resource], annotations: &Texts) -> Result<(), String> {
    set_texts(all, annotations, fieldspec::annotations())
}

fn set_texts(all: &mut [Resource], texts: &Texts, specs: &[FieldSpec]) -> Result<(), String> {
    for resource in all {
        let id = resource.id();
        for (key, value) in texts {
            let mut set = |node: &mut Node| fieldspec::set_entry(node, key, value);
            for spec in specs {
                fieldspec::apply(resource, spec, Create::Map, &mut set)
                    .map_err(|error| format!("{id}: {error}"))?;
            }
        }
    }
    Ok(())
}

pub(crate) fn replicas(all: &mut [Resource], name: &str, count: i64) -> Result<(), String> {
    let mut found = false;
    for spec in fieldspec::replicas() {
        for resource in all.iter_mut() {
            let is_meant = |id: &Id| id.name == name && id.gvk.is_selected(&spec.gvk);
            if !is_meant(&resource.id()) && !resource.previous_ids().iter().any(is_meant) {
                continue;
            }
            found = true;
            let mut set =
                |node: &mut Node| fieldspec::set_scalar(node, count.to_string(), Tag::Int);
            fieldspec::apply(resource, spec, Create::Scalar, &mut set)?;
        }
    }
    if found {
        return Ok(());
    }
    Err(format!(
        "no Deployment, ReplicationController, ReplicaSet or StatefulSet is called `{name}`"
    ))
}

/// A patch that was read.
pub(crate) enum LoadedPatch {
    Strategic(Vec<Node>),
    Json(Vec<Operation>),
}

impl LoadedPatch {
    /// Objects are a strategic patch, a list is a JSON patch.
    pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Self, KustomizeErrors> {
        let documents = build::documents(file, bytes)?;
        let bad = |line: u32, message: String| {
            let file = file.to_owned();
            KustomizeErrors::from(crate::KustomizeError::Object { file, line, message })
        };
        if let Some(document) = documents.first()
            && document.node.as_list().is_some()
        {
            if let Some(second) = documents.get(1) {
                let message = "a JSON patch is one document".to_owned();
                return Err(bad(second.line, message));
            }
            let operations = json6902::read(&document.node);
            return operations.map(Self::Json).map_err(|message| bad(document.line, message));
        }
        for document in &documents {
            if let Some(directive) = unknown_directive(&document.node) {
                let message = format!("kustomize does not know the directive `{directive}`");
                return Err(bad(document.line, message));
            }
        }
        let patches = build::objects_of(file, bytes)?;
        Ok(Self::Strategic(patches.into_iter().map(|patch| patch.node).collect()))
    }
}

/// A directive that would end up in the output.
fn unknown_directive(node: &Node) -> Option<&str> {
    match node {
        Node::Scalar(_) => None,
        Node::List(list) => list.iter().find_map(unknown_directive),
        Node::Map(map) => map.iter().find_map(|(key, value)| {
            let unknown = UNKNOWN_DIRECTIVES.iter().any(|word| key.starts_with(word));
            if unknown { Some(key.as_str()) } else { unknown_directive(value) }
        }),
    }
}

/// One entry of `patches`.
pub(crate) fn patch(
    all: &mut Vec<Resource>,
    entry: &Patch,
    loaded: LoadedPatch,
) -> Result<(), String> {
    let patches = match (loaded, &entry.target) {
        (LoadedPatch::Json(operations), Some(target)) => {
            return json_patch(all, target, &operations, true);
        }
        (LoadedPatch::Json(_), None) => return Err("a JSON patch needs a `target`".to_owned()),
        (LoadedPatch::Strategic(patches), _) => patches,
    };
    let (name, kind) = (entry.allow_name_change, entry.allow_kind_change);
    let Some(target) = &entry.target else {
        for patch in &patches {
            let index = the_target(all, patch)?;
            if let Some(resource) = all.get_mut(index) {
                strategic(resource, patch.clone(), name, kind)?;
            }
        }
        return Ok(());
    };
    let patch = match patches.as_slice() {
        [] => return Ok(()),
        [patch] => normalised(patch),
        _ => return Err("a patch with a `target` is one document".to_owned()),
    };
    let select = Select::new(target)?;
    for resource in all.iter_mut().filter(|resource| select.takes(resource)) {
        let mut own = patch.clone();
        if let Some(map) = own.as_map_mut() {
            map.insert("apiVersion".to_owned(), Node::string(resource.api_version()));
        }
        strategic(resource, own, name, kind)?;
    }
    drop_empty(all);
    set::unique(all)
}

/// A patch whose labels and annotations went through kustomize's setters.
fn normalised(patch: &Node) -> Node {
    let mut patch = patch.clone();
    let Some(metadata) = patch.child_map("metadata") else { return patch };
    for field in ["labels", "annotations"] {
        let texts: Option<Map> = match metadata.remove(field) {
            Some(Node::Map(map)) => Some(
                map.iter()
                    .map(|(key, value)| {
                        (key.clone(), Node::string(value.text().unwrap_or_default()))
                    })
                    .collect(),
            ),
            _ => None,
        };
        if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
            metadata.insert(field.to_owned(), Node::Map(texts));
        }
    }
    patch
}

/// The one object that a patch without a target is for.
fn the_target(all: &[Resource], patch: &Node) -> Result<usize, String> {
    let id = Resource::new(patch.clone(), origin()).id();
    match set::with_any_id(all, &id).as_slice() {
        [index] => Ok(*index),
        [] => Err(format!("there is no {id} to patch")),
        _ => Err(format!("several objects could be {id}")),
    }
}

fn origin() -> objects::Origin {
    objects::Origin { file: "".into(), line: 1 }
}

/// One document of `patchesStrategicMerge`.
pub(crate) fn patch_by_id(
    all: &mut Vec<Resource>,
    patch: &Node,
    checked: bool,
) -> Result<(), String> {
    if let Some(directive) = unknown_directive(patch) {
        return Err(format!("kustomize does not know the directive `{directive}`"));
    }
    let index = the_target(all, patch)?;
    if let Some(resource) = all.get_mut(index) {
        strategic(resource, normalised(patch), false, false)?;
    }
    drop_empty(all);
    if checked { set::unique(all) } else { Ok(()) }
}

/// Lays a patch over an object; name, namespace and kind stay, unless they may change.
fn strategic(
    resource: &mut Resource,
    patch: Node,
    allow_name: bool,
    allow_kind: bool,
) -> Result<(), String> {
    let id = resource.id();
    if allow_name || allow_kind {
        resource.store_previous();
    }
    let target = std::mem::replace(&mut resource.node, Node::map());
    let merged = merge::merge(target, patch).map_err(|error| format!("{id}: {error}"))?;
    let Some(node) = merged.filter(|node| !node.is_nil_or_empty()) else {
        resource.node = Node::map();
        return Ok(());
    };
    resource.node = node;
    if !allow_kind {
        resource.set_kind(&id.gvk.kind);
    }
    if !allow_name {
        resource.set_name(&id.name);
    }
    resource.set_namespace(&id.namespace);
    Ok(())
}

/// Objects that a patch deleted.
pub(crate) fn drop_empty(all: &mut Vec<Resource>) {
    all.retain(|resource| !resource.node.is_nil_or_empty());
}

/// Applies a JSON patch to all objects of a target.
pub(crate) fn json_patch(
    all: &mut [Resource],
    target: &Target,
    operations: &[Operation],
    store: bool,
) -> Result<(), String> {
    let select = Select::new(target)?;
    for resource in all.iter_mut().filter(|resource| select.takes(resource)) {
        if store {
            resource.store_previous();
        }
        // Kustomize keeps its own notes in annotations, so that there are some to add to.
        let noted = !resource.previous.is_empty()
            || !resource.prefixes.is_empty()
            || !resource.suffixes.is_empty()
            || resource.needs_hash;
        if noted && let Some(metadata) = resource.metadata_mut() {
            let slot = metadata.entry("annotations".to_owned()).or_insert_with(Node::map);
            if slot.is_null() {
                *slot = Node::map();
            }
        }
        let id = resource.id();
        let value = resource.node.to_json().map_err(|error| format!("{id}: {error}"))?;
        let patched = json6902::apply(value, operations).map_err(|e| format!("{id}: {e}"))?;
        let node = Node::from_json(&patched);
        if node.as_map().is_none() {
            return Err(format!("{id}: the patch leaves {}, not an object", node.article()));
        }
        resource.node = node;
        resource::tidy_annotations(&mut resource.node);
    }
    Ok(())
}
