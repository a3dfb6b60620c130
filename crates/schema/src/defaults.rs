//! What the API server does to a custom resource before it checks it: nulls go, defaults come.

use crate::arena::{Arena, Node, NodeId};
use crate::{STEPS_MAX, VALUE_DEPTH_MAX};
use serde_json::{Map, Value};

/// Whether there is a null anywhere.
pub(crate) fn has_null(value: &Value, levels: usize) -> bool {
    match value {
        Value::Null => true,
        _ if levels == 0 => false,
        Value::Array(items) => items.iter().any(|item| has_null(item, levels - 1)),
        Value::Object(map) => map.values().any(|value| has_null(value, levels - 1)),
        _ => false,
    }
}

/// Fills in the defaults of one object.
pub(crate) struct Defaults<'a> {
    arena: &'a Arena,
    steps: usize,
}

impl<'a> Defaults<'a> {
    pub(crate) fn new(arena: &'a Arena) -> Self {
        Self { arena, steps: 0 }
    }

    /// The object itself; its metadata and status are not the schema's.
    pub(crate) fn root(&mut self, id: NodeId, object: &mut Map<String, Value>) {
        let aside = ["metadata", "status"].map(|key| object.remove_entry(key));
        self.map(id, object, VALUE_DEPTH_MAX);
        for (key, value) in aside.into_iter().flatten() {
            object.insert(key, value);
        }
    }

    fn value(&mut self, id: NodeId, value: &mut Value, levels: usize) {
        self.steps += 1;
        if levels == 0 || self.steps > STEPS_MAX {
            return;
        }
        match value {
            Value::Object(map) => self.map(id, map, levels),
            Value::Array(items) => {
                let Some(node) = self.arena.node(id) else { return };
                for item in items {
                    self.value(node.items, item, levels - 1);
                }
            }
            _ => {}
        }
    }

    fn map(&mut self, id: NodeId, map: &mut Map<String, Value>, levels: usize) {
        let arena = self.arena;
        let Some(node) = arena.node(id) else { return };
        for (symbol, child) in arena.properties(node) {
            let name = arena.name(*symbol);
            let nullable = arena.node(*child).is_some_and(|node| node.is(Node::NULLABLE));
            match (map.get(name), arena.default_of(*child)) {
                (None, Some(default)) => {
                    map.insert(name.to_owned(), default.clone());
                }
                (Some(Value::Null), Some(default)) if !nullable => {
                    map.insert(name.to_owned(), default.clone());
                }
                (Some(Value::Null), None) if !nullable => {
                    map.remove(name);
                }
                _ => {}
            }
        }
        for (key, value) in map.iter_mut() {
            let child = arena.property(node, key).unwrap_or(node.additional);
            self.value(child, value, levels.saturating_sub(1));
        }
    }
}
