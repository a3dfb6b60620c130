//! What is told of an object that somebody else changed: which fields, from what to what, and who
//! owns them now. Values of Secrets are masked, long ones are cut.

use objects::diff::{self, FieldChange};
use objects::fields::ManagedFields;
use objects::mask::{self, Masker};
use objects::proof::{Reason, ReasonKind};
use objects::{Object, ObjectRef};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Fields that are told of one object.
pub const DRIFT_FIELDS_MAX: usize = 32;
/// Bytes of JSON of one value that is told; of a longer one its beginning.
pub const DRIFT_VALUE_BYTES_MAX: usize = 1024;

/// A managed object that is not as it was delivered any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// Which.
    pub object: ObjectRef,
    /// What happened to it.
    pub kind: DriftKind,
    /// Who owns the fields now, sorted; without the delivery itself. Empty when nobody can tell.
    pub managers: Vec<String>,
    /// Whether it may be reverted: false when it has `orlop.dev/self-heal: disabled`.
    pub heals: bool,
    /// When it was noticed; a later look at the same drift keeps the time.
    pub noticed: Instant,
}

/// What happened to a managed object.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DriftKind {
    /// It has other values or other owners. Never empty.
    Changed(Vec<DriftField>),
    /// The same, but so many objects drifted ([`super::DRIFTS_MAX`]) that its fields are not kept.
    Differs,
    /// It was deleted, or lost the label of the delivery.
    Gone,
}

/// One field that is not as it was delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftField {
    /// As kubectl prints it.
    pub path: String,
    /// What the tree wants there, masked; `None` when it wants nothing or cannot be told.
    pub wanted: Option<Value>,
    /// What is there, masked; `None` when nothing is or it cannot be told.
    pub found: Option<Value>,
    /// Who owns it now, without the delivery itself.
    pub managers: Vec<String>,
}

impl Drift {
    /// The same without fields, which takes a fraction of the memory.
    pub(crate) fn without_fields(self) -> Self {
        let kind = match self.kind {
            DriftKind::Changed(_) | DriftKind::Differs => DriftKind::Differs,
            DriftKind::Gone => DriftKind::Gone,
        };
        Self { kind, ..self }
    }

    /// Whether the same was told before.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        Self { noticed: other.noticed, ..self.clone() } == *other
    }
}

/// The drift of an object that is there.
pub(crate) fn changed(
    desired: &Object,
    live: &Object,
    reasons: &[Reason],
    (manager, masker): (&str, &Masker),
    heals: bool,
) -> Drift {
    let kind = live.gvk().group_kind();
    let changes = diff::diff(desired, live);
    let owners = ManagedFields::of(live).unwrap_or_default();
    let fields: Vec<DriftField> = reasons
        .iter()
        .take(DRIFT_FIELDS_MAX)
        .map(|reason| {
            let change = changes
                .iter()
                .find(|change| change.path == reason.path)
                .filter(|_| reason.kind != ReasonKind::Structure)
                .map(|change| mask::mask_change(&kind, change, masker));
            let (wanted, found) = match change {
                Some(FieldChange { before, after, .. }) => (before, after),
                None => (None, None),
            };
            let mut managers: Vec<String> = owners
                .owners_of(&reason.path)
                .into_iter()
                .map(|entry| entry.manager.clone())
                .filter(|owner| owner != manager)
                .collect();
            managers.sort_unstable();
            managers.dedup();
            let (wanted, found) = (wanted.map(shortened), found.map(shortened));
            DriftField { path: reason.path.clone(), wanted, found, managers }
        })
        .collect();
    let managers: BTreeSet<&String> = fields.iter().flat_map(|field| &field.managers).collect();
    let managers = managers.into_iter().cloned().collect();
    let noticed = Instant::now();
    Drift { object: live.id(), kind: DriftKind::Changed(fields), managers, heals, noticed }
}

/// The drift of an object that is not there.
pub(crate) fn gone(object: ObjectRef, heals: bool) -> Drift {
    Drift { object, kind: DriftKind::Gone, managers: vec![], heals, noticed: Instant::now() }
}

