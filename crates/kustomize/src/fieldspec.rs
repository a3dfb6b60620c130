//! Field paths of kustomize's transformers: which fields of which kinds are set, created or left.

use crate::id::Gvk;
use crate::node::{Node, Scalar, Tag};
use crate::resource::Resource;
use std::borrow::Cow;
use std::sync::LazyLock;

/// A field of some kinds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk,
    /// Keys with `/` between them, `\/` inside of one, `[]` behind one that is a list.
    pub(crate) path: Cow<'static, str>,
    pub(crate) create: bool,
    /// The path taken apart.
    parts: Vec<String>,
}

impl FieldSpec {
    pub(crate) fn new(gvk: Gvk, path: impl Into<Cow<'static, str>>, create: bool) -> Self {
        let path = path.into();
        let parts = split(&path, '/');
        Self { gvk, path, create, parts }
    }
}

/// What is made where the field is absent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Create {
    Nothing,
    Scalar,
    Map,
}

/// Sets one value; an error is a sentence.
pub(crate) type Set<'a> = &'a mut dyn FnMut(&mut Node) -> Result<(), String>;

/// kind, group, version, path, whether it is created.
type Row = (&'static str, &'static str, &'static str, &'static str, bool);

/// Where names of images stand.
pub(crate) const IMAGES: [&str; 6] = [
    "spec/containers[]/image",
    "spec/initContainers[]/image",
    "spec/volumes[]/image/reference",
    "spec/template/spec/containers[]/image",
    "spec/template/spec/initContainers[]/image",
    "spec/template/spec/volumes[]/image/reference",
];

const NAMESPACE: [Row; 3] = [
    ("Namespace", "", "", "metadata/name", true),
    ("APIService", "apiregistration.k8s.io", "", "spec/service/namespace", true),
    (
        "CustomResourceDefinition",
        "apiextensions.k8s.io",
        "",
        "spec/conversion/webhook/clientConfig/service/namespace",
        false,
    ),
];

/// Labels of objects and of the pods they make.
const TEMPLATES: [Row; 10] = [
    ("", "", "", "metadata/labels", true),
    ("ReplicationController", "", "v1", "spec/template/metadata/labels", true),
    ("Deployment", "", "", "spec/template/metadata/labels", true),
    ("ReplicaSet", "", "", "spec/template/metadata/labels", true),
    ("DaemonSet", "", "", "spec/template/metadata/labels", true),
    ("StatefulSet", "apps", "", "spec/template/metadata/labels", true),
    ("StatefulSet", "apps", "", "spec/volumeClaimTemplates[]/metadata/labels", true),
    ("Job", "batch", "", "spec/template/metadata/labels", true),
    ("CronJob", "batch", "", "spec/jobTemplate/metadata/labels", true),
    ("CronJob", "batch", "", "spec/jobTemplate/spec/template/metadata/labels", true),
];

const SELECTORS: [Row; 12] = [
    ("Service", "", "v1", "spec/selector", true),
    ("ReplicationController", "", "v1", "spec/selector", true),
    ("Deployment", "", "", "spec/selector/matchLabels", true),
    ("ReplicaSet", "", "", "spec/selector/matchLabels", true),
    ("DaemonSet", "", "", "spec/selector/matchLabels", true),
    ("StatefulSet", "apps", "", "spec/selector/matchLabels", true),
    ("Job", "batch", "", "spec/selector/matchLabels", false),
    ("CronJob", "batch", "", "spec/jobTemplate/spec/selector/matchLabels", false),
    ("PodDisruptionBudget", "policy", "", "spec/selector/matchLabels", false),
    ("NetworkPolicy", "networking.k8s.io", "", "spec/podSelector/matchLabels", false),
    ("NetworkPolicy", "networking.k8s.io", "", "spec/ingress/from/podSelector/matchLabels", false),
    ("NetworkPolicy", "networking.k8s.io", "", "spec/egress/to/podSelector/matchLabels", false),
];

/// Selectors inside of the pods of a Deployment or a StatefulSet.
const POD_SELECTORS: [&str; 5] = [
    "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/\
     podAffinityTerm/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/\
     labelSelector/matchLabels",
    "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/\
     podAffinityTerm/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/\
     labelSelector/matchLabels",
    "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels",
];

const ANNOTATIONS: [Row; 9] = [
    ("", "", "", "metadata/annotations", true),
    ("ReplicationController", "", "v1", "spec/template/metadata/annotations", true),
    ("Deployment", "", "", "spec/template/metadata/annotations", true),
    ("ReplicaSet", "", "", "spec/template/metadata/annotations", true),
    ("DaemonSet", "", "", "spec/template/metadata/annotations", true),
    ("StatefulSet", "", "", "spec/template/metadata/annotations", true),
    ("Job", "batch", "", "spec/template/metadata/annotations", true),
    ("CronJob", "batch", "", "spec/jobTemplate/metadata/annotations", true),
    ("CronJob", "batch", "", "spec/jobTemplate/spec/template/metadata/annotations", true),
];

/// Kinds with a number of replicas.
const REPLICAS: [Row; 4] = [
    ("Deployment", "", "", "spec/replicas", true),
    ("ReplicationController", "", "", "spec/replicas", true),
    ("ReplicaSet", "", "", "spec/replicas", true),
    ("StatefulSet", "", "", "spec/replicas", true),
];

/// A table that is made once.
type Table = LazyLock<Vec<FieldSpec>>;

