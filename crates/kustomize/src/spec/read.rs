//! The kustomization file: its fields with their types, and everything that is wrong with it.
//!
//! A field that is not known is an error with the one that was probably meant; a field whose
//! feature is not supported is an error with the reason. Input: a parsed file. Output: the
//! fields, or all errors of the file.

use super::{
    FieldOptions, Generator, Kustomization, Label, Options, Patch, Replacement, ReplacementField,
    ReplacementTarget, Sort, Source, Target, Texts,
};
use crate::error::{KustomizeError, KustomizeErrors};
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::image::Image;
use crate::node::{Map, Node, Tag};
use crate::parse::Document;
use crate::resource::Behavior;
use crate::scalar;
use std::collections::HashMap;

/// Fields that are known and not supported, with the reason.
const UNSUPPORTED: [(&str, &str); 12] = [
    ("openapi", "a schema of one's own changes how every patch is merged"),
    ("crds", "references of custom resources are not read from files"),
    ("configurations", "the tables of fields are the built-in ones"),
    ("vars", "it is deprecated: `replacements` does the same"),
    ("helmCharts", "a chart needs the helm program"),
    ("helmGlobals", "a chart needs the helm program"),
    ("helmChartInflationGenerator", "a chart needs the helm program"),
    ("generators", "a plugin is a program"),
    ("transformers", "a plugin is a program"),
    ("validators", "a plugin is a program"),
    ("buildMetadata", "origins are kept beside the objects, not in annotations"),
    ("inventory", "it is deprecated"),
];

const KNOWN: [&str; 23] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "components",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "patchesStrategicMerge",
    "patchesJson6902",
    "patches",
    "images",
    "imageTags",
    "replacements",
    "replicas",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "sortOptions",
];

/// Reads a kustomization file.
pub(crate) fn read(file: &str, document: &Document) -> Result<Kustomization, KustomizeErrors> {
    let mut reader = Reader::new(file, document);
    let out = reader.kustomization(&document.node);
    if reader.errors.is_empty() { Ok(out) } else { Err(KustomizeErrors(reader.errors)) }
}

/// Reads a file of replacements: one, or a list.
pub(crate) fn read_replacements(
    file: &str,
    document: &Document,
) -> Result<Vec<Replacement>, KustomizeErrors> {
    let mut reader = Reader::new(file, document);
    let out = match &document.node {
        Node::List(list) => {
            let one =
                |(index, node): (usize, &Node)| reader.replacement(node, &format!("[{index}]"));
            list.iter().enumerate().map(one).collect()
        }
        node => vec![reader.replacement(node, "replacement")],
    };
    if reader.errors.is_empty() { Ok(out) } else { Err(KustomizeErrors(reader.errors)) }
}

