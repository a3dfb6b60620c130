//! Field ownership that passes to a delivery.
//!
//! What `kubectl apply` or an `Update` once wrote keeps its own owner for ever: a field that
//! leaves Git would stay. Before the first Server-Side Apply on such an object those entries are
//! rewritten into ours, in one patch that is refused when the object has moved on.

use cluster::FieldConflict;
use objects::Object;
use objects::fields::{FieldSet, ManagedEntry, ManagedFields, Operation};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use sync::DeliveryName;
use sync::name::MANAGER_PREFIX;

/// Managers of people's clients begin with this: `kubectl`, `kubectl-client-side-apply`, ...
const CLIENT_PREFIX: &str = "kubectl";
/// The owner of everything that was there before the first Server-Side Apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Whether a manager is a person's client, whose fields a delivery takes without being forced.
pub(crate) fn is_client(manager: &str) -> bool {
    manager.starts_with(CLIENT_PREFIX) || manager == BEFORE_FIRST_APPLY
}

/// The other deliveries whose fields are taken as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deliveries {
    /// No other one.
    None,
    /// The one that the object came from.
    One(DeliveryName),
    /// Every one, by force.
    All,
}

impl Deliveries {
    fn has(&self, manager: &str) -> bool {
        let Some(name) = manager.strip_prefix(MANAGER_PREFIX) else { return false };
        match self {
            Self::None => false,
            Self::One(delivery) => delivery.as_str() == name,
            Self::All => true,
        }
    }

    /// Whether a manager's fields are taken without being forced.
    pub(crate) fn gives(&self, manager: &str) -> bool {
        is_client(manager) || self.has(manager)
    }

    /// Whether every field in conflict is taken without being forced.
    pub(crate) fn give_all(&self, conflicts: &[FieldConflict]) -> bool {
        !conflicts.is_empty() && conflicts.iter().all(|conflict| self.gives(&conflict.manager))
    }
}