pub(crate) fn namespace() -> &'static [FieldSpec] {
    static ALL: Table = LazyLock::new(|| NAMESPACE.iter().map(of).collect());
    &ALL
}

pub(crate) fn templates() -> &'static [FieldSpec] {
    static ALL: Table = LazyLock::new(|| TEMPLATES.iter().map(of).collect());
    &ALL
}

pub(crate) fn selectors() -> &'static [FieldSpec] {
    static ALL: Table = LazyLock::new(|| {
        let inner = |kind: &'static str| {
            POD_SELECTORS.iter().map(move |path| of(&(kind, "apps", "", path, false)))
        };
        let mut all: Vec<FieldSpec> = SELECTORS.iter().map(of).collect();
        all.extend(inner("Deployment"));
        all.extend(inner("StatefulSet"));
        all.extend_from_slice(templates());
        all
    });
    &ALL
}

pub(crate) fn annotations() -> &'static [FieldSpec] {
    static ALL: Table = LazyLock::new(|| ANNOTATIONS.iter().map(of).collect());
    &ALL
}

pub(crate) fn replicas() -> &'static [FieldSpec] {
    static ALL: Table = LazyLock::new(|| REPLICAS.iter().map(of).collect());
    &ALL
}

pub(crate) fn images() -> &'static [FieldSpec] {
    static ALL: Table =
        LazyLock::new(|| IMAGES.iter().map(|path| of(&("", "", "", path, true))).collect());
    &ALL
}

fn of((kind, group, version, path, create): &Row) -> FieldSpec {
    let text = |text: &str| text.to_owned();
    let gvk = Gvk { group: text(group), version: text(version), kind: text(kind) };
    FieldSpec::new(gvk, *path, *create)
}

/// Adds specs that are not there yet.
///
/// # Errors
/// The path of a spec that is there with another `create`.
pub(crate) fn merge(list: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<(), String> {
    for spec in more {
        let same = |own: &&FieldSpec| own.gvk.is_selected(&spec.gvk) && own.path == spec.path;
        match list.iter().find(same) {
            Some(own) if own.create != spec.create => return Err(spec.path.to_string()),
            Some(_) => {}
            None => list.push(spec.clone()),
        }
    }
    Ok(())
}

/// Sets the field of an object that a spec is about.
pub(crate) fn apply(
    resource: &mut Resource,
    spec: &FieldSpec,
    create: Create,
    set: Set<'_>,
) -> Result<(), String> {
    if !resource.is_selected(&spec.gvk) {
        return Ok(());
    }
    apply_anyway(resource, spec, create, set)
}

/// Sets the field that a spec is about, whatever kind the object is.
pub(crate) fn apply_anyway(
    resource: &mut Resource,
    spec: &FieldSpec,
    create: Create,
    set: Set<'_>,
) -> Result<(), String> {
    let create = if spec.create { create } else { Create::Nothing };
    let walked = walk(&mut resource.node, &spec.parts, create, set);
    walked.map_err(|error| format!("field `{}`: {error}", spec.path))
}

fn walk(node: &mut Node, path: &[String], create: Create, set: Set<'_>) -> Result<(), String> {
    let Some((part, rest)) = path.split_first() else { return set(node) };
    if node.is_null() {
        return Ok(());
    }
    let map = match node {
        Node::List(list) => {
            return list.iter_mut().try_for_each(|item| walk(item, path, create, set));
        }
        Node::Map(map) => map,
        Node::Scalar(_) => return Err(format!("`{part}` is asked of what is no map")),
    };
    let (name, is_list) = match part.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (part.as_str(), false),
    };
    if name.is_empty() {
        return Err("a part of the path is empty".to_owned());
    }
    let made = match create {
        _ if is_list => None,
        Create::Nothing => None,
        Create::Scalar if rest.is_empty() => {
            Some(Node::Scalar(Scalar { text: String::new(), tag: Tag::Auto, quoted: false }))
        }
        Create::Scalar | Create::Map => Some(Node::map()),
    };
    let slot = match (map.get_mut(name), made) {
        (None, None) => return Ok(()),
        (None, Some(made)) => map.entry(name.to_owned()).or_insert(made),
        (Some(slot), made) => {
            if slot.is_null() {
                if is_list {
                    *slot = Node::List(Vec::new());
                } else if let Some(made) = made {
                    *slot = made;
                }
            }
            slot
        }
    };
    walk(slot, rest, create, set)
}

/// Parts of a path; a delimiter behind `\` belongs to its part.
pub(crate) fn split(path: &str, delimiter: char) -> Vec<String> {
    let mut parts = path.split(delimiter).peekable();
    if path.starts_with(delimiter) {
        parts.next();
    }
    let mut out: Vec<String> = Vec::new();
    for part in parts {
        match out.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => out.push(part.to_owned()),
        }
    }
    out
}

/// Sets a scalar and keeps its quotes.
pub(crate) fn set_scalar(node: &mut Node, text: String, tag: Tag) -> Result<(), String> {
    match node {
        Node::Scalar(scalar) => {
            scalar.set(text, tag);
            Ok(())
        }
        other => Err(format!("the field is {}, not a scalar", other.article())),
    }
}

/// Sets a member of a map to a string.
pub(crate) fn set_entry(node: &mut Node, key: &str, value: &str) -> Result<(), String> {
    if node.is_null() {
        return Ok(());
    }
    let article = node.article();
    let map = node.as_map_mut().ok_or_else(|| format!("the field is {article}, not a map"))?;
    map.insert(key.to_owned(), Node::string(value));
    Ok(())
}
