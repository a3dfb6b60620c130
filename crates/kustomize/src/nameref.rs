//! Name references: fields that hold the name of another object follow it when it is renamed.
//!
//! `references.txt` is kustomize's own table: `> KIND GROUP VERSION` begins the objects that are
//! referred to, the lines below it are the fields that do so: `KIND GROUP VERSION PATH`.

use crate::fieldspec::{self, Create, FieldSpec};
use crate::id::{Gvk, Id};
use crate::node::{Map, Node, Scalar, Tag};
use crate::resource::Resource;
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

const TABLE: &str = include_str!("references.txt");
const SERVICE_ACCOUNT: &str = "ServiceAccount";

struct Reference {
    target: Gvk,
    field: FieldSpec,
}

fn table() -> &'static [Reference] {
    static PARSED: OnceLock<Vec<Reference>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let part = |text: Option<&str>| match text {
            None | Some("*") => String::new(),
            Some(text) => text.to_owned(),
        };
        let mut target = Gvk::default();
        let mut all = Vec::new();
        for line in TABLE.lines() {
            let (is_target, rest) = match line.strip_prefix("> ") {
                Some(rest) => (true, rest),
                None => (false, line),
            };
            let mut words = rest.split(' ');
            let kind = part(words.next());
            let gvk = Gvk { kind, group: part(words.next()), version: part(words.next()) };
            if is_target {
                target = gvk;
                continue;
            }
            let path: &'static str = words.next().unwrap_or_default();
            let field = FieldSpec::new(gvk, path, false);
            all.push(Reference { target: target.clone(), field });
        }
        all
    })
}

/// What is known of an object while references are mended; names do not change meanwhile.
struct Known {
    id: Id,
    /// It has no namespace.
    is_cluster: bool,
    previous: Vec<Id>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

/// Mends the references of all objects.
///
/// # Errors
/// A reference that several objects could be meant by, with the object that has it.
pub(crate) fn mend(all: &mut [Resource]) -> Result<(), String> {
    let known: Vec<Known> = all
        .iter()
        .map(|resource| (resource.id(), resource))
        .map(|(id, resource)| Known {
            is_cluster: id.gvk.is_cluster_scoped(),
            id,
            previous: resource.previous_ids(),
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
        })
        .collect();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, one) in known.iter().enumerate() {
        let names: HashSet<&str> = one.previous.iter().map(|id| id.name.as_str()).collect();
        for name in names {
            by_name.entry(name).or_default().push(index);
        }
    }
    if by_name.is_empty() {
        return Ok(());
    }
    for (index, resource) in all.iter_mut().enumerate() {
        let Some(own) = known.get(index) else { continue };
        let asked = &own.previous.first().unwrap_or(&own.id).gvk;
        let bound = bound_namespaces(resource);
        for reference in table().iter().filter(|r| asked.is_selected(&r.field.gvk)) {
            let finder = Finder {
                own,
                target: &reference.target,
                role: role(resource, &reference.field.path),
                bound: &bound,
                known: &known,
                by_name: &by_name,
            };
            let mut set = |node: &mut Node| finder.set(node);
            fieldspec::apply_anyway(resource, &reference.field, Create::Nothing, &mut set)
                .map_err(|error| format!("{} ({}): {error}", own.id, resource.origin))?;
        }
    }
    Ok(())
}

/// The kind that a `roleRef` names.
fn role(resource: &Resource, path: &str) -> Option<Gvk> {
    path.ends_with("roleRef/name").then_some(())?;
    let text = |key| resource.node.at(&["roleRef", key]).and_then(Node::text).map(str::to_owned);
    Some(Gvk { group: text("apiGroup")?, version: String::new(), kind: text("kind")? })
}

/// Namespaces of the accounts that a RoleBinding binds.
fn bound_namespaces(resource: &Resource) -> Vec<String> {
    if resource.kind() != "RoleBinding" {
        return Vec::new();
    }
    let subjects = resource.node.get("subjects").and_then(Node::as_list).unwrap_or_default();
    let accounts = subjects
        .iter()
        .filter(|node| node.get("kind").and_then(Node::text) == Some(SERVICE_ACCOUNT));
    accounts.filter_map(|node| node.get("namespace")?.text().map(str::to_owned)).collect()
}

struct Finder<'a> {
    own: &'a Known,
    target: &'a Gvk,
    role: Option<Gvk>,
    bound: &'a [String],
    known: &'a [Known],
    by_name: &'a HashMap<&'a str, Vec<usize>>,
}

impl<'a> Finder<'a> {
    fn set(&self, node: &mut Node) -> Result<(), String> {
        match node {
            node if node.is_null() => Ok(()),
            Node::Scalar(scalar) => self.set_scalar(scalar),
            Node::Map(map) => self.set_map(map),
            Node::List(list) => list.iter_mut().try_for_each(|item| match item {
                item if item.is_null() => Ok(()),
                Node::Scalar(scalar) => self.set_scalar(scalar),
                Node::Map(map) => self.set_map(map),
                Node::List(_) => Err("expected names or maps".to_owned()),
            }),
        }
    }

