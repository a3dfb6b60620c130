//! What a kustomization file says, as types. `spec/read.rs` fills them from a parsed file.

mod read;

use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::image::Image;
use crate::resource::Behavior;
use std::collections::BTreeMap;

pub(crate) use read::{read, read_replacements};

/// Text by text, as labels have it.
pub(crate) type Texts = BTreeMap<String, String>;

/// What a kustomization file says.
#[derive(Debug, Default)]
pub(crate) struct Kustomization {
    pub(crate) is_component: bool,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) namespace: String,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) common_labels: Texts,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: Texts,
    pub(crate) patches_strategic: Vec<String>,
    pub(crate) patches_json: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) replicas: Vec<(String, i64)>,
    pub(crate) config_maps: Vec<Generator>,
    pub(crate) secrets: Vec<Generator>,
    pub(crate) options: Option<Options>,
    pub(crate) sort: Option<Sort>,
}

#[derive(Debug, Default)]
pub(crate) struct Label {
    pub(crate) pairs: Texts,
    pub(crate) selectors: bool,
    pub(crate) templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// A patch, inline or in a file.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Target>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

/// Which objects are meant; empty parts are open.
#[derive(Debug, Default, Clone)]
pub(crate) struct Target {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: String,
    pub(crate) annotations: String,
}

#[derive(Debug, Default)]
pub(crate) struct Generator {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: Behavior,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) kind_type: String,
    pub(crate) options: Option<Options>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Options {
    pub(crate) labels: Texts,
    pub(crate) annotations: Texts,
    pub(crate) no_hash: bool,
    pub(crate) immutable: bool,
}

/// The order of the output.
#[derive(Debug, Clone)]
pub(crate) enum Sort {
    Fifo,
    Legacy {
        first: Vec<String>,
        last: Vec<String>,
    },
    /// Legacy with the built-in lists.
    Default,
}

/// A replacement, or the file that holds some.
#[derive(Debug)]
pub(crate) enum ReplacementField {
    Inline(Box<Replacement>),
    File(String),
}

#[derive(Debug, Default)]
pub(crate) struct Replacement {
    pub(crate) source: Option<Source>,
    pub(crate) source_value: Option<String>,
    pub(crate) targets: Vec<ReplacementTarget>,
}

#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) target: Target,
    pub(crate) field_path: String,
    pub(crate) options: FieldOptions,
}

#[derive(Debug, Default)]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Target>,
    pub(crate) reject: Vec<Target>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: FieldOptions,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) create: bool,
}
