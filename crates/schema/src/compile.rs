//! From documents to the arena: only what a kind can reach, each definition once.

use crate::arena::{Arena, Bounds, Extra, Kind, Limit, NONE, Node, NodeId, Symbol};
use crate::error::SchemaError;
use crate::format::Format;
use crate::pattern::Pattern;
use crate::raw::{RawAdditional, RawSchema};
use crate::required;
use crate::{DEPTH_MAX, Dialect, NODES_MAX};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};

/// How a reference to another definition begins.
const REFERENCE: &str = "#/components/schemas/";
/// Definitions whose values are decoded by code of their own.
const DECODED: [(&str, Kind); 2] = [
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", Kind::Quantity),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", Kind::IntOrString),
];

/// Definitions by name, as text.
pub(crate) type Definitions<'a> = BTreeMap<String, &'a RawValue>;

/// A compilation under way.
pub(crate) struct Compiler<'a> {
    definitions: &'a Definitions<'a>,
    dialect: Dialect,
    arena: Arena,
    symbols: HashMap<Box<str>, Symbol>,
    patterns: HashMap<Box<str>, u32>,
    /// Definitions that have a node, compiled or still waiting.
    known: HashMap<String, NodeId>,
    waiting: Vec<(String, NodeId)>,
    rules: usize,
    defaults: bool,
    /// The lists of words of the property under way are not enforced by the server.
    unlisted: bool,
}

/// What came of it.
pub(crate) struct Compiled {
    pub(crate) arena: Arena,
    pub(crate) rules: usize,
    pub(crate) defaults: bool,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(definitions: &'a Definitions<'a>, dialect: Dialect) -> Self {
        Self {
            definitions,
            dialect,
            arena: Arena::default(),
            symbols: HashMap::new(),
            patterns: HashMap::new(),
            known: HashMap::new(),
            waiting: Vec::new(),
            rules: 0,
            defaults: false,
            unlisted: false,
        }
    }

    /// The node of a definition with everything that it reaches.
    pub(crate) fn definition(&mut self, name: &str) -> Result<NodeId, SchemaError> {
        let id = self.named(name)?;
        while let Some((name, id)) = self.waiting.pop() {
            let text = self.definitions.get(&name).map(|raw| raw.get());
            let Some(text) = text else { return Err(SchemaError::Dangling { name }) };
            let raw: RawSchema = serde_json::from_str(text)
                .map_err(|source| SchemaError::Definition { name: name.clone(), source })?;
            self.fill(id, &raw, &name, 0)?;
        }
        Ok(id)
    }

    /// The node of a schema that is at hand.
    pub(crate) fn schema(&mut self, raw: &RawSchema) -> Result<NodeId, SchemaError> {
        self.node(raw, "", 0)
    }

    pub(crate) fn finish(mut self) -> Compiled {
        self.arena.shrink();
        Compiled { arena: self.arena, rules: self.rules, defaults: self.defaults }
    }

    fn named(&mut self, name: &str) -> Result<NodeId, SchemaError> {
        if let Some(id) = self.known.get(name) {
            return Ok(*id);
        }
        let id = self.add()?;
        self.known.insert(name.to_owned(), id);
        self.waiting.push((name.to_owned(), id));
        Ok(id)
    }

    fn add(&mut self) -> Result<NodeId, SchemaError> {
        if self.arena.nodes.len() >= NODES_MAX {
            return Err(SchemaError::TooLarge);
        }
        let id = u32::try_from(self.arena.nodes.len()).map_err(|_| SchemaError::TooLarge)?;
        self.arena.nodes.push(Node::default());
        Ok(id)
    }

    fn reference(&mut self, reference: &str) -> Result<NodeId, SchemaError> {
        match reference.strip_prefix(REFERENCE) {
            Some(name) => self.named(name),
            None => Err(SchemaError::Dangling { name: reference.to_owned() }),
        }
    }