    fn set_scalar(&self, scalar: &mut Scalar) -> Result<(), String> {
        let same = |a: &Known, b: &Known| a.id.name == b.id.name;
        if let Some(found) = self.find(&scalar.text, &self.candidates(&scalar.text), same)?
            && found.id.name != scalar.text
        {
            scalar.set(found.id.name.clone(), Tag::Auto);
        }
        Ok(())
    }

    fn set_map(&self, map: &mut Map) -> Result<(), String> {
        let Some(name) = map.get("name").map(|node| node.text().unwrap_or_default().to_owned())
        else {
            return Err("there is no `name` in it".to_owned());
        };
        let mut candidates = self.candidates(&name);
        if let Some(node) = map.get("namespace") {
            let namespace = node.text().unwrap_or_default();
            let before = |one: &Known| {
                let id = one.previous.first().unwrap_or(&one.id);
                !id.gvk.is_cluster_scoped() && id.effective_namespace() == namespace
            };
            let now = |one: &Known| !one.is_cluster && one.id.effective_namespace() == namespace;
            // Any object there was decides which of both is asked.
            if self.known.iter().any(|one| self.could_refer(one) && before(one)) {
                candidates.retain(|one| before(one));
            } else {
                candidates.retain(|one| now(one));
            }
        }
        let same =
            |a: &Known, b: &Known| a.id.name == b.id.name && a.id.namespace == b.id.namespace;
        let Some(found) = self.find(&name, &candidates, same)? else { return Ok(()) };
        if found.id.name == name && found.id.namespace.is_empty() {
            return Ok(());
        }
        set_text(map, "name", &found.id.name);
        if !found.id.namespace.is_empty() {
            set_text(map, "namespace", &found.id.namespace);
        }
        Ok(())
    }

    /// Objects that were called so and that this one can refer to.
    fn candidates(&self, name: &str) -> Vec<&'a Known> {
        let indices = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let all = indices.iter().filter_map(|index| self.known.get(*index));
        all.filter(|one| self.could_refer(one)).collect()
    }

    fn could_refer(&self, one: &Known) -> bool {
        self.own.is_cluster
            || one.is_cluster
            || one.id.is_same_namespace(&self.own.id)
            || self.bound.contains(&one.id.namespace)
    }

    fn find(
        &self,
        name: &str,
        candidates: &[&'a Known],
        is_same: impl Fn(&Known, &Known) -> bool,
    ) -> Result<Option<&'a Known>, String> {
        let selected =
            |one: &Known, gvk: &Gvk| one.previous.iter().any(|id| id.gvk.is_selected(gvk));
        let near = |one: &Known| {
            self.own.is_cluster
                || one.is_cluster
                || one.id.gvk.kind == SERVICE_ACCOUNT
                || one.id.is_same_namespace(&self.own.id)
        };
        let mut left: Vec<&Known> = candidates
            .iter()
            .copied()
            .filter(|one| selected(one, self.target))
            .filter(|one| self.role.as_ref().is_none_or(|role| selected(one, role)))
            .filter(|one| near(one))
            .collect();
        if left.len() > 1 || left.is_empty() {
            left.retain(|one| self.fits(one, true));
        }
        if left.len() > 1 {
            left.retain(|one| self.fits(one, false));
        }
        match left.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [first, rest @ ..] if rest.iter().all(|one| is_same(first, one)) => Ok(Some(first)),
            several => {
                let ids: Vec<String> = several.iter().map(|one| one.id.to_string()).collect();
                Err(format!("`{name}` could be any of {}", ids.join(", ")))
            }
        }
    }

    /// Whether prefixes and suffixes were given by the same layers.
    fn fits(&self, one: &Known, or_none: bool) -> bool {
        let agree = |own: &[String], other: &[String]| {
            (or_none && (own.is_empty() || other.is_empty())) || same_end(own, other)
        };
        agree(&self.own.prefixes, &one.prefixes) && agree(&self.own.suffixes, &one.suffixes)
    }
}

/// Whether the shorter list is the end of the longer one; an empty one only of an empty one.
fn same_end(a: &[String], b: &[String]) -> bool {
    let (short, long) = if a.len() > b.len() { (b, a) } else { (a, b) };
    if short.is_empty() { long.is_empty() } else { long.ends_with(short) }
}

/// Sets a member; the quotes of what was there stay.
fn set_text(map: &mut Map, key: &str, text: &str) {
    match map.get_mut(key) {
        Some(Node::Scalar(scalar)) => scalar.set(text.to_owned(), Tag::Auto),
        _ => {
            map.insert(key.to_owned(), Node::string(text));
        }
    }
}
