//! Strategic merge: a patch laid over an object as kustomize does it.
//!
//! Lists with merge keys are merged member by member, the patch's members first; other lists are
//! replaced. Kinds without a schema are merged as JSON. `$patch: delete|replace|merge` is
//! understood in maps and in members of lists. Kustomize knows neither `$setElementOrder` nor
//! `$deleteFromPrimitiveList`, and prints them: they are refused by the caller.

use crate::node::{Map, Node, Scalar, Tag};
use crate::schema::{self, Field, Type};
use std::collections::HashSet;

/// The key of a directive.
const DIRECTIVE: &str = "$patch";

#[derive(Clone, Copy, PartialEq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// What the schema says of a value.
#[derive(Clone)]
enum Shape {
    Unknown,
    Map(Type),
    /// A map whose values are of a type.
    Values(&'static str),
    /// A list that is replaced.
    List,
    /// A list that is merged.
    Merged(&'static [&'static str], &'static str),
}

impl Shape {
    fn of_type(name: &str) -> Self {
        schema::named(name).map_or(Self::Unknown, Self::Map)
    }

    fn member(&self, key: &str) -> Self {
        match self {
            Self::Map(fields) => match fields.get(key) {
                Some(Field::Map(name)) => Self::of_type(name),
                Some(Field::Values(name)) => Self::Values(name),
                Some(Field::List) => Self::List,
                Some(Field::Merged(keys, name)) => Self::Merged(keys, name),
                None => Self::Unknown,
            },
            Self::Values(name) => Self::of_type(name),
            _ => Self::Unknown,
        }
    }
}

/// Merges `patch` into `target`. `None`: the patch deletes the object.
///
/// # Errors
/// A patch that does not fit the object, in words.
pub(crate) fn merge(target: Node, patch: Node) -> Result<Option<Node>, String> {
    walk(Some(target), Some(patch), &Shape::Unknown)
}

fn walk(dest: Option<Node>, patch: Option<Node>, shape: &Shape) -> Result<Option<Node>, String> {
    let present = |node: &Option<Node>| node.as_ref().is_some_and(|node| !node.is_null());
    let leading =
        if present(&dest) { dest.as_ref() } else { patch.as_ref().filter(|n| !n.is_null()) };
    let shape = match (shape, leading) {
        (Shape::Unknown, Some(_)) => [dest.as_ref(), patch.as_ref()]
            .into_iter()
            .flatten()
            .find_map(by_kind)
            .map_or(Shape::Unknown, Shape::Map),
        _ => shape.clone(),
    };
    let mismatch = |what: &str, node: &Option<Node>| {
        let article = node.as_ref().map_or("absent", Node::article);
        Err(format!("the patch is {article} where the object has {what}"))
    };
    match leading {
        None => walk_map(dest, patch, &shape),
        Some(Node::Map(_)) => {
            if present(&patch) && !matches!(patch, Some(Node::Map(_))) {
                return mismatch("a map", &patch);
            }
            walk_map(dest, patch, &shape)
        }
        Some(Node::List(_)) => {
            if present(&patch) && !matches!(patch, Some(Node::List(_))) {
                return mismatch("a list", &patch);
            }
            match shape {
                Shape::Merged(keys, member) => walk_list(dest, patch, keys, member),
                _ => Ok(patch.or(dest)),
            }
        }
        Some(Node::Scalar(_)) => {
            if present(&patch) && !matches!(patch, Some(Node::Scalar(_))) {
                return mismatch("a scalar", &patch);
            }
            // The quotes are those of the object, the type is the patch's.
            let quoted = matches!(&dest, Some(Node::Scalar(scalar)) if scalar.quoted);
            let patch = patch.map(|node| match node {
                Node::Scalar(scalar) if dest.is_some() => Node::Scalar(Scalar { quoted, ..scalar }),
                node => node,
            });
            Ok(patch.or(dest))
        }
    }
}

/// The type of a map that names a built-in kind.
fn by_kind(node: &Node) -> Option<Type> {
    let text = |key| node.get(key).and_then(Node::text).filter(|text| !text.is_empty());
    schema::root(text("apiVersion")?, text("kind")?)
}

fn walk_map(
    dest: Option<Node>,
    mut patch: Option<Node>,
    shape: &Shape,
) -> Result<Option<Node>, String> {
    let missing = dest.as_ref().is_none_or(Node::is_null);
    let result = if missing {
        let directive = match &mut patch {
            Some(node @ Node::Map(_)) => map_directive(node).unwrap_or(Directive::Merge),
            _ => Directive::Merge,
        };
        if directive == Directive::Delete {
            return Ok(None);
        }
        match (dest, &patch) {
            // A null of the object that the patch does not speak of stays.
            (Some(null), None) if null.text() != Some("") => return Ok(Some(null)),
            (_, None) => return Ok(None),
            (_, Some(node)) => node.clone(),
        }
    } else {
        if patch.as_ref().is_some_and(Node::is_null) {
            return Ok(None);
        }
        let directive = match &mut patch {
            Some(node) => map_directive(node)?,
            None => Directive::Merge,
        };
        match (directive, &patch, dest) {
            (Directive::Delete, _, _) => return Ok(None),
            (Directive::Replace, Some(node), _) => node.clone(),
            (_, _, Some(dest)) => dest,
            (_, _, None) => return Ok(None),
        }
    };
    let Node::Map(map) = result else { return Ok(Some(result)) };
    let mut patch = match patch {
        Some(Node::Map(patch)) => patch,
        _ => Map::new(),
    };
    let mut merged = Vec::with_capacity(map.len() + patch.len());
    for (key, own) in map {
        let patched = patch.remove(&key);
        let keep_null = own.is_null() && patched.is_none();
        let value = walk(Some(own), patched, &shape.member(&key))?;
        merged.extend(value.filter(|value| keep_null || !value.is_null()).map(|v| (key, v)));
    }
    for (key, patched) in patch {
        let value = walk(None, Some(patched), &shape.member(&key))?;
        merged.extend(value.filter(|value| !value.is_null()).map(|value| (key, value)));
    }
    Ok(Some(Node::Map(merged.into_iter().collect())))
}

fn map_directive(patch: &mut Node) -> Result<Directive, String> {
    let Node::Map(map) = patch else { return Ok(Directive::Merge) };
    let Some(value) = map.get(DIRECTIVE) else { return Ok(Directive::Merge) };
    let directive = directive(value.text().unwrap_or_default())?;
    map.remove(DIRECTIVE);
    Ok(directive)
}

fn directive(text: &str) -> Result<Directive, String> {
    match text {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => Err(format!("unknown directive `$patch: {other}`")),
    }
}

/// A list's own directive: a member that has nothing but `$patch`.
fn list_directive(list: &mut Vec<Node>) -> Result<Directive, String> {
    let only = |node: &Node| node.get(DIRECTIVE).is_some();
    let Some(node) = list.iter().find(|node| only(node)) else { return Ok(Directive::Merge) };
    if node.as_map().is_some_and(|map| map.len() > 1) {
        return Ok(Directive::Merge);
    }
    let text = node.get(DIRECTIVE).and_then(Node::text).unwrap_or_default().to_owned();
    let directive = directive(&text)?;
    list.retain(|node| {
        !(node.is_null() || node.as_map().is_some_and(Map::is_empty))
            && node.get(DIRECTIVE).and_then(Node::text) != Some(&text)
    });
    Ok(directive)
}

fn walk_list(
    dest: Option<Node>,
    patch: Option<Node>,
    keys: &[&'static str],
    member: &'static str,
) -> Result<Option<Node>, String> {
    let list = |node: Option<Node>| match node {
        Some(Node::List(list)) => Some(list),
        _ => None,
    };
    let missing = dest.as_ref().is_none_or(Node::is_null);
    if !missing && patch.as_ref().is_some_and(Node::is_null) {
        return Ok(None);
    }
    let mut patch = list(patch);
    let dest = if missing {
        match &patch {
            Some(patch) => patch.clone(),
            None => return Ok(dest),
        }
    } else {
        let directive = match &mut patch {
            Some(patch) => list_directive(patch)?,
            None => Directive::Merge,
        };
        match (directive, &patch) {
            (Directive::Delete, _) => return Ok(None),
            (Directive::Replace, Some(patch)) => patch.clone(),
            _ => list(dest).unwrap_or_default(),
        }
    };
    let patch = patch.unwrap_or_default();
    let merged = if keys.is_empty() {
        merge_scalars(dest, patch)
    } else {
        merge_members(dest, &patch, keys, member)?
    };
    Ok(Some(Node::List(merged)))
}

/// A list of scalars: the patch's, then the object's that are not among them.
fn merge_scalars(dest: Vec<Node>, patch: Vec<Node>) -> Vec<Node> {
    let mut seen = HashSet::new();
    let text = |node: &Node| node.text().unwrap_or_default().to_owned();
    let usable = |node: &Node| !node.is_null() && !node.as_map().is_some_and(Map::is_empty);
    patch.into_iter().chain(dest).filter(|n| usable(n) && seen.insert(text(n))).collect()
}

/// The values of a member's keys; an absent one is empty.
fn values(node: &Node, keys: &[&str]) -> Vec<String> {
    let value = |key: &&str| {
        let value = node.get(key).filter(|value| !value.is_nil_or_empty());
        value.and_then(Node::text).unwrap_or_default().to_owned()
    };
    keys.iter().map(value).collect()
}

/// Lists of values that have one in common and differ only where one is absent are one member.
fn unify(list: &mut [Vec<String>]) {
    for i in 0..list.len() {
        for j in 0..list.len() {
            let (Some(a), Some(b)) = (list.get(i), list.get(j)) else { continue };
            let mut common = false;
            let mut joined = Vec::new();
            let fits = a.iter().zip(b).all(|(a, b)| {
                common |= a == b;
                joined.push(if a.is_empty() { b.clone() } else { a.clone() });
                a == b || a.is_empty() || b.is_empty()
            });
            if fits && common {
                if let Some(slot) = list.get_mut(i) {
                    slot.clone_from(&joined);
                }
                if let Some(slot) = list.get_mut(j) {
                    *slot = joined;
                }
            }
        }
    }
}

/// The keys that have a value, with the values; all keys when none has.
fn valid<'k>(all: &[Vec<String>], own: &[String], keys: &[&'k str]) -> (Vec<&'k str>, Vec<String>) {
    let used = |at: usize| all.iter().any(|v| v.get(at).is_some_and(|v| !v.is_empty()));
    if !(0..keys.len()).any(used) {
        return (keys.to_vec(), own.to_vec());
    }
    let pairs = keys.iter().zip(own).enumerate().filter(|(at, _)| used(*at));
    pairs.map(|(_, (key, value))| (*key, value.clone())).unzip()
}

