//! A small model of server-side apply, and what the proof promises in front of it.
//!
//! The model has a schema by field name: `items` is merged by `name`, `set` is a set, `list`
//! and `selector` are owned as a whole, every other map is merged field by field.

use super::object;
use crate::Object;
use crate::fields::{FieldSet, PathElement};
use crate::proof::{Proof, prove};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The server's view of one object: its spec, and what the delivery owns of it.
#[derive(Debug, Clone, PartialEq)]
struct Server {
    spec: Value,
    ours: FieldSet,
}

fn key(item: &Value) -> PathElement {
    PathElement::key_of(item.as_object().unwrap(), &["name"]).unwrap()
}

/// The fields that applying `value` owns.
fn owned(name: &str, value: &Value, path: &mut Vec<PathElement>, set: &mut FieldSet) {
    match (name, value) {
        ("items", Value::Array(items)) => {
            for item in items {
                path.push(key(item));
                set.insert(path);
                owned("", item, path, set);
                path.pop();
            }
        }
        ("set", Value::Array(items)) => {
            for item in items {
                path.push(PathElement::value(item));
                set.insert(path);
                path.pop();
            }
        }
        ("selector", _) => set.insert(path),
        (_, Value::Object(map)) if !map.is_empty() => {
            for (name, value) in map {
                path.push(PathElement::field(name));
                owned(name, value, path, set);
                path.pop();
            }
        }
        _ => set.insert(path),
    }
}

fn fields_of(spec: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    owned("spec", spec, &mut vec![PathElement::field("spec")], &mut set);
    set
}

/// `wanted` laid over `live`.
fn merged(name: &str, live: Option<&Value>, wanted: &Value) -> Value {
    match (name, live, wanted) {
        ("selector", _, wanted) => wanted.clone(),
        ("items" | "set", Some(Value::Array(live)), Value::Array(wanted)) => {
            let id =
                |item: &Value| if name == "set" { PathElement::value(item) } else { key(item) };
            let shared: Vec<PathElement> =
                live.iter().map(id).filter(|one| wanted.iter().any(|w| id(w) == *one)).collect();
            let in_order = shared == wanted.iter().map(id).collect::<Vec<_>>();
            let mut result = Vec::new();
            let (first, then) = if in_order { (live, wanted) } else { (wanted, live) };
            for item in first.iter().chain(then) {
                if result.iter().any(|done| id(done) == id(item)) {
                    continue;
                }
                let find = |list: &[Value]| list.iter().find(|one| id(one) == id(item)).cloned();
                result.push(match (find(live), find(wanted)) {
                    (Some(a), Some(b)) => merged("", Some(&a), &b),
                    (a, b) => b.or(a).unwrap(),
                });
            }
            Value::Array(result)
        }
        (_, Some(Value::Object(live)), Value::Object(wanted)) => {
            let mut result = live.clone();
            for (name, value) in wanted {
                result.insert(name.clone(), merged(name, live.get(name), value));
            }
            Value::Object(result)
        }
        (_, _, wanted) => wanted.clone(),
    }
}

/// The value at a path below the root, if it is there.
fn at<'a>(root: &'a Value, path: &[PathElement]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, element| match element {
        PathElement::Field(name) => value.get(&**name),
        PathElement::Key(_) => value.as_array()?.iter().find(|item| key(item) == *element),
        PathElement::Value(_) => {
            value.as_array()?.iter().find(|item| PathElement::value(item) == *element)
        }
        PathElement::Index(index) => value.get(usize::try_from(*index).ok()?),
    })
}

impl Server {
    /// The delivery applies `wanted`.
    fn apply(&self, wanted: &Value) -> Self {
        let ours = fields_of(wanted);
        let mut spec = self.spec.clone();
        for path in members(&self.ours.difference(&ours)) {
            remove(&mut spec, path.get(1..).unwrap());
        }
        Self { spec: merged("spec", Some(&spec), wanted), ours }
    }

    /// Someone else stores `spec`: we lose what changed or went away.
    fn updated(&self, spec: Value) -> Self {
        let mut ours = FieldSet::default();
        for path in members(&self.ours) {
            let below = path.get(1..).unwrap();
            let (before, after) = (at(&self.spec, below), at(&spec, below));
            let is_item = matches!(path.last(), Some(PathElement::Key(_)));
            if after.is_some() && (is_item || before == after) {
                ours.insert(&path);
            }
        }
        Self { spec, ours }
    }

    /// A webhook rewrites the stored value behind our back: ownership stays.
    fn mutated(&self, spec: Value) -> Self {
        Self { spec, ours: self.ours.clone() }
    }

    fn document(&self) -> Object {
        object(json!({
            "apiVersion": "example.com/v1", "kind": "Thing",
            "metadata": {"name": "x", "managedFields": [{"manager": "orlop",
                "operation": "Apply", "apiVersion": "example.com/v1",
                "fieldsType": "FieldsV1", "fieldsV1": self.ours.to_fields_v1()}]},
            "spec": self.spec,
        }))
    }

