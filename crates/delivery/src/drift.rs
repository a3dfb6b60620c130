//! What others changed although Git did not ask for it.

use crate::desired::Desired;
use crate::look::Verdict;
use crate::report::{DRIFTED_FIELDS_MAX, DRIFTED_MAX, Drifted, DriftedField};
use objects::Object;
use objects::fields::ManagedFields;

/// The drift that was seen, bounded.
#[derive(Debug, Default)]
pub(crate) struct Drift {
    pub(crate) list: Vec<Drifted>,
    pub(crate) total: usize,
}

impl Drift {
    pub(crate) fn add(&mut self, drifted: Drifted) {
        self.total += 1;
        if self.list.len() < DRIFTED_MAX {
            self.list.push(drifted);
        }
    }
}

/// The drift of a live object, when the server's verdict shows any.
pub(crate) fn of(
    desired: &Desired,
    live: &Object,
    verdict: &Verdict,
    manager: &str,
) -> Option<Drifted> {
    let fields = ManagedFields::of(live).unwrap_or_default();
    let owners = |path: &str| {
        let others = fields.owners_of(path).into_iter().map(|entry| entry.manager.clone());
        let mut managers: Vec<String> = others.filter(|owner| owner != manager).collect();
        managers.sort_unstable();
        managers.dedup();
        managers
    };
    let mut paths: Vec<(String, Vec<String>)> = match verdict {
        Verdict::Differs { changes, .. } => {
            changes.iter().map(|change| (change.path.clone(), owners(&change.path))).collect()
        }
        Verdict::Conflict { changes, conflicts } => conflicts
            .iter()
            .map(|conflict| (conflict.path.clone(), vec![conflict.manager.clone()]))
            .chain(changes.iter().map(|change| (change.path.clone(), owners(&change.path))))
            .collect(),
        _ => return None,
    };
    paths.sort();
    paths.dedup_by(|later, first| later.0 == first.0);
    paths.truncate(DRIFTED_FIELDS_MAX);
    Some(Drifted {
        object: desired.id.clone(),
        uid: live.uid().map(str::to_owned),
        missing: false,
        self_heal: !desired.says(|directives| directives.keeps_drift),
        fields: paths.into_iter().map(|(path, managers)| DriftedField { path, managers }).collect(),
    })
}

/// The drift of an object that was delivered and is gone.
pub(crate) fn missing(desired: &Desired) -> Drifted {
    Drifted {
        object: desired.id.clone(),
        uid: None,
        missing: true,
        self_heal: !desired.says(|directives| directives.keeps_drift),
        fields: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::{GroupKind, ObjectRef};

    #[test]
    fn the_list_of_drifted_objects_is_bounded_and_their_number_is_not() {
        let mut drift = Drift::default();
        for n in 0..=DRIFTED_MAX {
            drift.add(Drifted {
                object: ObjectRef::new(GroupKind::new("", "ConfigMap"), "a", n.to_string()),
                uid: None,
                missing: true,
                self_heal: true,
                fields: Vec::new(),
            });
        }
        assert_eq!((drift.list.len(), drift.total), (DRIFTED_MAX, DRIFTED_MAX + 1));
    }
}