/// Whether a member has these values; with `open` an empty value asks only that the key is there.
fn is_match(node: &Node, keys: &[&str], values: &[String], open: bool) -> bool {
    let Some(map) = node.as_map() else { return false };
    keys.iter().zip(values).all(|(key, value)| match map.get(*key) {
        Some(node) => (open && value.is_empty()) || node.text().unwrap_or_default() == value,
        None => false,
    })
}

fn merge_members(
    mut dest: Vec<Node>,
    patch: &[Node],
    keys: &[&'static str],
    member: &'static str,
) -> Result<Vec<Node>, String> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for node in patch.iter().chain(&dest) {
        let own = values(node, keys);
        if !all.contains(&own) {
            all.push(own);
        }
    }
    if keys.len() > 1 {
        unify(&mut all);
    }
    let shape = Shape::of_type(member);
    let mut added: Vec<Node> = Vec::new();
    let mut used: Vec<&str> = keys.to_vec();
    for own in all.clone() {
        let (ks, vs) = valid(&all, &own, keys);
        let (find_keys, find_values) = valid(std::slice::from_ref(&vs), &vs, &ks);
        let find = |list: &[Node]| {
            list.iter().position(|node| is_match(node, &find_keys, &find_values, false))
        };
        let at = find(&dest);
        let of_patch = find(patch).and_then(|at| patch.get(at)).cloned();
        let replaces = of_patch.as_ref().and_then(|node| node.get(DIRECTIVE)?.text());
        let in_place = replaces != Some("replace");
        let merged = walk(at.and_then(|at| dest.get(at)).cloned(), of_patch, &shape)?;
        // A member that is merged is changed where it stands; a replaced one is not.
        if let (true, Some(slot), Some(node)) =
            (in_place, at.and_then(|at| dest.get_mut(at)), &merged)
        {
            slot.clone_from(node);
        }
        used = ks.clone();
        let gone = |node: &Node| node.is_null() || node.as_map().is_some_and(Map::is_empty);
        let Some(mut merged) = merged.filter(|node| !gone(node)) else {
            set_element(&mut dest, &ks, &vs, None);
            continue;
        };
        if let Some(map) = merged.as_map_mut() {
            for (key, value) in ks.iter().zip(&vs).filter(|(_, value)| !value.is_empty()) {
                map.entry((*key).to_owned()).or_insert_with(|| auto(value));
            }
        }
        set_element(&mut added, &ks, &vs, Some(merged));
    }
    if all.is_empty() {
        return Ok(dest);
    }
    append(&mut added, dest, &used);
    Ok(added)
}

