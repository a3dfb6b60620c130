//! Documents in, schemas out, by group, version and kind exactly.

use crate::compile::{Compiler, Definitions, is_shallow};
use crate::error::SchemaError;
use crate::metadata::NameRule;
use crate::raw::RawSchema;
use crate::{DEPTH_MAX, Dialect, Schema};
use objects::{GroupVersionKind, Object};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The extension by which a definition says which kinds it is.
const KINDS: &str = "x-kubernetes-group-version-kind";

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    components: Components<'a>,
}

#[derive(Deserialize, Default)]
struct Components<'a> {
    #[serde(borrow, default)]
    schemas: Definitions<'a>,
}

/// A definition's kinds and nothing else of it.
#[derive(Deserialize)]
struct Peek {
    #[serde(rename = "x-kubernetes-group-version-kind", default)]
    kinds: Vec<PeekKind>,
}

#[derive(Deserialize)]
struct PeekKind {
    #[serde(default)]
    group: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    kind: String,
}

/// Compiles kinds of one OpenAPI v3 document. A kind that the document does not define is not in
/// the result; one that cannot be compiled is there with its reason. The text can be dropped
/// afterwards.
///
/// # Errors
/// [`SchemaError::Document`].
pub fn compile(
    text: &[u8],
    kinds: &[GroupVersionKind],
) -> Result<BTreeMap<GroupVersionKind, Result<Schema, SchemaError>>, SchemaError> {
    let document: Document<'_> = serde_json::from_slice(text).map_err(SchemaError::Document)?;
    let definitions = document.components.schemas;
    let mut found: BTreeMap<GroupVersionKind, Result<&str, SchemaError>> = BTreeMap::new();
    for (name, raw) in &definitions {
        if !raw.get().contains(KINDS) {
            continue;
        }
        let peek: Peek = serde_json::from_str(raw.get())
            .map_err(|source| SchemaError::Definition { name: name.clone(), source })?;
        for PeekKind { group, version, kind } in peek.kinds {
            let gvk = GroupVersionKind { group, version, kind };
            if !kinds.contains(&gvk) {
                continue;
            }
            let entry = match found.remove(&gvk) {
                Some(Ok(first)) if first != name => Err(SchemaError::Ambiguous {
                    gvk: gvk.clone(),
                    first: first.to_owned(),
                    second: name.clone(),
                }),
                Some(Err(error)) => Err(error),
                _ => Ok(name.as_str()),
            };
            found.insert(gvk, entry);
        }
    }
    Ok(schemas(&definitions, found))
}

/// Built-in kinds share an arena; one that fails must not take the others with it.
fn schemas(
    definitions: &Definitions<'_>,
    found: BTreeMap<GroupVersionKind, Result<&str, SchemaError>>,
) -> BTreeMap<GroupVersionKind, Result<Schema, SchemaError>> {
    let mut result = BTreeMap::new();
    for dialect in [Dialect::Decoded, Dialect::Structural] {
        let mut compiler = Compiler::new(definitions, dialect);
        let mut roots = Vec::new();
        for (gvk, name) in &found {
            let Ok(name) = name else { continue };
            if dialect_of(name, gvk) != dialect {
                continue;
            }
            match compiler.definition(name) {
                Ok(root) => {
                    roots.push((gvk.clone(), root));
                    // Custom resources share nothing, and each counts its own rules.
                    if dialect == Dialect::Structural {
                        finish(&mut result, compiler, std::mem::take(&mut roots), dialect);
                        compiler = Compiler::new(definitions, dialect);
                    }
                }
                Err(error) => {
                    result.insert(gvk.clone(), Err(error));
                    // What was half compiled stays behind; the next kind begins anew.
                    finish(&mut result, compiler, std::mem::take(&mut roots), dialect);
                    compiler = Compiler::new(definitions, dialect);
                }
            }
        }
        finish(&mut result, compiler, roots, dialect);
    }
    for (gvk, name) in found {
        if let Err(error) = name {
            result.insert(gvk, Err(error));
        }
    }
    result
}

fn finish(
    result: &mut BTreeMap<GroupVersionKind, Result<Schema, SchemaError>>,
    compiler: Compiler<'_>,
    roots: Vec<(GroupVersionKind, u32)>,
    dialect: Dialect,
) {
    let compiled = compiler.finish();
    let arena = Arc::new(compiled.arena);
    for (gvk, root) in roots {
        let schema = Schema {
            name_rule: NameRule::of(&gvk, dialect == Dialect::Structural),
            gvk: gvk.clone(),
            arena: arena.clone(),
            root,
            dialect,
            rules: compiled.rules,
            defaults: compiled.defaults,
        };
        result.insert(gvk, Ok(schema));
    }
}

/// The server names the definition of a custom resource by its group backwards, its version and
/// its kind; definitions of Go types have names of their own.
fn dialect_of(name: &str, gvk: &GroupVersionKind) -> Dialect {
    let mut parts: Vec<&str> = gvk.group.split('.').rev().collect();
    parts.extend([gvk.version.as_str(), gvk.kind.as_str()]);
    match name == parts.join(".") {
        true => Dialect::Structural,
        false => Dialect::Decoded,
    }
}

/// The schemas of the versions that a CustomResourceDefinition serves. A version without a schema
/// is not in the result.
///
/// # Errors
/// [`SchemaError`]; the server will refuse the definition for its own reasons.
pub fn of_definition(definition: &Object) -> Result<Vec<Schema>, SchemaError> {
    let text = |path: &[&str]| definition.str_at(path).map(str::to_owned);
    let parts = (text(&["spec", "group"]), text(&["spec", "names", "kind"]));
    let versions = definition.at(&["spec", "versions"]).and_then(Value::as_array);
    let ("CustomResourceDefinition", (Some(group), Some(kind)), Some(versions)) =
        (definition.kind(), parts, versions)
    else {
        return Err(SchemaError::NotADefinition);
    };
    let mut schemas = Vec::new();
    for version in versions {
        let served = version.get("served").and_then(Value::as_bool) != Some(false);
        let name = version.get("name").and_then(Value::as_str);
        let value = version.pointer("/schema/openAPIV3Schema");
        let (true, Some(name), Some(value)) = (served, name, value) else { continue };
        let gvk =
            GroupVersionKind { group: group.clone(), version: name.into(), kind: kind.clone() };
        schemas.push(structural(gvk, value)?);
    }
    Ok(schemas)
}

fn structural(gvk: GroupVersionKind, value: &Value) -> Result<Schema, SchemaError> {
    // Each level of a schema is at most two of the document: `properties` and the property.
    if !is_shallow(value, 2 * DEPTH_MAX) {
        return Err(SchemaError::TooDeep);
    }
    let raw = RawSchema::deserialize(value)
        .map_err(|source| SchemaError::Definition { name: gvk.to_string(), source })?;
    let none = Definitions::new();
    let mut compiler = Compiler::new(&none, Dialect::Structural);
    let root = compiler.schema(&raw)?;
    let compiled = compiler.finish();
    Ok(Schema {
        name_rule: NameRule::of(&gvk, true),
        gvk,
        arena: Arc::new(compiled.arena),
        root,
        dialect: Dialect::Structural,
        rules: compiled.rules,
        defaults: compiled.defaults,
    })
}
