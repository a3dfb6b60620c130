//! The order of the output: as appended, or by kind as kustomize always did.

use crate::id::Gvk;
use crate::resource::Resource;
use crate::spec::Sort;
use std::collections::HashMap;

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Puts the objects into the order of the output.
pub(crate) fn sort(all: &mut [Resource], order: Option<&Sort>) {
    let texts = |list: &[&str]| list.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
    let (first, last) = match order {
        Some(Sort::Fifo) => return,
        Some(Sort::Legacy { first, last }) => (first.clone(), last.clone()),
        Some(Sort::Default) | None => (texts(&FIRST), texts(&LAST)),
    };
    let mut ranks: HashMap<&str, i64> = HashMap::new();
    let count = i64::try_from(first.len()).unwrap_or(i64::MAX);
    for (kind, rank) in first.iter().zip(-count..) {
        ranks.insert(kind, rank);
    }
    for (kind, rank) in last.iter().zip(1..) {
        ranks.insert(kind, rank);
    }
    all.sort_by_cached_key(|resource| {
        let id = resource.id();
        let rank = ranks.get(id.gvk.kind.as_str()).copied().unwrap_or(0);
        let place = format!("{}|{}", or(&id.namespace, "~X"), or(&id.name, "~N"));
        (rank, kind_text(&id.gvk), place)
    });
}

fn or(text: &str, absent: &str) -> String {
    if text.is_empty() { absent.to_owned() } else { text.to_owned() }
}

/// Group, version and kind as they are compared.
fn kind_text(gvk: &Gvk) -> String {
    format!("{}_{}_{}", or(&gvk.group, "~G"), or(&gvk.version, "~V"), or(&gvk.kind, "~K"))
}
