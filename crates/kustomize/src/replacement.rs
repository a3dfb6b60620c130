//! `replacements`: a value of one object copied into fields of others.

use crate::fieldspec::split;
use crate::gojson;
use crate::id::Id;
use crate::node::{Map, Node, Scalar, Tag};
use crate::parse;
use crate::pattern::Pattern;
use crate::resource::Resource;
use crate::set::Select;
use crate::spec::{FieldOptions, Replacement, ReplacementTarget, Source, Target};

/// The field that is meant when none is named.
const DEFAULT_PATH: &str = "metadata.name";

/// What is made of a field that is absent.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Scalar,
    Map,
    List,
}

/// Applies one replacement to all objects.
///
/// # Errors
/// A source or a target that is not there, in words.
pub(crate) fn apply(all: &mut [Resource], replacement: &Replacement) -> Result<(), String> {
    let value = match (&replacement.source, &replacement.source_value) {
        (Some(source), _) => find(all, source)?,
        (None, Some(text)) => auto(text),
        (None, None) => return Err("there is no source".to_owned()),
    };
    for target in &replacement.targets {
        let Some(select) = &target.select else { continue };
        let (takes, rejects) = (Select::new(select)?, rejects(target)?);
        for resource in all.iter_mut() {
            if !takes.takes_labels(resource) || rejects.iter().any(|r| r.rejects_labels(resource)) {
                continue;
            }
            let ids = ids(resource);
            if rejects.iter().any(|reject| reject.rejects_id(&ids)) {
                continue;
            }
            if ids.iter().any(|id| takes.takes_id(id)) {
                let id = resource.id();
                copy(&mut resource.node, &value, target)
                    .map_err(|error| format!("{id}: {error}"))?;
            }
        }
    }
    Ok(())
}

/// A rejecting selector, which says nothing in the parts that it leaves open.
struct Reject {
    select: Select,
    by_id: bool,
    by_labels: bool,
}

impl Reject {
    fn rejects_labels(&self, resource: &Resource) -> bool {
        self.by_labels && self.select.takes_labels(resource)
    }

    fn rejects_id(&self, ids: &[Id]) -> bool {
        self.by_id && ids.iter().any(|id| self.select.takes_id(id))
    }
}

fn rejects(target: &ReplacementTarget) -> Result<Vec<Reject>, String> {
    let one = |target: &Target| {
        Ok(Reject {
            select: Select::new(target)?,
            by_id: !(target.gvk == Default::default()
                && target.name.is_empty()
                && target.namespace.is_empty()),
            by_labels: !(target.labels.is_empty() && target.annotations.is_empty()),
        })
    };
    target.reject.iter().map(one).collect()
}

/// What an object is called and was called.
fn ids(resource: &Resource) -> Vec<Id> {
    let mut ids = vec![resource.id()];
    ids.extend(resource.previous_ids());
    ids
}

fn find(all: &[Resource], source: &Source) -> Result<Node, String> {
    let target = &source.target;
    let wanted = Id {
        gvk: target.gvk.clone(),
        name: target.name.clone(),
        namespace: target.namespace.clone(),
    };
    let is_wanted = |id: &Id| {
        (wanted.name.is_empty() || wanted.name == id.name)
            && (wanted.namespace.is_empty()
                || namespace(&wanted.namespace) == namespace(&id.namespace))
            && id.gvk.is_selected(&wanted.gvk)
    };
    let mut found = all.iter().filter(|resource| ids(resource).iter().any(is_wanted));
    let Some(resource) = found.next() else {
        return Err(format!("no object is the source {wanted}"));
    };
    if found.next().is_some() {
        return Err(format!("several objects are the source {wanted}"));
    }
    let path = or_default(&source.field_path);
    let mut at = Some(&resource.node);
    for part in smart_split(path) {
        at = at.map(|node| member(node, &part)).transpose()?.flatten();
    }
    let missing = || format!("{} has no value at `{path}`", resource.id());
    let value = at.filter(|node| !node.is_nil_or_empty()).ok_or_else(missing)?.clone();
    refine(value, &source.options)
}

fn namespace(text: &str) -> &str {
    if text.is_empty() { "default" } else { text }
}

fn or_default(path: &str) -> &str {
    if path.is_empty() { DEFAULT_PATH } else { path }
}