/// A value, or the beginning of its text when it is long.
fn shortened(value: Value) -> Value {
    let text = match &value {
        Value::String(text) if text.len() > DRIFT_VALUE_BYTES_MAX => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
        _ => return value,
    };
    if text.len() <= DRIFT_VALUE_BYTES_MAX {
        return value;
    }
    let mut bytes = 0;
    let start: String = text
        .chars()
        .take_while(|c| {
            bytes += c.len_utf8();
            bytes <= DRIFT_VALUE_BYTES_MAX
        })
        .collect();
    Value::String(format!("{start}… ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::proof::{Proof, prove};
    use serde_json::json;

    fn object(value: Value) -> Object {
        Object::from_value(value).unwrap()
    }

    fn drift(kind: &str, wanted: &str, found: &str) -> Drift {
        let desired = object(json!({"apiVersion": "v1", "kind": kind,
            "metadata": {"name": "a", "namespace": "n"}, "data": {"k": wanted, "same": "eA=="}}));
        let entry = |manager: &str, operation: &str, field: &str| {
            json!({"manager": manager, "operation": operation, "apiVersion": "v1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {field: {}}}})
        };
        let live = object(json!({"apiVersion": "v1", "kind": kind,
            "metadata": {"name": "a", "namespace": "n", "managedFields": [
                entry("us", "Apply", "f:same"), entry("kubectl-edit", "Update", "f:k")]},
            "data": {"k": found, "same": "eA=="}}));
        let Proof::Unproven { reasons } = prove(&desired, &live, "us") else {
            unreachable!("it differs")
        };
        changed(&desired, &live, &reasons, ("us", &Masker::new([1; 32])), true)
    }

    #[test]
    fn gitops_22_a_drift_names_the_field_its_values_and_its_owner() {
        let drift = drift("ConfigMap", "b", "c");
        let DriftKind::Changed(fields) = &drift.kind else { unreachable!("it is there") };
        assert_eq!(fields.len(), 1, "{fields:?}");
        assert_eq!(fields[0].path, ".data.k");
        assert_eq!((&fields[0].wanted, &fields[0].found), (&Some(json!("b")), &Some(json!("c"))));
        assert_eq!(drift.managers, ["kubectl-edit"]);
    }

    #[test]
    fn gitops_13_a_drift_of_a_secret_shows_no_value() {
        let shown = format!("{:?}", drift("Secret", "Y2FuYXJ5", "dHdlZXQ="));
        assert!(shown.contains(".data.k") && shown.contains("(secret "), "{shown}");
        for value in ["Y2FuYXJ5", "canary", "dHdlZXQ=", "tweet"] {
            assert!(!shown.contains(value), "{shown}");
        }
    }

    #[test]
    fn long_values_are_cut_at_the_bound() {
        let at = json!("x".repeat(DRIFT_VALUE_BYTES_MAX));
        assert_eq!(shortened(at.clone()), at);
        let text = "ä".repeat(DRIFT_VALUE_BYTES_MAX);
        let cut = shortened(json!(text));
        let cut = cut.as_str().unwrap();
        assert!(cut.ends_with("… (2048 bytes)") && cut.len() < DRIFT_VALUE_BYTES_MAX + 20, "{cut}");
    }

    #[test]
    fn no_more_fields_are_told_than_the_bound() {
        let reason = |n: usize| Reason { path: format!(".data.k{n}"), kind: ReasonKind::NotOwned };
        let reasons: Vec<Reason> = (0..DRIFT_FIELDS_MAX + 1).map(reason).collect();
        let object = object(json!({"apiVersion": "v1", "kind": "ConfigMap"}));
        let drift = changed(&object, &object, &reasons, ("us", &Masker::new([1; 32])), true);
        let DriftKind::Changed(fields) = &drift.kind else { unreachable!("it is there") };
        assert_eq!(fields.len(), DRIFT_FIELDS_MAX);
    }
}
