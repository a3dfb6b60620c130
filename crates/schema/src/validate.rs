//! One object against one schema: every finding at once, each with its path.
//!
//! The walk allocates nothing while an object is good: the path is a stack of borrowed steps that
//! becomes text when something is found.

use crate::arena::{Arena, Extra, Kind, Node, NodeId, Symbol};
use crate::pattern::Pattern;
use crate::said::{WORD_CHARS_MAX, article, is_whole, same, short, words};
use crate::violation::{Rule, Step, Violation, path};
use crate::{Dialect, STEPS_MAX, VALUE_DEPTH_MAX, VIOLATIONS_MAX, metadata};
use objects::quantity::Quantity;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Elements of a longer list are not compared in pairs.
const PAIRWISE_MAX: usize = 16;

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Checked {
    /// What is wrong, in the order of the document; at most [`VIOLATIONS_MAX`].
    pub violations: Vec<Violation>,
    /// What could not be checked, one sentence each: never a pass in silence.
    pub unchecked: Vec<String>,
}

impl Checked {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.violations.is_empty()
    }
}

/// A check under way.
pub(crate) struct Walk<'a> {
    arena: &'a Arena,
    dialect: Dialect,
    /// Values must not be repeated at all.
    secret: bool,
    path: Vec<Step<'a>>,
    steps: usize,
    /// Values and alternatives around the one that is looked at.
    depth: usize,
    pub(crate) checked: Checked,
    unchecked: BTreeSet<String>,
    /// How often something could not be checked: then an alternative only seems to hold.
    doubts: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(arena: &'a Arena, dialect: Dialect, secret: bool) -> Self {
        Self {
            arena,
            dialect,
            secret,
            path: Vec::with_capacity(16),
            steps: 0,
            depth: 0,
            checked: Checked::default(),
            unchecked: BTreeSet::new(),
            doubts: 0,
        }
    }

    pub(crate) fn finish(mut self) -> Checked {
        self.checked.unchecked = self.unchecked.into_iter().collect();
        self.checked
    }

    /// The whole object: its metadata by hand, its status not at all, the rest by the schema.
    pub(crate) fn root(&mut self, id: NodeId, object: &'a Map<String, Value>) {
        if let Some(metadata) = object.get("metadata") {
            self.metadata(metadata);
        }
        let Some(node) = self.arena.node(id).copied() else { return };
        for (key, value) in object {
            match key.as_str() {
                "apiVersion" | "kind" | "status" => {}
                "metadata" => self.own_rules_of_metadata(&node, value),
                _ => self.entry(&node, key, value, true),
            }
        }
        if let Some(extra) = self.arena.extra(&node) {
            self.missing(extra, object, |name| !matches!(name, "apiVersion" | "kind" | "metadata"));
            self.combinations(extra, object_of(object));
        }
    }

    fn metadata(&mut self, value: &'a Value) {
        self.path.push(Step::Key("metadata"));
        metadata::check(self, value);
        self.path.pop();
    }

    /// A CRD may restrict names further.
    fn own_rules_of_metadata(&mut self, node: &Node, value: &'a Value) {
        if self.dialect == Dialect::Structural
            && let Some(id) = self.arena.property(node, "metadata")
        {
            self.inside(Step::Key("metadata"), id, value, false);
        }
    }

    pub(crate) fn inside(&mut self, step: Step<'a>, id: NodeId, value: &'a Value, strict: bool) {
        self.path.push(step);
        self.check(id, value, strict);
        self.path.pop();
    }

    pub(crate) fn at(&mut self, step: Step<'a>, rule: Rule, message: &str, allowed: Option<&str>) {
        self.path.push(step);
        self.found(rule, message.to_owned(), allowed.map(str::to_owned), None);
        self.path.pop();
    }

    pub(crate) fn suggest(&mut self, step: Step<'a>, rule: Rule, what: &str, word: Option<&str>) {
        self.path.push(step);
        self.found(rule, what.to_owned(), None, word.map(str::to_owned));
        self.path.pop();
    }

    /// `metadata.name` is not what names of this kind are.
    pub(crate) fn name(&mut self, expected: &str) {
        self.path.push(Step::Key("metadata"));
        self.at(Step::Key("name"), Rule::Metadata, "is no valid name", Some(expected));
        self.path.pop();
    }

    pub(crate) fn enter(&mut self, step: Step<'a>) {
        self.path.push(step);
    }

    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    pub(crate) fn found(
        &mut self,
        rule: Rule,
        message: String,
        allowed: Option<String>,
        suggestion: Option<String>,
    ) {
        if self.checked.violations.len() < VIOLATIONS_MAX {
            let path = path(&self.path);
            self.checked.violations.push(Violation { path, rule, message, allowed, suggestion });
        }
    }

    /// One step further in, when the bounds allow it.
    fn deeper(&mut self) -> bool {
        self.steps += 1;
        let within = self.steps <= STEPS_MAX && self.depth < 2 * VALUE_DEPTH_MAX;
        if within {
            self.depth += 1;
        } else {
            self.doubt("the rest of it is not checked: it is too large".to_owned());
        }
        within
    }

    fn doubt(&mut self, sentence: String) {
        self.doubts = self.doubts.saturating_add(1);
        self.unchecked.insert(sentence);
    }

    fn check(&mut self, id: NodeId, value: &'a Value, strict: bool) {
        if self.deeper() {
            self.value(id, value, strict);
            self.depth -= 1;
        }
    }

    /// `strict` refuses fields that the schema does not have.
    fn value(&mut self, id: NodeId, value: &'a Value, strict: bool) {
        let Some(node) = self.arena.node(id).copied() else { return };
        if self.path.len() >= VALUE_DEPTH_MAX {
            return self.doubt(format!("deeper than {VALUE_DEPTH_MAX} levels it is not checked"));
        }
        if value.is_null() && (self.dialect == Dialect::Decoded || node.is(Node::NULLABLE)) {
            return;
        }
        if !self.has_type(&node, value) {
            return;
        }
        match value {
            Value::Object(map) => self.object(&node, map, strict),
            Value::Array(items) => self.array(&node, items, strict),
            _ => {}
        }
        if let Some(expected) = node.format.refuse(value) {
            self.found(
                Rule::Format,
                "has another form".to_owned(),
                Some(expected.to_owned()),
                None,
            );
        }
        if let Some(extra) = self.arena.extra(&node) {
            self.scalar(extra, value);
            self.combinations(extra, value);
        }
    }

    /// Whether the value has the node's type; tells when not.
    fn has_type(&mut self, node: &Node, value: &Value) -> bool {
        let expected = match (node.kind, value) {
            (Kind::Any, _)
            | (Kind::Object, Value::Object(_))
            | (Kind::Array, Value::Array(_))
            | (Kind::String, Value::String(_))
            | (Kind::Number | Kind::Quantity, Value::Number(_))
            | (Kind::Boolean, Value::Bool(_))
            | (Kind::IntOrString, Value::String(_)) => return true,
            (Kind::Integer | Kind::IntOrString, Value::Number(number)) if is_whole(number) => {
                return true;
            }
            (Kind::Quantity, Value::String(text)) => {
                return self.quantity(text);
            }
            (Kind::Object, _) => "a map",
            (Kind::Array, _) => "a list",
            (Kind::String, _) => "a string",
            (Kind::Integer, _) => "an integer",
            (Kind::Number, _) => "a number",
            (Kind::Boolean, _) => "true or false",
            (Kind::IntOrString, _) => "an integer or a string",
            (Kind::Quantity, _) => "a quantity such as 100m or 1Gi",
        };
        let message = format!("is {}", article(value));
        self.found(Rule::Type, message, Some(expected.to_owned()), None);
        false
    }

    fn quantity(&mut self, text: &str) -> bool {
        let good = Quantity::parse(text.trim()).is_ok();
        if !good {
            let allowed = Some("a quantity such as 100m or 1Gi".to_owned());
            self.found(Rule::Format, "is no quantity".to_owned(), allowed, None);
        }
        good
    }

    fn object(&mut self, node: &Node, map: &'a Map<String, Value>, strict: bool) {
        let embedded = node.is(Node::EMBEDDED);
        for (key, value) in map {
            match key.as_str() {
                "apiVersion" | "kind" if embedded => {
                    // A null is as good as no field, which is told below.
                    if !value.is_null() && value.as_str().is_none_or(str::is_empty) {
                        let what = "is no text, or empty";
                        self.at(Step::Key(key), Rule::Required, what, Some("a name"));
                    }
                }
                "metadata" if embedded => self.metadata(value),
                _ => self.entry(node, key, value, strict),
            }
        }
        if embedded {
            let missing = |field: &&str| map.get(*field).is_none_or(Value::is_null);
            for field in ["apiVersion", "kind"].into_iter().filter(missing) {
                self.at(Step::Key(field), Rule::Required, "is missing", None);
            }
        }
        let Some(extra) = self.arena.extra(node) else { return };
        self.missing(extra, map, |name| !(embedded && matches!(name, "apiVersion" | "kind")));
        let (min, max) = (extra.properties.min, extra.properties.max);
        self.count(map.len(), min, max, "entries");
    }

    /// One key of a map.
    fn entry(&mut self, node: &Node, key: &'a str, value: &'a Value, strict: bool) {
        if let Some(id) = self.arena.property(node, key) {
            self.inside(Step::Key(key), id, value, strict);
        } else if self.arena.node(node.additional).is_some() {
            self.inside(Step::Key(key), node.additional, value, strict);
        } else if strict && !node.is(Node::OPEN) && node.kind != Kind::Any {
            self.unknown(node, key);
        }
    }

    fn unknown(&mut self, node: &Node, key: &'a str) {
        let arena = self.arena;
        let known = || arena.properties(node).iter().map(|(symbol, _)| arena.name(*symbol));
        let suggestion = model::nearest(key, known()).map(str::to_owned);
        let allowed = match suggestion {
            Some(_) => None,
            None => words(known()),
        };
        self.path.push(Step::Key(key));
        self.found(Rule::UnknownField, "unknown field".to_owned(), allowed, suggestion);
        self.path.pop();
    }

    fn missing(
        &mut self,
        extra: &'a Extra,
        map: &Map<String, Value>,
        counts: impl Fn(&str) -> bool,
    ) {
        for symbol in &extra.required {
            let name = self.arena.name(*symbol);
            let there = match map.get(name) {
                None => false,
                Some(Value::Null) => self.dialect == Dialect::Structural,
                Some(_) => true,
            };
            if !there && counts(name) {
                self.at(Step::Key(name), Rule::Required, "is missing", None);
            }
        }
    }

    fn array(&mut self, node: &Node, items: &'a [Value], strict: bool) {
        for (index, item) in items.iter().enumerate() {
            if self.arena.node(node.items).is_some() {
                self.inside(Step::Index(index), node.items, item, strict);
            }
        }
        if let Some(extra) = self.arena.extra(node) {
            self.count(items.len(), extra.items.min, extra.items.max, "elements");
            if node.is(Node::LIST_MAP) && !extra.list_keys.is_empty() {
                self.list_map(node, extra, items);
            }
        }
        if node.is(Node::LIST_SET | Node::UNIQUE) {
            let scalar = |value: &&Value| !value.is_object() && !value.is_array();
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let counts = node.is(Node::UNIQUE) || scalar(&item);
                if counts && !item.is_null() && !seen.insert(item.to_string()) {
                    let message = "is in the list twice";
                    self.at(Step::Index(index), Rule::Duplicate, message, None);
                }
            }
        }
    }

    /// Elements with keys: no two may have the same.
    fn list_map(&mut self, node: &Node, extra: &'a Extra, items: &'a [Value]) {
        let arena = self.arena;
        let element = arena.node(node.items);
        let key = |item: &'a Value, symbol: Symbol| -> Option<&'a Value> {
            let name = arena.name(symbol);
            let given = item.get(name).filter(|value| !value.is_null());
            given.or_else(|| arena.default_of(arena.property(element?, name)?))
        };
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if item.is_null() {
                self.at(Step::Index(index), Rule::Type, "is empty", Some("a map"));
            }
            if !item.is_object() {
                continue;
            }
            let keys = || extra.list_keys.iter().copied();
            let twice = if items.len() <= PAIRWISE_MAX {
                let equal = |other: &&'a Value| {
                    other.is_object() && keys().all(|name| key(other, name) == key(item, name))
                };
                items.iter().take(index).find(equal).is_some()
            } else {
                let texts = keys().map(|name| key(item, name).map(Value::to_string));
                !seen.insert(format!("{:?}", texts.collect::<Vec<_>>()))
            };
            if twice {
                let names: Vec<&str> = keys().map(|symbol| arena.name(symbol)).collect();
                let message = format!("has the same {} as an element before", names.join(" and "));
                self.at(Step::Index(index), Rule::Duplicate, &message, None);
            }
        }
    }

    fn count(&mut self, count: usize, min: Option<u64>, max: Option<u64>, what: &str) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if let Some(min) = min.filter(|min| count < *min) {
            let allowed = Some(format!("{min} at least"));
            self.found(Rule::Size, format!("has {count} {what}"), allowed, None);
        }
        if let Some(max) = max.filter(|max| count > *max) {
            let allowed = Some(format!("{max} at most"));
            self.found(Rule::Size, format!("has {count} {what}"), allowed, None);
        }
    }

    fn scalar(&mut self, extra: &'a Extra, value: &Value) {
        if !extra.values.is_empty() {
            self.listed(&extra.values, value);
        }
        match value {
            Value::String(text) => {
                if extra.length.min.is_some() || extra.length.max.is_some() {
                    let count = text.chars().count();
                    self.count(count, extra.length.min, extra.length.max, "characters");
                }
                let pattern = extra.pattern.and_then(|at| self.arena.patterns.get(at as usize));
                if let Some(pattern) = pattern {
                    self.pattern(pattern, text);
                }
            }
            Value::Number(number) => self.number(extra, number.as_f64()),
            _ => {}
        }
    }

    fn listed(&mut self, values: &'a [Value], value: &Value) {
        // Go decodes an absent field and an empty one to the same.
        let absent = self.dialect == Dialect::Decoded && value.as_str() == Some("");
        if absent || values.iter().any(|allowed| same(allowed, value)) {
            return;
        }
        let known = || values.iter().filter_map(Value::as_str);
        let given = value.as_str().filter(|_| !self.secret);
        let message = match given.filter(|given| given.chars().count() <= WORD_CHARS_MAX) {
            Some(given) => format!("is `{given}`"),
            None => "is none of the allowed values".to_owned(),
        };
        let suggestion = given
            .filter(|given| !given.is_empty())
            .and_then(|given| model::nearest(given, known()))
            .map(str::to_owned);
        self.found(Rule::Enum, message, words(known()), suggestion);
    }

    fn pattern(&mut self, pattern: &Pattern, text: &str) {
        match pattern.matches(text) {
            Some(true) => {}
            Some(false) => {
                let allowed = Some(format!("a match of `{}`", short(&pattern.source)));
                self.found(Rule::Pattern, "does not match".to_owned(), allowed, None);
            }
            None => {
                let source = short(&pattern.source);
                self.doubt(format!("the pattern `{source}` cannot be compiled here"));
            }
        }
    }

    fn number(&mut self, extra: &Extra, number: Option<f64>) {
        let Some(number) = number else { return };
        if let Some(limit) = extra.minimum
            && (number < limit.value || (limit.exclusive && number <= limit.value))
        {
            let word = if limit.exclusive { "more than" } else { "at least" };
            self.range(number, format!("{word} {}", limit.value));
        }
        if let Some(limit) = extra.maximum
            && (number > limit.value || (limit.exclusive && number >= limit.value))
        {
            let word = if limit.exclusive { "less than" } else { "at most" };
            self.range(number, format!("{word} {}", limit.value));
        }
        if let Some(factor) = extra.multiple_of.filter(|factor| *factor > 0.0) {
            let quotient = number / factor;
            // As tolerant as the server, which divides floating-point numbers too.
            let tolerance = 1e-8 * quotient.abs().max(1.0);
            if (quotient - quotient.round()).abs() > tolerance {
                self.range(number, format!("a multiple of {factor}"));
            }
        }
    }

    fn range(&mut self, number: f64, allowed: String) {
        let message =
            if self.secret { "is out of range".to_owned() } else { format!("is {number}") };
        self.found(Rule::Range, message, Some(allowed), None);
    }

    fn combinations(&mut self, extra: &'a Extra, value: impl Into<Subject<'a>>) {
        let subject = value.into();
        for id in &extra.same_as {
            self.subject(*id, subject, true);
        }
        for id in &extra.all_of {
            self.subject(*id, subject, false);
        }
        if !extra.any_of.is_empty() {
            self.any_of(&extra.any_of, subject);
        }
        if !extra.one_of.is_empty() {
            self.one_of(&extra.one_of, subject);
        }
        if let Some(id) = extra.not {
            let doubts = self.doubts;
            if self.holds(id, subject) && self.doubts == doubts {
                let message = "has a form that is ruled out".to_owned();
                self.found(Rule::Alternatives, message, None, None);
            }
        }
    }

    fn one_of(&mut self, alternatives: &'a [NodeId], subject: Subject<'a>) {
        let doubts = self.doubts;
        let count = alternatives.iter().filter(|id| self.holds(**id, subject)).count();
        let message = match count {
            1 => return,
            0 => "none of the alternatives holds",
            _ => "more than one of the alternatives holds",
        };
        if count == 0 || self.doubts == doubts {
            self.found(Rule::Alternatives, message.to_owned(), None, None);
        }
    }

    /// One must hold; when none does, what the nearest one lacks is told.
    fn any_of(&mut self, alternatives: &'a [NodeId], subject: Subject<'a>) {
        let before = self.checked.violations.len();
        let mut best: Option<Vec<Violation>> = None;
        for id in alternatives {
            self.subject(*id, subject, false);
            let found = self.checked.violations.split_off(before);
            if found.is_empty() {
                return;
            }
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        match (alternatives.len(), best) {
            (1, Some(best)) => self.checked.violations.extend(best),
            _ => {
                let message = "none of the alternatives holds".to_owned();
                self.found(Rule::Alternatives, message, None, None);
            }
        }
    }

    fn holds(&mut self, id: NodeId, subject: Subject<'a>) -> bool {
        let before = self.checked.violations.len();
        self.subject(id, subject, false);
        self.checked.violations.split_off(before.min(self.checked.violations.len())).is_empty()
    }

    fn subject(&mut self, id: NodeId, subject: Subject<'a>, strict: bool) {
        match subject {
            Subject::Value(value) => self.check(id, value, strict),
            Subject::Root(map) => {
                let Some(node) = self.arena.node(id).copied() else { return };
                if !self.deeper() {
                    return;
                }
                for (key, value) in map {
                    if let Some(id) = self.arena.property(&node, key) {
                        self.inside(Step::Key(key), id, value, strict);
                    }
                }
                if let Some(extra) = self.arena.extra(&node) {
                    self.missing(extra, map, |_| true);
                    self.combinations(extra, subject);
                }
                self.depth -= 1;
            }
        }
    }
}

/// What alternatives are about: a value, or the object itself.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Value(&'a Value),
    Root(&'a Map<String, Value>),
}

impl<'a> From<&'a Value> for Subject<'a> {
    fn from(value: &'a Value) -> Self {
        Self::Value(value)
    }
}

fn object_of(map: &Map<String, Value>) -> Subject<'_> {
    Subject::Root(map)
}