/// Whose entries have to be rewritten before `manager` applies for the first time.
pub(crate) fn managers(live: &Object, manager: &str, deliveries: &Deliveries) -> Vec<String> {
    let Ok(fields) = ManagedFields::of(live) else { return Vec::new() };
    let first = fields.applied_by(manager).is_none();
    let mut found: Vec<String> = fields
        .entries
        .iter()
        .filter(|entry| is_taken(entry, manager, first, deliveries))
        .map(|entry| entry.manager.clone())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether [`managers`] could name anybody, with or without those of other deliveries: a look at
/// the entries' heads alone, for who looks at every object.
pub(crate) fn may_take(live: &Object, manager: &str) -> bool {
    let entries = live.at(&["metadata", "managedFields"]).and_then(Value::as_array);
    let mut entries = entries.into_iter().flatten();
    entries.any(|entry| {
        let text = |field| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        let owner = text("manager");
        text("subresource").is_empty()
            && match owner == manager {
                true => text("operation") == "Update",
                false => is_client(owner) || owner.starts_with(MANAGER_PREFIX),
            }
    })
}

fn is_taken(entry: &ManagedEntry, manager: &str, first: bool, deliveries: &Deliveries) -> bool {
    let ours = entry.manager == manager;
    entry.subresource.is_empty()
        && ((ours && entry.operation == Operation::Update)
            || (first && is_client(&entry.manager))
            || (!ours && deliveries.has(&entry.manager)))
}

/// The `managedFields` after the takeover; `None` when there is nothing to take.
pub(crate) fn rewritten(live: &Object, manager: &str, deliveries: &Deliveries) -> Option<Value> {
    let fields = ManagedFields::of(live).ok()?;
    let first = fields.applied_by(manager).is_none();
    let takes = |entry: &ManagedEntry| is_taken(entry, manager, first, deliveries);
    merged(live, &fields, manager, &takes)
}

/// The `managedFields` with everything that `from` owns in the name of `to`.
pub(crate) fn transferred(live: &Object, from: &str, to: &str) -> Option<Value> {
    let fields = ManagedFields::of(live).ok()?;
    merged(live, &fields, to, &|entry| entry.manager == from && entry.subresource.is_empty())
}

/// The entries that are taken become one Apply entry of `manager`, one for each version.
fn merged(
    live: &Object,
    fields: &ManagedFields,
    manager: &str,
    is_taken: &dyn Fn(&ManagedEntry) -> bool,
) -> Option<Value> {
    let stored = live.at(&["metadata", "managedFields"])?.as_array()?;
    let mut kept: Vec<Value> = Vec::new();
    let mut ours: BTreeMap<String, FieldSet> = BTreeMap::new();
    let mut taken = false;
    for (entry, raw) in fields.entries.iter().zip(stored) {
        let takes = is_taken(entry);
        let is_ours = entry.manager == manager
            && entry.operation == Operation::Apply
            && entry.subresource.is_empty();
        if !takes && !is_ours {
            kept.push(raw.clone());
            continue;
        }
        taken |= takes;
        let set = ours.entry(entry.api_version.clone()).or_default();
        *set = set.union(&entry.fields);
    }
    kept.extend(ours.into_iter().map(|(api_version, fields)| {
        json!({
            "manager": manager,
            "operation": "Apply",
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields.to_fields_v1(),
        })
    }));
    taken.then_some(Value::Array(kept))
}

/// The `managedFields` without ours; `None` when we have none. The last entry of an object
/// cannot be taken away by a list without it, so an empty one stands in its place.
pub(crate) fn released(live: &Object, manager: &str) -> Option<Value> {
    let stored = live.at(&["metadata", "managedFields"])?.as_array()?;
    let ours = |entry: &&Value| entry.get("manager").and_then(Value::as_str) == Some(manager);
    stored.iter().find(ours)?;
    let kept: Vec<Value> = stored.iter().filter(|entry| !ours(entry)).cloned().collect();
    Some(if kept.is_empty() { json!([{}]) } else { Value::Array(kept) })
}

/// The printed paths of fields that go away when the entries of `taken` managers become ours
/// and only what `after` (the outcome of a dry run) shows as ours is wanted.
pub(crate) fn removed(
    live: &Object,
    after: &Object,
    manager: &str,
    taken: &[String],
) -> Vec<String> {
    let (Ok(before), Ok(after)) = (ManagedFields::of(live), ManagedFields::of(after)) else {
        return Vec::new();
    };
    let wanted = after.applied_by(manager).map(|entry| entry.fields.clone()).unwrap_or_default();
    let (mut theirs, mut others) = (FieldSet::default(), FieldSet::default());
    for entry in &before.entries {
        let set = if taken.contains(&entry.manager) && entry.subresource.is_empty() {
            &mut theirs
        } else {
            &mut others
        };
        *set = set.union(&entry.fields);
    }
    theirs.difference(&wanted).difference(&others).paths()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn live(entries: &Value) -> Object {
        Object::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "managedFields": entries}
        }))
        .unwrap()
    }

    fn entry(manager: &str, operation: &str, key: &str) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {format!("f:{key}"): {}}}})
    }

    const OURS: &str = "orlop-sync-shop";

    #[test]
    fn gitops_3_the_entries_of_clients_become_ours_before_the_first_apply() {
        let live = live(&json!([
            entry("kubectl-client-side-apply", "Update", "a"),
            entry("kube-controller-manager", "Update", "b"),
            entry("kubectl-edit", "Update", "c"),
        ]));
        assert_eq!(
            managers(&live, OURS, &Deliveries::None),
            ["kubectl-client-side-apply", "kubectl-edit"]
        );
        let rewritten = rewritten(&live, OURS, &Deliveries::None).unwrap();
        expect![[r#"[{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:b":{}}},"manager":"kube-controller-manager","operation":"Update"},{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{},"f:c":{}}},"manager":"orlop-sync-shop","operation":"Apply"}]"#]]
        .assert_eq(&rewritten.to_string());
    }

    #[test]
    fn what_a_client_adds_later_stays_its_own() {
        let live = live(&json!([entry(OURS, "Apply", "a"), entry("kubectl-edit", "Update", "b")]));
        assert_eq!(managers(&live, OURS, &Deliveries::None), Vec::<String>::new());
        assert_eq!(rewritten(&live, OURS, &Deliveries::None), None);
    }

    #[test]
    fn another_delivery_is_taken_over_only_by_force() {
        let live = live(&json!([entry("orlop-sync-old", "Apply", "a")]));
        assert_eq!(managers(&live, OURS, &Deliveries::None), Vec::<String>::new());
        assert_eq!(managers(&live, OURS, &Deliveries::All), ["orlop-sync-old"]);
    }

    #[test]
    fn gitops_8_a_delivery_gives_its_fields_to_the_one_that_the_object_moved_to() {
        let old = "orlop-sync-old";
        let live = live(&json!([
            entry(old, "Apply", "a"),
            entry(old, "Update", "b"),
            entry("orlop-sync-third", "Apply", "c"),
        ]));
        let from = Deliveries::One("old".parse().unwrap());
        assert_eq!(managers(&live, OURS, &from), [old, old].map(str::to_owned)[..1]);
        let expected = json!([
            entry("orlop-sync-third", "Apply", "c"),
            {"manager": OURS, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}},
        ]);
        assert_eq!(rewritten(&live, OURS, &from), Some(expected.clone()));
        assert_eq!(transferred(&live, old, OURS), Some(expected));
        assert_eq!(transferred(&live, "orlop-sync-nobody", OURS), None);
    }

    #[test]
    fn a_released_object_has_no_entry_of_ours() {
        let shared = live(&json!([entry(OURS, "Apply", "a"), entry("x", "Update", "b")]));
        assert_eq!(released(&shared, OURS), Some(json!([entry("x", "Update", "b")])));
        let alone = live(&json!([entry(OURS, "Apply", "a")]));
        assert_eq!(released(&alone, OURS), Some(json!([{}])));
        assert_eq!(released(&alone, "other"), None);
    }

    #[test]
    fn fields_that_go_with_their_ownership_are_named() {
        let before =
            live(&json!([entry("kubectl", "Update", "a"), entry("kubectl", "Update", "b")]));
        let after = live(&json!([entry(OURS, "Apply", "b")]));
        assert_eq!(removed(&before, &after, OURS, &["kubectl".to_owned()]), [".data.a"]);
    }
}