struct Reader<'a> {
    file: &'a str,
    line: u32,
    lines: &'a HashMap<String, u32>,
    errors: Vec<KustomizeError>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, document: &'a Document) -> Self {
        Self { file, line: document.line, lines: &document.lines, errors: Vec::new() }
    }

    fn line(&self, path: &str) -> u32 {
        let first = path.split(['.', '[']).next().unwrap_or_default();
        self.lines.get(first).copied().unwrap_or(self.line)
    }

    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.errors.push(KustomizeError::Field {
            file: self.file.to_owned(),
            line: self.line(path),
            field: path.to_owned(),
            message: message.into(),
        });
    }

    /// A map, with its unknown members told. Null is an empty one.
    fn map<'n>(&mut self, node: &'n Node, path: &str, known: &[&str]) -> Option<&'n Map> {
        let Node::Map(map) = node else {
            if !node.is_null() {
                self.wrong(path, format!("is {}, expected a map", node.article()));
            }
            return None;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let field = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let meant = model::nearest(key, known.iter().copied());
            self.errors.push(KustomizeError::UnknownField {
                file: self.file.to_owned(),
                line: self.line(&field),
                field,
                meant: meant.map(str::to_owned),
            });
        }
        Some(map)
    }

    fn member<'n>(map: &'n Map, key: &str) -> Option<&'n Node> {
        map.get(key).filter(|node| !node.is_null())
    }

    fn text(&mut self, map: &Map, key: &str, path: &str) -> String {
        match Self::member(map, key) {
            Some(node) => self.as_text(node, &join(path, key)),
            None => String::new(),
        }
    }

    /// A string to the reader of kustomization files, to which `yes` is a boolean.
    fn as_text(&mut self, node: &Node, path: &str) -> String {
        match node {
            Node::Scalar(scalar) if matches!(scalar.tag, Tag::Str | Tag::Time) => {
                if !scalar.quoted
                    && scalar.tag == Tag::Str
                    && scalar::v2_bool(&scalar.text).is_some()
                {
                    self.wrong(path, "is a boolean, expected a string: put it in quotes");
                }
                scalar.text.clone()
            }
            Node::Scalar(scalar) if scalar.tag != Tag::Null => {
                let article = node.article();
                self.wrong(path, format!("is {article}, expected a string: put it in quotes"));
                String::new()
            }
            node => {
                self.wrong(path, format!("is {}, expected a string", node.article()));
                String::new()
            }
        }
    }

    fn flag(&mut self, map: &Map, key: &str, path: &str) -> bool {
        let Some(node) = Self::member(map, key) else { return false };
        let value = match node {
            Node::Scalar(scalar) if !scalar.quoted => scalar::v2_bool(&scalar.text),
            _ => None,
        };
        value.unwrap_or_else(|| {
            self.wrong(&join(path, key), format!("is {}, expected a boolean", node.article()));
            false
        })
    }

    fn number(&mut self, map: &Map, key: &str, path: &str) -> i64 {
        let Some(node) = Self::member(map, key) else { return 0 };
        let value = node.to_json().ok().and_then(|value| value.as_i64());
        value.unwrap_or_else(|| {
            self.wrong(&join(path, key), format!("is {}, expected an integer", node.article()));
            0
        })
    }

    fn list<'n>(&mut self, map: &'n Map, key: &str, path: &str) -> &'n [Node] {
        match Self::member(map, key) {
            None => &[],
            Some(Node::List(list)) => list,
            Some(node) => {
                self.wrong(&join(path, key), format!("is {}, expected a list", node.article()));
                &[]
            }
        }
    }

    fn all<T>(
        &mut self,
        map: &Map,
        key: &str,
        path: &str,
        one: impl Fn(&mut Self, &Node, &str) -> T,
    ) -> Vec<T> {
        let list = self.list(map, key, path);
        let path = join(path, key);
        let each = |(index, node)| one(self, node, &format!("{path}[{index}]"));
        list.iter().enumerate().map(each).collect()
    }

    fn strings(&mut self, map: &Map, key: &str, path: &str) -> Vec<String> {
        self.all(map, key, path, Self::as_text)
    }

    fn texts(&mut self, map: &Map, key: &str, path: &str) -> Texts {
        let path = join(path, key);
        match Self::member(map, key) {
            None => Texts::new(),
            Some(Node::Map(map)) => map
                .iter()
                .map(|(key, node)| {
                    if scalar::v2_bool(key).is_some_and(|value| *key != value.to_string()) {
                        let message =
                            "is `true` or `false` to kustomize when it stands without quotes";
                        self.wrong(&join(&path, key), message);
                    }
                    let text = match node.is_null() {
                        true => String::new(),
                        false => self.as_text(node, &join(&path, key)),
                    };
                    (key.clone(), text)
                })
                .collect(),
            Some(node) => {
                self.wrong(&path, format!("is {}, expected a map", node.article()));
                Texts::new()
            }
        }
    }

    fn kustomization(&mut self, node: &Node) -> Kustomization {
        let unsupported = UNSUPPORTED.iter().map(|(field, _)| *field);
        let known: Vec<&str> = KNOWN.iter().copied().chain(unsupported).collect();
        let Some(map) = self.map(node, "", &known) else {
            if node.is_null() {
                self.wrong("resources", "is missing: the kustomization file is empty");
            }
            return Kustomization::default();
        };
        for (field, reason) in UNSUPPORTED {
            if map.get(field).is_some_and(|node| !node.is_nil_or_empty()) {
                self.errors.push(KustomizeError::Unsupported {
                    file: self.file.to_owned(),
                    line: self.line(field),
                    field: field.to_owned(),
                    reason: reason.to_owned(),
                });
            }
        }
        let is_component = self.kind(map);
        let mut resources = self.strings(map, "resources", "");
        resources.extend(self.strings(map, "bases", ""));
        let mut images = self.all(map, "images", "", Self::image);
        images.extend(self.all(map, "imageTags", "", Self::image));
        if map.keys().all(|key| matches!(key.as_str(), "apiVersion" | "kind")) {
            self.wrong("resources", "is missing: the kustomization file is empty");
        }
        Kustomization {
            is_component,
            resources,
            components: self.strings(map, "components", ""),
            namespace: self.text(map, "namespace", ""),
            name_prefix: self.text(map, "namePrefix", ""),
            name_suffix: self.text(map, "nameSuffix", ""),
            common_labels: self.texts(map, "commonLabels", ""),
            labels: self.all(map, "labels", "", Self::label),
            common_annotations: self.texts(map, "commonAnnotations", ""),
            patches_strategic: self.strings(map, "patchesStrategicMerge", ""),
            patches_json: self.all(map, "patchesJson6902", "", Self::patch),
            patches: self.all(map, "patches", "", Self::patch),
            images,
            replacements: self.all(map, "replacements", "", Self::replacement_field),
            replicas: self.all(map, "replicas", "", Self::replica),
            config_maps: self
                .all(map, "configMapGenerator", "", |r, n, p| r.generator(n, p, false)),
            secrets: self.all(map, "secretGenerator", "", |r, n, p| r.generator(n, p, true)),
            options: Self::member(map, "generatorOptions")
                .map(|node| self.options(node, "generatorOptions")),
            sort: Self::member(map, "sortOptions").map(|node| self.sort(node)),
        }
    }

    /// Whether the file is a component.
    fn kind(&mut self, map: &Map) -> bool {
        let kind = self.text(map, "kind", "");
        let version = self.text(map, "apiVersion", "");
        let (is_component, expected) = match kind.as_str() {
            "Component" => (true, "kustomize.config.k8s.io/v1alpha1"),
            "" | "Kustomization" => (false, "kustomize.config.k8s.io/v1beta1"),
            _ => {
                self.wrong("kind", "is neither `Kustomization` nor `Component`");
                return false;
            }
        };
        if !version.is_empty() && version != expected {
            self.wrong("apiVersion", format!("is `{version}`, expected `{expected}`"));
        }
        is_component
    }

    fn image(&mut self, node: &Node, path: &str) -> Image {
        let known = ["name", "newName", "newTag", "tagSuffix", "digest"];
        let Some(map) = self.map(node, path, &known) else { return Image::default() };
        Image {
            name: self.text(map, "name", path),
            new_name: self.text(map, "newName", path),
            new_tag: self.text(map, "newTag", path),
            tag_suffix: self.text(map, "tagSuffix", path),
            digest: self.text(map, "digest", path),
        }
    }

    fn label(&mut self, node: &Node, path: &str) -> Label {
        let known = ["pairs", "includeSelectors", "includeTemplates", "fields"];
        let Some(map) = self.map(node, path, &known) else { return Label::default() };
        Label {
            pairs: self.texts(map, "pairs", path),
            selectors: self.flag(map, "includeSelectors", path),
            templates: self.flag(map, "includeTemplates", path),
            fields: self.all(map, "fields", path, Self::field_spec),
        }
    }

    fn field_spec(&mut self, node: &Node, path: &str) -> FieldSpec {
        let known = ["group", "version", "kind", "path", "create"];
        let empty = Map::new();
        let map = self.map(node, path, &known).unwrap_or(&empty);
        let field = self.text(map, "path", path);
        if field.is_empty() {
            self.wrong(path, "has no `path`");
        }
        let gvk = self.gvk(map, path);
        FieldSpec::new(gvk, field, self.flag(map, "create", path))
    }

    fn gvk(&mut self, map: &Map, path: &str) -> Gvk {
        Gvk {
            group: self.text(map, "group", path),
            version: self.text(map, "version", path),
            kind: self.text(map, "kind", path),
        }
    }

    fn patch(&mut self, node: &Node, path: &str) -> Patch {
        let known = ["path", "patch", "target", "options"];
        let Some(map) = self.map(node, path, &known) else { return Patch::default() };
        let target =
            Self::member(map, "target").map(|node| self.target(node, &join(path, "target"), &[]));
        let mut out = Patch {
            path: self.text(map, "path", path),
            patch: self.text(map, "patch", path).trim().to_owned(),
            target,
            ..Patch::default()
        };
        if out.path.is_empty() == out.patch.is_empty() {
            self.wrong(path, "needs one of `patch` and `path`");
        }
        if let Some(node) = Self::member(map, "options") {
            let path = join(path, "options");
            if let Some(map) = self.map(node, &path, &["allowNameChange", "allowKindChange"]) {
                out.allow_name_change = self.flag(map, "allowNameChange", &path);
                out.allow_kind_change = self.flag(map, "allowKindChange", &path);
            }
        }
        out
    }

    fn target(&mut self, node: &Node, path: &str, more: &[&str]) -> Target {
        let mut known = vec![
            "group",
            "version",
            "kind",
            "name",
            "namespace",
            "labelSelector",
            "annotationSelector",
        ];
        known.extend(more);
        let Some(map) = self.map(node, path, &known) else { return Target::default() };
        Target {
            gvk: self.gvk(map, path),
            name: self.text(map, "name", path),
            namespace: self.text(map, "namespace", path),
            labels: self.text(map, "labelSelector", path),
            annotations: self.text(map, "annotationSelector", path),
        }
    }

    fn replica(&mut self, node: &Node, path: &str) -> (String, i64) {
        let Some(map) = self.map(node, path, &["name", "count"]) else { return Default::default() };
        (self.text(map, "name", path), self.number(map, "count", path))
    }

    fn generator(&mut self, node: &Node, path: &str, secret: bool) -> Generator {
        let mut known =
            vec!["name", "namespace", "behavior", "literals", "files", "envs", "env", "options"];
        if secret {
            known.push("type");
        }
        let Some(map) = self.map(node, path, &known) else { return Generator::default() };
        let mut envs = self.strings(map, "envs", path);
        let env = self.text(map, "env", path);
        if !env.is_empty() {
            envs.push(env);
        }
        let behavior = match self.text(map, "behavior", path).as_str() {
            "" => Behavior::Unspecified,
            "create" => Behavior::Create,
            "replace" => Behavior::Replace,
            "merge" => Behavior::Merge,
            other => {
                let message = format!("is `{other}`, expected `create`, `replace` or `merge`");
                self.wrong(&join(path, "behavior"), message);
                Behavior::Unspecified
            }
        };
        let name = self.text(map, "name", path);
        if name.is_empty() {
            self.wrong(path, "has no `name`");
        }
        Generator {
            name,
            namespace: self.text(map, "namespace", path),
            behavior,
            literals: self.strings(map, "literals", path),
            files: self.strings(map, "files", path),
            envs,
            kind_type: if secret { self.text(map, "type", path) } else { String::new() },
            options: Self::member(map, "options")
                .map(|node| self.options(node, &join(path, "options"))),
        }
    }

    fn options(&mut self, node: &Node, path: &str) -> Options {
        let known = ["labels", "annotations", "disableNameSuffixHash", "immutable"];
        let Some(map) = self.map(node, path, &known) else { return Options::default() };
        Options {
            labels: self.texts(map, "labels", path),
            annotations: self.texts(map, "annotations", path),
            no_hash: self.flag(map, "disableNameSuffixHash", path),
            immutable: self.flag(map, "immutable", path),
        }
    }

    fn sort(&mut self, node: &Node) -> Sort {
        let path = "sortOptions";
        let known = ["order", "legacySortOptions"];
        let Some(map) = self.map(node, path, &known) else { return Sort::Fifo };
        let order = self.text(map, "order", path);
        let lists = Self::member(map, "legacySortOptions");
        match (order.as_str(), lists) {
            ("fifo", None) => Sort::Fifo,
            ("legacy", None) => Sort::Default,
            ("legacy", Some(node)) => {
                let path = "sortOptions.legacySortOptions";
                let known = ["orderFirst", "orderLast"];
                let empty = Map::new();
                let map = self.map(node, path, &known).unwrap_or(&empty);
                Sort::Legacy {
                    first: self.strings(map, "orderFirst", path),
                    last: self.strings(map, "orderLast", path),
                }
            }
            ("fifo", Some(_)) => {
                self.wrong("sortOptions.legacySortOptions", "is for the order `legacy`");
                Sort::Fifo
            }
            _ => {
                self.wrong("sortOptions.order", "is neither `legacy` nor `fifo`");
                Sort::Fifo
            }
        }
    }

    fn replacement_field(&mut self, node: &Node, path: &str) -> ReplacementField {
        if let Some(file) = node.get("path").filter(|node| !node.is_null()) {
            if node.as_map().is_some_and(|map| map.len() > 1) {
                self.wrong(path, "has a `path` and more: it is one or the other");
            }
            return ReplacementField::File(self.as_text(file, &join(path, "path")));
        }
        ReplacementField::Inline(Box::new(self.replacement(node, path)))
    }

    fn replacement(&mut self, node: &Node, path: &str) -> Replacement {
        let known = ["source", "sourceValue", "targets"];
        let Some(map) = self.map(node, path, &known) else { return Replacement::default() };
        let source = Self::member(map, "source").map(|node| {
            let path = join(path, "source");
            let target = self.target(node, &path, &["fieldPath", "options"]);
            let empty = Map::new();
            let map = node.as_map().unwrap_or(&empty);
            let field_path = self.text(map, "fieldPath", &path);
            Source { target, field_path, options: self.field_options(map, &path) }
        });
        let out = Replacement {
            source,
            source_value: Self::member(map, "sourceValue")
                .map(|node| self.as_text(node, &join(path, "sourceValue"))),
            targets: self.all(map, "targets", path, Self::replacement_target),
        };
        match (&out.source, &out.source_value) {
            (Some(_), Some(_)) => self.wrong(path, "has both `source` and `sourceValue`"),
            (None, None) => self.wrong(path, "has no `source`"),
            _ => {}
        }
        if out.targets.is_empty() {
            self.wrong(path, "has no `targets`");
        }
        out
    }

    fn replacement_target(&mut self, node: &Node, path: &str) -> ReplacementTarget {
        let known = ["select", "reject", "fieldPaths", "options"];
        let Some(map) = self.map(node, path, &known) else { return ReplacementTarget::default() };
        let select =
            Self::member(map, "select").map(|node| self.target(node, &join(path, "select"), &[]));
        if select.is_none() {
            self.wrong(path, "has no `select`");
        }
        ReplacementTarget {
            select,
            reject: self
                .all(map, "reject", path, |reader, node, path| reader.target(node, path, &[])),
            field_paths: self.strings(map, "fieldPaths", path),
            options: self.field_options(map, path),
        }
    }

    fn field_options(&mut self, map: &Map, path: &str) -> FieldOptions {
        let path = join(path, "options");
        let Some(node) = Self::member(map, "options") else { return FieldOptions::default() };
        let known = ["delimiter", "index", "encoding", "create"];
        let Some(map) = self.map(node, &path, &known) else { return FieldOptions::default() };
        if map.contains_key("encoding") {
            self.wrong(&join(&path, "encoding"), "is not supported by kustomize either");
        }
        FieldOptions {
            delimiter: self.text(map, "delimiter", &path),
            index: self.number(map, "index", &path),
            create: self.flag(map, "create", &path),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