    /// `owner` is the definition whose own properties these are, else empty.
    fn node(&mut self, raw: &RawSchema, owner: &str, depth: usize) -> Result<NodeId, SchemaError> {
        // Custom resources refer to nothing but ObjectMeta, which is checked by hand.
        if let (Dialect::Decoded, Some(reference)) = (self.dialect, raw.alias()) {
            return self.reference(reference);
        }
        let id = self.add()?;
        self.fill(id, raw, owner, depth)?;
        Ok(id)
    }

    fn fill(
        &mut self,
        id: NodeId,
        raw: &RawSchema,
        owner: &str,
        depth: usize,
    ) -> Result<(), SchemaError> {
        if depth > DEPTH_MAX {
            return Err(SchemaError::TooDeep);
        }
        let decoded = DECODED.iter().find(|(name, _)| *name == owner);
        if let Some((_, kind)) = decoded {
            return self.set(id, Node { kind: *kind, ..Node::default() });
        }
        self.rules = self.rules.saturating_add(raw.rules.len());
        let mut children = Vec::with_capacity(raw.properties.len());
        for (name, property) in &raw.properties {
            self.unlisted = self.dialect == Dialect::Decoded && !required::is_listed(owner, name);
            let child = self.node(property, "", depth + 1)?;
            self.unlisted = false;
            children.push((self.symbol(name)?, child));
        }
        let properties = index(self.arena.properties.len())?;
        let properties_len = index(children.len())?;
        self.arena.properties.append(&mut children);
        let additional = match &raw.additional_properties {
            Some(RawAdditional::Schema(schema)) => self.node(schema, "", depth + 1)?,
            _ => NONE,
        };
        let items = match &raw.items {
            Some(schema) => self.node(schema, "", depth + 1)?,
            None => NONE,
        };
        let extra = self.extra(raw, owner, depth)?;
        let format = raw.format.as_deref().map_or(Format::None, |name| match self.dialect {
            Dialect::Decoded => Format::decoded(name),
            Dialect::Structural => Format::structural(name),
        });
        let flags = self.flags(raw);
        let kind = kind(raw);
        self.set(
            id,
            Node { kind, format, flags, properties, properties_len, additional, items, extra },
        )
    }

    fn set(&mut self, id: NodeId, node: Node) -> Result<(), SchemaError> {
        let slot = self.arena.nodes.get_mut(id as usize).ok_or(SchemaError::TooLarge)?;
        *slot = node;
        Ok(())
    }

    fn flags(&self, raw: &RawSchema) -> u16 {
        let free = match (&raw.additional_properties, self.dialect) {
            (Some(RawAdditional::Verdict(verdict)), _) => *verdict,
            (Some(RawAdditional::Schema(_)), _) => true,
            // A Go type that is decoded by code of its own is published without properties; and of
            // a custom resource the server drops what is in a map without any without a word.
            (None, _) => raw.properties.is_empty(),
        };
        let list = |name: &str| raw.list_type.as_deref() == Some(name);
        [
            (raw.nullable, Node::NULLABLE),
            (raw.preserve_unknown || free, Node::OPEN),
            (raw.embedded_resource, Node::EMBEDDED),
            (list("map"), Node::LIST_MAP),
            (list("set"), Node::LIST_SET),
            (raw.unique_items, Node::UNIQUE),
        ]
        .iter()
        .filter(|(set, _)| *set)
        .fold(0, |flags, (_, flag)| flags | flag)
    }