/// A scalar whose type is read from its text.
fn auto(text: &str) -> Node {
    Node::Scalar(Scalar { text: text.to_owned(), tag: Tag::Auto, quoted: false })
}

/// Puts the object's members behind those of the patch.
fn append(list: &mut Vec<Node>, members: Vec<Node>, keys: &[&str]) {
    for node in members {
        let mut own = Vec::new();
        for key in keys {
            match node.get(key) {
                Some(value) => own.push(value.text().unwrap_or_default().to_owned()),
                None => list.push(node.clone()),
            }
        }
        if keys.len() > 1 {
            set_element(list, keys, &own, None);
        }
        set_element(list, keys, &own, Some(node));
    }
}

/// Replaces, removes or appends the member with these values.
fn set_element(list: &mut Vec<Node>, keys: &[&str], values: &[String], element: Option<Node>) {
    let mut found = false;
    let maps_only = keys.first().is_some_and(|key| !key.is_empty())
        && values.first().is_some_and(|value| !value.is_empty());
    let mut out = Vec::with_capacity(list.len() + 1);
    for node in list.drain(..) {
        if node.is_null() || node.as_map().is_some_and(Map::is_empty) {
            continue;
        }
        if node.as_map().is_none() && maps_only {
            out.push(node);
            continue;
        }
        // Keys without a value repeat the verdict of the one before.
        let asked = keys.len().min(values.len());
        let asked = keys.get(..asked).unwrap_or_default();
        let matched = !asked.is_empty() && is_match(&node, asked, values, true);
        if !matched {
            if !values.is_empty() {
                out.push(node);
            }
            continue;
        }
        found = true;
        if let Some(element) = &element {
            out.push(element.clone());
        }
    }
    *list = out;
    if let (false, Some(element)) = (found, element) {
        list.push(element);
    }
}
