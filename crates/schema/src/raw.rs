//! A schema as it is written in OpenAPI v3 documents and CRDs, before it is compiled.
//!
//! One is in memory only while its definition is compiled. What says nothing about validity
//! (descriptions, examples) is skipped while reading.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The keywords that decide what is valid.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawSchema {
    #[serde(rename = "$ref")]
    pub(crate) reference: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Value>,
    pub(crate) properties: BTreeMap<String, RawSchema>,
    pub(crate) additional_properties: Option<RawAdditional>,
    pub(crate) items: Option<Box<RawSchema>>,
    pub(crate) required: Vec<String>,
    #[serde(rename = "enum")]
    pub(crate) values: Vec<Value>,
    pub(crate) all_of: Vec<RawSchema>,
    pub(crate) any_of: Vec<RawSchema>,
    pub(crate) one_of: Vec<RawSchema>,
    pub(crate) not: Option<Box<RawSchema>>,
    pub(crate) pattern: Option<String>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub(crate) preserve_unknown: bool,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    pub(crate) embedded_resource: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub(crate) int_or_string: bool,
    #[serde(rename = "x-kubernetes-list-type")]
    pub(crate) list_type: Option<String>,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub(crate) list_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-validations")]
    pub(crate) rules: Vec<serde::de::IgnoredAny>,
}

/// `additionalProperties`: a verdict or a schema.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawAdditional {
    Verdict(bool),
    Schema(Box<RawSchema>),
}

impl RawSchema {
    /// The definition that this is another name of: a bare `$ref`, or the `allOf` of one `$ref`
    /// that OpenAPI needs to put a default or a description beside it.
    pub(crate) fn alias(&self) -> Option<&str> {
        let bare = self.kind.is_none() && self.properties.is_empty() && self.values.is_empty();
        match (&self.reference, self.all_of.as_slice()) {
            (Some(name), []) if bare => Some(name),
            (None, [only]) if bare && self.any_of.is_empty() && self.one_of.is_empty() => {
                only.alias()
            }
            _ => None,
        }
    }
}