/// The part of a text that the options ask for.
fn refine(value: Node, options: &FieldOptions) -> Result<Node, String> {
    if options.delimiter.is_empty() {
        return Ok(value);
    }
    let Node::Scalar(scalar) = value else {
        return Err("a `delimiter` is for a source that is a scalar".to_owned());
    };
    let parts: Vec<&str> = scalar.text.split(options.delimiter.as_str()).collect();
    let index = usize::try_from(options.index).ok();
    let Some(part) = index.and_then(|index| parts.get(index)) else {
        return Err(format!("the index {} is out of bounds of the source", options.index));
    };
    let text = (*part).to_owned();
    Ok(Node::Scalar(Scalar { text, ..scalar }))
}

/// Parts of a path with dots; what stands in brackets is one part.
fn smart_split(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut parts = split(path, '.').into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            out.push(part);
            continue;
        }
        let mut whole = part;
        for more in parts.by_ref() {
            whole.push('.');
            whole.push_str(&more);
            if more.ends_with(']') {
                break;
            }
        }
        let keep = whole.contains('=');
        out.push(if keep { whole } else { whole.trim_matches(['[', ']']).to_owned() });
    }
    out
}

/// `[name=value]` as a pair.
fn condition(part: &str) -> Option<(&str, &str)> {
    part.strip_prefix('[')?.strip_suffix(']')?.split_once('=')
}

fn is_index(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// One step of the source's path.
fn member<'n>(node: &'n Node, part: &str) -> Result<Option<&'n Node>, String> {
    let part = part.trim();
    if part.is_empty() {
        return Ok(Some(node));
    }
    if part == "*" {
        return Err("`*` is not for a source".to_owned());
    }
    let list = || node.as_list().ok_or_else(|| format!("`{part}` is asked of what is no list"));
    if part == "-" {
        return Ok(list()?.last());
    }
    if is_index(part) {
        return Ok(part.parse::<usize>().ok().and_then(|index| node.as_list()?.get(index)));
    }
    if let Some((key, value)) = condition(part) {
        let is_it = |node: &&Node| match key {
            "" => node.text() == Some(value),
            key => node.get(key).and_then(Node::text) == Some(value),
        };
        return Ok(list()?.iter().find(is_it));
    }
    if node.is_null() {
        return Ok(None);
    }
    let map = node.as_map().ok_or_else(|| format!("`{part}` is asked of what is no map"))?;
    Ok(map.get(part))
}

fn copy(node: &mut Node, value: &Node, target: &ReplacementTarget) -> Result<(), String> {
    let default = vec![DEFAULT_PATH.to_owned()];
    let paths = if target.field_paths.is_empty() { &default } else { &target.field_paths };
    for path in paths {
        let create = target.options.create.then_some(match value {
            Node::Scalar(_) => Kind::Scalar,
            Node::Map(_) => Kind::Map,
            Node::List(_) => Kind::List,
        });
        let mut walk = Walk { value, options: &target.options, create, count: 0, inside: false };
        walk.step(node, &smart_split(path)).map_err(|error| format!("`{path}`: {error}"))?;
        if walk.count == 0 {
            return Err(format!("there is no field `{path}`"));
        }
    }
    Ok(())
}

struct Walk<'a> {
    value: &'a Node,
    options: &'a FieldOptions,
    create: Option<Kind>,
    /// Fields that were set.
    count: usize,
    /// The field is inside of the text of a scalar.
    inside: bool,
}