    fn verdict(&self, wanted: &Value) -> Proof {
        let desired = object(json!({"apiVersion": "example.com/v1", "kind": "Thing",
            "metadata": {"name": "x"}, "spec": wanted}));
        prove(&desired, &self.document(), "orlop")
    }
}

fn members(set: &FieldSet) -> Vec<Vec<PathElement>> {
    let mut paths = Vec::new();
    set.visit(&mut Vec::new(), &mut |path, _| paths.push(path.to_vec()));
    paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
    paths
}

fn remove(root: &mut Value, path: &[PathElement]) {
    let Some((last, above)) = path.split_last() else { return };
    let holder = above.iter().try_fold(root, |value, element| match element {
        PathElement::Field(name) => value.get_mut(&**name),
        _ => {
            value.as_array_mut()?.iter_mut().find(|item| item.is_object() && key(item) == *element)
        }
    });
    match (holder, last) {
        (Some(Value::Object(map)), PathElement::Field(name)) => {
            map.remove(&**name);
        }
        (Some(Value::Array(items)), PathElement::Key(_)) => items.retain(|one| key(one) != *last),
        (Some(Value::Array(items)), PathElement::Value(_)) => {
            items.retain(|one| PathElement::value(one) != *last);
        }
        _ => {}
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(0)), Just(json!(1)), Just(json!("")), Just(json!(true))]
}

/// Without empty lists and maps: an empty merged list owns nothing, so only the server can tell
/// it from a new one.
fn without_empties(value: &Value) -> Value {
    let is_full = |value: &Value| match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    match value {
        Value::Array(items) => items.iter().map(without_empties).filter(is_full).collect(),
        Value::Object(map) => {
            let fields = map.iter().map(|(name, value)| (name.clone(), without_empties(value)));
            Value::Object(fields.filter(|(_, value)| is_full(value)).collect())
        }
        scalar => scalar.clone(),
    }
}

fn unique(names: Vec<usize>) -> Vec<usize> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn any_map(depth: u32) -> BoxedStrategy<Value> {
    let below = if depth == 0 { scalar().boxed() } else { any_map(depth - 1) };
    let item =
        (proptest::collection::vec(0..3_usize, 0..4), below.clone()).prop_map(|(names, v)| {
            let item = |name: usize| json!({"name": format!("n{name}"), "v": v});
            Value::Array(unique(names).into_iter().map(item).collect())
        });
    let set = proptest::collection::vec(0..3_usize, 0..4).prop_map(|values| json!(unique(values)));
    let list = proptest::collection::vec(0..3_usize, 0..3).prop_map(|values| json!(values));
    let selector = proptest::collection::btree_map("[ab]", scalar(), 1..3)
        .prop_map(|map| Value::Object(map.into_iter().collect()));
    let option = proptest::option::of::<BoxedStrategy<Value>>;
    (
        option(scalar().boxed()),
        option(below.clone()),
        option(item.boxed()),
        option(set.boxed()),
        option(list.boxed()),
        option(selector.boxed()),
    )
        .prop_map(|(s, m, items, set, list, selector)| {
            let fields = [
                ("s", s),
                ("m", m),
                ("items", items),
                ("set", set),
                ("list", list),
                ("selector", selector),
            ];
            let present =
                fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(present.collect::<Map<String, Value>>())
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn gitops_1_what_is_called_clean_would_not_be_changed_by_an_apply(
        first in any_map(2), base in any_map(2), foreign in any_map(2), next in any_map(2),
        (same, edit) in (any::<bool>(), 0..4_u8),
    ) {
        let server = Server { spec: base, ours: FieldSet::default() }.apply(&first);
        let server = match edit {
            0 => server,
            1 => server.updated(merged("spec", Some(&server.spec), &foreign)),
            2 => server.updated(foreign),
            _ => server.mutated(merged("spec", Some(&server.spec), &foreign)),
        };
        let wanted = if same { first } else { next };
        if server.verdict(&wanted).is_clean() {
            prop_assert_eq!(server.apply(&wanted), server);
        }
    }

    #[test]
    fn gitops_1_small_edits_in_git_are_seen(first in any_map(2), part in any_map(1)) {
        let server = Server { spec: json!({}), ours: FieldSet::default() }.apply(&first);
        let wanted = merged("spec", Some(&first), &part);
        if server.verdict(&wanted).is_clean() {
            prop_assert_eq!(server.apply(&wanted), server);
        }
    }

    #[test]
    fn gitops_5_after_one_apply_the_same_document_is_clean(
        base in any_map(2), wanted in any_map(2),
    ) {
        let wanted = merged("spec", Some(&without_empties(&wanted)), &json!({"s": 1}));
        let server = Server { spec: base, ours: FieldSet::default() }.apply(&wanted);
        prop_assert_eq!(server.verdict(&wanted), Proof::Clean);
    }
}