    /// What few nodes have; [`NONE`] when this one has nothing of it.
    fn extra(&mut self, raw: &RawSchema, owner: &str, depth: usize) -> Result<u32, SchemaError> {
        let limit = |value: Option<f64>, exclusive| value.map(|value| Limit { value, exclusive });
        let required = raw.required.iter().filter(|field| match self.dialect {
            Dialect::Structural => true,
            Dialect::Decoded => required::is_enforced(owner, field),
        });
        let required: Vec<&String> = required.collect();
        let default = raw.default.as_ref().filter(|default| match self.dialect {
            Dialect::Structural => true,
            // Only keys of lists matter, and these are scalars.
            Dialect::Decoded => !default.is_object() && !default.is_array(),
        });
        self.defaults |= default.is_some();
        let mut extra = Extra {
            minimum: limit(raw.minimum, raw.exclusive_minimum),
            maximum: limit(raw.maximum, raw.exclusive_maximum),
            multiple_of: raw.multiple_of,
            length: Bounds { min: raw.min_length, max: raw.max_length },
            items: Bounds { min: raw.min_items, max: raw.max_items },
            properties: Bounds { min: raw.min_properties, max: raw.max_properties },
            values: if self.unlisted { Vec::new() } else { raw.values.clone() },
            default: default.cloned(),
            ..Extra::default()
        };
        for name in required {
            extra.required.push(self.symbol(name)?);
        }
        for name in &raw.list_keys {
            extra.list_keys.push(self.symbol(name)?);
        }
        if let Some(pattern) = &raw.pattern {
            extra.pattern = Some(self.pattern(pattern)?);
        }
        if let (Dialect::Decoded, Some(reference)) = (self.dialect, &raw.reference) {
            extra.same_as.push(self.reference(reference)?);
        }
        extra.all_of = self.nodes(&raw.all_of, depth)?;
        extra.any_of = self.nodes(&raw.any_of, depth)?;
        extra.one_of = self.nodes(&raw.one_of, depth)?;
        if let Some(not) = &raw.not {
            extra.not = Some(self.node(not, "", depth + 1)?);
        }
        if extra.is_empty() {
            return Ok(NONE);
        }
        let at = index(self.arena.extras.len())?;
        self.arena.extras.push(extra);
        Ok(at)
    }

    fn nodes(&mut self, all: &[RawSchema], depth: usize) -> Result<Vec<NodeId>, SchemaError> {
        all.iter().map(|raw| self.node(raw, "", depth + 1)).collect()
    }

    fn symbol(&mut self, name: &str) -> Result<Symbol, SchemaError> {
        if let Some(symbol) = self.symbols.get(name) {
            return Ok(*symbol);
        }
        let symbol = index(self.arena.names.len())?;
        self.arena.names.push(name.into());
        self.symbols.insert(name.into(), symbol);
        Ok(symbol)
    }

    fn pattern(&mut self, source: &str) -> Result<u32, SchemaError> {
        if let Some(at) = self.patterns.get(source) {
            return Ok(*at);
        }
        let at = index(self.arena.patterns.len())?;
        self.arena.patterns.push(Pattern::new(source));
        self.patterns.insert(source.into(), at);
        Ok(at)
    }
}

impl Extra {
    fn is_empty(&self) -> bool {
        let bounds = |bounds: &Bounds| bounds.min.is_none() && bounds.max.is_none();
        self.minimum.is_none()
            && self.maximum.is_none()
            && self.multiple_of.is_none()
            && bounds(&self.length)
            && bounds(&self.items)
            && bounds(&self.properties)
            && self.pattern.is_none()
            && self.values.is_empty()
            && self.required.is_empty()
            && self.list_keys.is_empty()
            && self.same_as.is_empty()
            && self.all_of.is_empty()
            && self.any_of.is_empty()
            && self.one_of.is_empty()
            && self.not.is_none()
            && self.default.is_none()
    }
}

fn kind(raw: &RawSchema) -> Kind {
    if raw.int_or_string {
        return Kind::IntOrString;
    }
    match raw.kind.as_deref() {
        Some("object") => Kind::Object,
        Some("array") => Kind::Array,
        Some("string") if raw.format.as_deref() == Some("int-or-string") => Kind::IntOrString,
        Some("string") => Kind::String,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        _ => Kind::Any,
    }
}

fn index(length: usize) -> Result<u32, SchemaError> {
    u32::try_from(length).ok().filter(|index| *index != NONE).ok_or(SchemaError::TooLarge)
}

/// Whether a value is nested at most so deep; looks no deeper than that.
pub(crate) fn is_shallow(value: &Value, levels: usize) -> bool {
    let below = |inner: &Value| levels > 0 && is_shallow(inner, levels - 1);
    match value {
        Value::Array(items) => items.iter().all(below),
        Value::Object(map) => map.values().all(below),
        _ => true,
    }
}
