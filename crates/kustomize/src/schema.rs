//! What kustomize 5.8 knows of the built-in kinds: which lists are merged by which keys, and which
//! kinds have no namespace.
//!
//! The table is what its own schema (Kubernetes 1.21) says, reduced to the lists with a merge
//! strategy and the way to them. Kinds that are not in it are merged as plain JSON, as there.
//!
//! `= API_VERSION KIND TYPE` is a root; `+ TYPE FIELD:HOW ...` a type, where HOW is `@TYPE` a map
//! of that type, `[]TYPE` a list that is replaced, `{}TYPE` a map of such maps, `[KEYS]TYPE` a
//! list that is merged by keys and `[*]` one of scalars; `- API_VERSION KIND` has no namespace.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

const TABLE: &str = include_str!("schema.txt");

/// A type of the table.
pub(crate) type Type = &'static HashMap<&'static str, Field>;

/// How a field is merged.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    /// A map of a type.
    Map(&'static str),
    /// A map whose values are maps of a type.
    Values(&'static str),
    /// A list that is replaced.
    List,
    /// A list that is merged: keys (none for scalars) and the members' type.
    Merged(Vec<&'static str>, &'static str),
}

struct Table {
    roots: HashMap<(&'static str, &'static str), &'static str>,
    types: HashMap<&'static str, HashMap<&'static str, Field>>,
    cluster: HashSet<(&'static str, &'static str)>,
}

/// The type of an object.
pub(crate) fn root(api_version: &str, kind: &str) -> Option<Type> {
    let table = table();
    table.types.get(table.roots.get(&(api_version, kind))?)
}

/// A type by its name in the table.
pub(crate) fn named(name: &str) -> Option<Type> {
    table().types.get(name)
}

/// Whether a kind is known to have no namespace.
pub(crate) fn is_cluster_scoped(api_version: &str, kind: &str) -> bool {
    table().cluster.contains(&(api_version, kind))
}

fn table() -> &'static Table {
    static PARSED: OnceLock<Table> = OnceLock::new();
    PARSED.get_or_init(parse)
}

fn parse() -> Table {
    let mut table = Table { roots: HashMap::new(), types: HashMap::new(), cluster: HashSet::new() };
    for line in TABLE.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("="), Some(api_version), Some(kind), Some(name)) => {
                table.roots.insert((api_version, kind), name);
            }
            (Some("-"), Some(api_version), Some(kind), None) => {
                table.cluster.insert((api_version, kind));
            }
            (Some("+"), Some(name), _, _) => {
                let fields = line.split(' ').skip(2).filter_map(field).collect();
                table.types.insert(name, fields);
            }
            _ => {}
        }
    }
    table
}

fn field(word: &'static str) -> Option<(&'static str, Field)> {
    let (name, how) = word.split_once(':')?;
    let field = if let Some(target) = how.strip_prefix('@') {
        Field::Map(target)
    } else if let Some(target) = how.strip_prefix("{}") {
        Field::Values(target)
    } else if how.starts_with("[]") {
        Field::List
    } else {
        let (keys, target) = how.strip_prefix('[')?.split_once(']')?;
        let keys = keys.split(',').filter(|key| *key != "*").collect();
        Field::Merged(keys, target)
    };
    Some((name, field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_merged_by_port_and_protocol_and_nodes_have_no_namespace() {
        let Some(Field::Merged(keys, _)) = named("Container").and_then(|t| t.get("ports")) else {
            panic!("containers have ports");
        };
        assert_eq!(keys, &["containerPort", "protocol"]);
        assert!(is_cluster_scoped("v1", "Node") && !is_cluster_scoped("v1", "Pod"));
        assert!(root("apps/v1", "Deployment").is_some() && root("a/v1", "B").is_none());
        let table = table();
        for (name, fields) in &table.types {
            for field in fields.values() {
                let target = match field {
                    Field::Map(target) | Field::Values(target) | Field::Merged(_, target) => target,
                    Field::List => "",
                };
                assert!(target.is_empty() || table.types.contains_key(target), "{name} {target}");
            }
        }
    }
}
