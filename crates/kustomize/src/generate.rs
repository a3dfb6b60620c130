//! ConfigMaps and Secrets from files, literals and env files, and the hash of their content.

use crate::gojson;
use crate::node::{Map, Node, Scalar, Tag};
use crate::resource::Resource;
use crate::spec::{Generator, Options};
use base64::Engine as _;
use objects::Origin;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Characters of a line of base64.
const BASE64_LINE: usize = 70;
/// Characters of a hash in a name.
const HASH_CHARS: usize = 10;
/// A longer line of an env file is refused; kustomize would stop reading there.
pub(crate) const ENV_LINE_BYTES_MAX: usize = 64 * 1024 - 1;

/// Reads a file that a generator names, by its path as written.
pub(crate) type Load<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, Failure>;

/// Why nothing was made.
pub(crate) enum Failure {
    /// The file could not be had.
    File(Box<crate::KustomizeError>),
    /// The generator is wrong, in words.
    Generator(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Generator(message)
    }
}

/// Makes the object of a generator.
pub(crate) fn make(
    generator: &Generator,
    global: Option<&Options>,
    secret: bool,
    origin: Origin,
    load: Load<'_>,
) -> Result<Resource, Failure> {
    let options = merged(generator.options.clone(), global);
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), Node::string(&generator.name));
    if !generator.namespace.is_empty() {
        metadata.insert("namespace".to_owned(), Node::string(&generator.namespace));
    }
    let mut map = Map::new();
    map.insert("apiVersion".to_owned(), Node::string("v1"));
    let kind = if secret { "Secret" } else { "ConfigMap" };
    map.insert("kind".to_owned(), Node::string(kind));
    if secret {
        let kind_type = match generator.kind_type.as_str() {
            "" => "Opaque",
            other => other,
        };
        map.insert("type".to_owned(), Node::string(kind_type));
        map.insert("data".to_owned(), Node::map());
    }
    for (key, value) in pairs(generator, load)? {
        let (field, text) = match std::str::from_utf8(&value) {
            Ok(text) if !secret => ("data", text.to_owned()),
            _ if secret => ("data", base64_lines(&value)),
            _ => ("binaryData", base64_lines(&value)),
        };
        let slot = map.entry(field.to_owned()).or_insert_with(Node::map);
        let name = &generator.name;
        let previous =
            slot.as_map_mut().and_then(|map| map.insert(key.clone(), Node::string(text)));
        if previous.is_some() {
            return Err(format!("{kind} {name} has the key `{key}` twice").into());
        }
    }
    if let Some(options) = &options {
        for (field, texts) in [("labels", &options.labels), ("annotations", &options.annotations)] {
            if !texts.is_empty() {
                let pairs = texts.iter().map(|(key, value)| (key.clone(), Node::string(value)));
                metadata.insert(field.to_owned(), Node::Map(pairs.collect()));
            }
        }
        if options.immutable {
            let value = Scalar { text: "true".to_owned(), tag: Tag::Bool, quoted: false };
            map.insert("immutable".to_owned(), Node::Scalar(value));
        }
    }
    map.insert("metadata".to_owned(), Node::Map(metadata));
    let mut resource = Resource::new(Node::Map(map), origin);
    resource.behavior = generator.behavior;
    resource.needs_hash = options.is_none_or(|options| !options.no_hash);
    Ok(resource)
}

/// The generator's own options, completed by those of all generators.
fn merged(own: Option<Options>, global: Option<&Options>) -> Option<Options> {
    let Some(global) = global else { return own };
    let mut own = own.unwrap_or_default();
    for (texts, more) in
        [(&mut own.labels, &global.labels), (&mut own.annotations, &global.annotations)]
    {
        for (key, value) in more {
            texts.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    own.no_hash |= global.no_hash;
    own.immutable |= global.immutable;
    Some(own)
}

/// Keys and values, those of env files first, then literals, then files.
fn pairs(generator: &Generator, load: Load<'_>) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut out = Vec::new();
    for path in &generator.envs {
        env_file(path, &load(path)?, &mut out)?;
    }
    for literal in &generator.literals {
        let pair = literal.split_once('=').filter(|(key, _)| !key.is_empty());
        // The value may be a secret: it is not repeated.
        let (key, value) = pair.ok_or_else(|| {
            format!("a literal of {} is not of the form key=value", generator.name)
        })?;
        out.push((key.to_owned(), unquoted(value).as_bytes().to_vec()));
    }
    for source in &generator.files {
        let mut parts = source.split('=');
        let (key, path) = match (parts.next(), parts.next(), parts.next()) {
            (Some(path), None, _) => {
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                (name, path)
            }
            (Some(key), Some(path), None) if !key.is_empty() && !path.is_empty() => (key, path),
            _ => return Err(format!("`{source}` is not of the form key=path").into()),
        };
        out.push((key.to_owned(), load(path)?));
    }
    Ok(out)
}

fn env_file(path: &str, bytes: &[u8], out: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let lines = bytes.split(|byte| *byte == b'\n');
    for (index, line) in lines.enumerate() {
        let number = index + 1;
        if line.len() > ENV_LINE_BYTES_MAX {
            return Err(format!(
                "line {number} of {path} has more than {ENV_LINE_BYTES_MAX} bytes"
            )
            .into());
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line)
            .map_err(|_| format!("line {number} of {path} is not UTF-8"))?;
        let text = if index == 0 { text.trim_start_matches('\u{feff}') } else { text };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if !key.is_empty() {
            out.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(())
}

/// A value without the quotes around it.
fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    text
}

/// Base64, in lines when it is long.
fn base64_lines(bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    if text.len() < BASE64_LINE {
        return text;
    }
    let mut out = String::with_capacity(text.len() + text.len() / BASE64_LINE + 1);
    for (index, c) in text.chars().enumerate() {
        if index > 0 && index.is_multiple_of(BASE64_LINE) {
            out.push('\n');
        }
        out.push(c);
    }
    out.push('\n');
    out
}

/// The hash of an object's content that is put behind its name.
pub(crate) fn hash(resource: &Resource) -> Result<String, String> {
    let member = |key: &str| match resource.node.get(key) {
        None => Ok(Value::String(String::new())),
        Some(Node::Scalar(scalar)) => Ok(Value::String(scalar.text.clone())),
        Some(node) => node.to_json(),
    };
    let kind = resource.kind();
    let mut value = json!({ "kind": kind, "name": "", "data": member("data")? });
    let (more, secret) = match kind {
        "Secret" => ("stringData", true),
        _ => ("binaryData", false),
    };
    if let Value::Object(map) = &mut value {
        if secret {
            map.insert("type".to_owned(), member("type")?);
        }
        let extra = member(more)?;
        if extra.is_object() {
            map.insert(more.to_owned(), extra);
        }
    }
    let digest = Sha256::digest(gojson::compact(&value));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let letter = |c: char| match c {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        c => c,
    };
    Ok(hex.chars().take(HASH_CHARS).map(letter).collect())
}
