//! The compiled form: nodes in one vector, property names interned, everything else by index.
//!
//! A node takes 28 bytes; what few nodes have (bounds, patterns, alternatives) stands aside. The
//! kinds of one document that are compiled together share their nodes, so that the pod template of
//! Deployments, Jobs and so on is there once.

use crate::format::Format;
use crate::pattern::Pattern;
use serde_json::Value;

/// An index that points nowhere.
pub(crate) const NONE: u32 = u32::MAX;

/// Index of a node.
pub(crate) type NodeId = u32;
/// Index of a property's name.
pub(crate) type Symbol = u32;

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
    Quantity,
}

/// One place of a schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) format: Format,
    pub(crate) flags: u16,
    pub(crate) properties: u32,
    pub(crate) properties_len: u32,
    /// The schema of values under other keys.
    pub(crate) additional: NodeId,
    pub(crate) items: NodeId,
    /// Index of what few nodes have.
    pub(crate) extra: u32,
}

impl Node {
    pub(crate) const NULLABLE: u16 = 1;
    /// Keys that the schema does not name are allowed.
    pub(crate) const OPEN: u16 = 2;
    /// A whole Kubernetes object stands here.
    pub(crate) const EMBEDDED: u16 = 4;
    pub(crate) const LIST_MAP: u16 = 8;
    pub(crate) const LIST_SET: u16 = 16;
    pub(crate) const UNIQUE: u16 = 32;

    pub(crate) fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            kind: Kind::Any,
            format: Format::None,
            flags: 0,
            properties: 0,
            properties_len: 0,
            additional: NONE,
            items: NONE,
            extra: NONE,
        }
    }
}

/// A lower or upper limit of a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) value: f64,
    pub(crate) exclusive: bool,
}

/// What few nodes have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) minimum: Option<Limit>,
    pub(crate) maximum: Option<Limit>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) length: Bounds,
    pub(crate) items: Bounds,
    pub(crate) properties: Bounds,
    /// Index of a pattern.
    pub(crate) pattern: Option<u32>,
    pub(crate) values: Vec<Value>,
    pub(crate) required: Vec<Symbol>,
    pub(crate) list_keys: Vec<Symbol>,
    /// Definitions that hold as they stand, unknown fields included.
    pub(crate) same_as: Vec<NodeId>,
    pub(crate) all_of: Vec<NodeId>,
    pub(crate) any_of: Vec<NodeId>,
    pub(crate) one_of: Vec<NodeId>,
    pub(crate) not: Option<NodeId>,
    pub(crate) default: Option<Value>,
}

/// The least and the greatest count.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) min: Option<u64>,
    pub(crate) max: Option<u64>,
}

/// Compiled schemas.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) nodes: Vec<Node>,
    /// Of each node a run, sorted by name.
    pub(crate) properties: Vec<(Symbol, NodeId)>,
    pub(crate) names: Vec<Box<str>>,
    pub(crate) extras: Vec<Extra>,
    pub(crate) patterns: Vec<Pattern>,
}

impl Arena {
    pub(crate) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    pub(crate) fn extra(&self, node: &Node) -> Option<&Extra> {
        self.extras.get(node.extra as usize)
    }

    pub(crate) fn name(&self, symbol: Symbol) -> &str {
        self.names.get(symbol as usize).map_or("", AsRef::as_ref)
    }

    pub(crate) fn properties(&self, node: &Node) -> &[(Symbol, NodeId)] {
        let start = node.properties as usize;
        self.properties.get(start..start + node.properties_len as usize).unwrap_or_default()
    }

    /// The node of a property.
    pub(crate) fn property(&self, node: &Node, name: &str) -> Option<NodeId> {
        let properties = self.properties(node);
        let at = properties.binary_search_by(|(symbol, _)| self.name(*symbol).cmp(name)).ok()?;
        properties.get(at).map(|(_, id)| *id)
    }

    /// The default of a property, where it has one.
    pub(crate) fn default_of(&self, id: NodeId) -> Option<&Value> {
        self.extra(self.node(id)?)?.default.as_ref()
    }

    /// What it takes in memory, in bytes, without the regular expressions.
    pub(crate) fn len_bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len() + size_of::<Box<str>>()).sum();
        self.nodes.capacity() * size_of::<Node>()
            + self.properties.capacity() * size_of::<(Symbol, NodeId)>()
            + self.extras.capacity() * size_of::<Extra>()
            + names
    }

    pub(crate) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        self.properties.shrink_to_fit();
        self.names.shrink_to_fit();
        self.extras.shrink_to_fit();
        self.patterns.shrink_to_fit();
    }
}