impl Walk<'_> {
    fn step(&mut self, node: &mut Node, path: &[String]) -> Result<(), String> {
        let Some((part, rest)) = path.split_first() else { return self.set(node) };
        let no_list = || format!("`{part}` is asked of what is no list");
        if is_index(part) {
            let made = self.made(rest);
            let Node::List(list) = node else { return Err(no_list()) };
            let index: usize = part.parse().map_err(|_| format!("`{part}` is no index"))?;
            if list.len() == index
                && let Some(made) = made
            {
                list.push(made);
            }
            let count = list.len();
            let item = list
                .get_mut(index)
                .ok_or_else(|| format!("the index {index} is behind a list of {count}"))?;
            return self.step(item, rest);
        }
        if let Some((key, pattern)) = condition(part) {
            let Node::List(list) = node else { return Err(no_list()) };
            let before = self.count;
            self.matching(list, key, &Pattern::anywhere(pattern)?, rest)?;
            if self.count > before || self.create.is_none() {
                return Ok(());
            }
            let item = match key {
                "" => auto(pattern),
                key => Node::Map(Map::from([(key.to_owned(), auto(pattern))])),
            };
            list.push(item);
            return self.matching(list, key, &Pattern::anywhere(pattern)?, rest);
        }
        if part == "*" {
            let Node::List(list) = node else { return Err(no_list()) };
            return list.iter_mut().try_for_each(|item| self.step(item, rest));
        }
        self.field(node, part, rest)
    }

    /// What is made where the next part is absent.
    fn made(&self, rest: &[String]) -> Option<Node> {
        let create = self.create?;
        Some(match rest.first() {
            None if create == Kind::Scalar => auto(""),
            None if create == Kind::List => Node::List(Vec::new()),
            Some(next) if is_index(next) || condition(next).is_some() || next == "-" => {
                Node::List(Vec::new())
            }
            None | Some(_) => Node::map(),
        })
    }

    fn matching(
        &mut self,
        list: &mut [Node],
        key: &str,
        pattern: &Pattern,
        rest: &[String],
    ) -> Result<(), String> {
        for item in list {
            let text = |node: &Node| match node {
                Node::Scalar(scalar) if scalar.quoted => format!("\"{}\"", scalar.text),
                node => node.text().unwrap_or_default().trim().to_owned(),
            };
            let found = match key {
                "" => Some(text(item)),
                key => item.get(key).map(text),
            };
            if !found.is_some_and(|text| pattern.matches(&text)) {
                continue;
            }
            match key {
                "" => self.set(item)?,
                _ => self.step(item, rest)?,
            }
        }
        Ok(())
    }

    fn field(&mut self, node: &mut Node, part: &str, rest: &[String]) -> Result<(), String> {
        if node.is_null() && self.create.is_none() {
            return Ok(());
        }
        let made = self.made(rest);
        let map =
            node.as_map_mut().ok_or_else(|| format!("`{part}` is asked of what is no map"))?;
        let slot = match (map.contains_key(part), made) {
            (false, None) => return Ok(()),
            (false, Some(made)) => map.entry(part.to_owned()).or_insert(made),
            (true, _) => match map.get_mut(part) {
                Some(slot) => slot,
                None => return Ok(()),
            },
        };
        match slot {
            Node::Scalar(scalar) if !rest.is_empty() => self.structured(scalar, rest),
            slot => self.step(slot, rest),
        }
    }

    /// A field of the JSON document that a scalar's text is.
    fn structured(&mut self, scalar: &mut Scalar, rest: &[String]) -> Result<(), String> {
        let first = scalar.text.trim_start().chars().next();
        if !matches!(first, Some('{' | '[')) {
            return Err(
                "a field inside of YAML text is not supported, only of JSON text".to_owned()
            );
        }
        let mut documents = parse::parse(scalar.text.as_bytes())
            .map_err(|fault| format!("the text is not JSON: {}", fault.message))?;
        let Some(document) = documents.first_mut() else { return Ok(()) };
        let before = self.count;
        self.inside = true;
        let walked = self.step(&mut document.node, rest);
        self.inside = false;
        walked?;
        if self.count == before {
            return Ok(());
        }
        let value = document.node.to_json()?;
        let is_pretty = scalar.text.contains('\n') && scalar.text.contains("  ");
        scalar.text = if is_pretty { gojson::pretty(&value) } else { gojson::compact(&value) };
        Ok(())
    }

    fn set(&mut self, node: &mut Node) -> Result<(), String> {
        self.count += 1;
        let mut value = self.value.clone();
        // Inside of a text kustomize does not look at the delimiter.
        if !self.options.delimiter.is_empty() && !self.inside {
            let (Node::Scalar(target), Some(text)) = (&*node, value.text()) else {
                return Err("a `delimiter` is for a field that is a scalar".to_owned());
            };
            let delimiter = self.options.delimiter.as_str();
            let mut parts: Vec<&str> = target.text.split(delimiter).collect();
            match usize::try_from(self.options.index) {
                Err(_) => parts.insert(0, text),
                Ok(index) => match parts.get_mut(index) {
                    Some(slot) => *slot = text,
                    None => parts.push(text),
                },
            }
            let joined = parts.join(delimiter);
            if let Node::Scalar(scalar) = &mut value {
                scalar.text = joined;
            }
        }
        match node {
            // The type of the field stays: a number becomes another number.
            Node::Scalar(scalar) => scalar.text = value.text().unwrap_or_default().to_owned(),
            other => *other = value,
        }
        Ok(())
    }
}

/// A scalar whose type is read from its text.
fn auto(text: &str) -> Node {
    Node::Scalar(Scalar { text: text.to_owned(), tag: Tag::Auto, quoted: false })
}
