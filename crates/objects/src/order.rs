//! In which order kinds are installed: what others stand on comes first.
//!
//! A rank is a small number; objects of a lower rank are applied first, and deletes run in
//! reverse. The order inside one rank is the caller's (by namespace and name). Namespaces and
//! custom resource definitions come first because other objects cannot even be created without
//! them; admission webhooks come last because, once installed, they can refuse everything that
//! their own (not yet running) server has not answered for.
//!
//! A kind that is not in the table is a custom resource: it comes after every workload (its
//! controller and its aggregated API are up by then) and before the webhooks.

use crate::GroupKind;

/// Rank of every kind that the table of built-in kinds does not name.
pub const CUSTOM_RESOURCE_RANK: u16 = 800;

const ADMISSION: &str = "admissionregistration.k8s.io";
const APPS: &str = "apps";
const BATCH: &str = "batch";
const CORE: &str = "";
const EXTENSIONS: &str = "apiextensions.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const POLICY: &str = "policy";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// Group, kind, rank. Kinds of one rank do not depend on each other.
const RANKS: [(&str, &str, u16); 56] = [
    (CORE, "Namespace", 0),
    (EXTENSIONS, "CustomResourceDefinition", 10),
    ("scheduling.k8s.io", "PriorityClass", 100),
    ("node.k8s.io", "RuntimeClass", 100),
    (STORAGE, "StorageClass", 100),
    (STORAGE, "VolumeAttributesClass", 100),
    (STORAGE, "CSIDriver", 100),
    (NETWORKING, "IngressClass", 100),
    ("resource.k8s.io", "DeviceClass", 100),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", 100),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", 105),
    (NETWORKING, "NetworkPolicy", 110),
    (CORE, "ResourceQuota", 120),
    (CORE, "LimitRange", 120),
    (POLICY, "PodSecurityPolicy", 120),
    (CORE, "ServiceAccount", 200),
    (RBAC, "ClusterRole", 210),
    (RBAC, "Role", 210),
    (RBAC, "ClusterRoleBinding", 220),
    (RBAC, "RoleBinding", 220),
    (CORE, "Secret", 300),
    (CORE, "ConfigMap", 300),
    (CORE, "PersistentVolume", 310),
    (CORE, "PersistentVolumeClaim", 320),
    ("resource.k8s.io", "ResourceClaim", 320),
    ("resource.k8s.io", "ResourceClaimTemplate", 320),
    (CORE, "Service", 400),
    (CORE, "Endpoints", 410),
    ("discovery.k8s.io", "EndpointSlice", 410),
    (POLICY, "PodDisruptionBudget", 420),
    (CORE, "PodTemplate", 490),
    (APPS, "ControllerRevision", 490),
    (APPS, "DaemonSet", 500),
    (CORE, "Pod", 510),
    (CORE, "ReplicationController", 510),
    (APPS, "ReplicaSet", 510),
    (APPS, "StatefulSet", 520),
    (APPS, "Deployment", 520),
    ("autoscaling", "HorizontalPodAutoscaler", 530),
    (BATCH, "Job", 540),
    (BATCH, "CronJob", 550),
    (NETWORKING, "Ingress", 600),
    (NETWORKING, "IPAddress", 600),
    (NETWORKING, "ServiceCIDR", 600),
    ("coordination.k8s.io", "Lease", 610),
    ("certificates.k8s.io", "CertificateSigningRequest", 610),
    ("certificates.k8s.io", "ClusterTrustBundle", 610),
    (CORE, "Node", 610),
    (STORAGE, "CSINode", 620),
    (STORAGE, "VolumeAttachment", 620),
    ("apiregistration.k8s.io", "APIService", 700),
    (ADMISSION, "ValidatingAdmissionPolicy", 900),
    (ADMISSION, "MutatingAdmissionPolicy", 900),
    (ADMISSION, "ValidatingAdmissionPolicyBinding", 910),
    (ADMISSION, "ValidatingWebhookConfiguration", 920),
    (ADMISSION, "MutatingWebhookConfiguration", 920),
];

/// The rank of a kind: install in ascending order, delete in descending order.
#[must_use]
pub fn install_rank(kind: &GroupKind) -> u16 {
    let kind = kind.clone().canonical();
    RANKS
        .iter()
        .find(|(group, name, _)| *group == kind.group && *name == kind.kind)
        .map_or(CUSTOM_RESOURCE_RANK, |(_, _, rank)| *rank)
}

/// Whether objects of this kind define where or what other objects can be (Namespace,
/// `CustomResourceDefinition`): they must be ready, not merely applied, before their users.
#[must_use]
pub fn is_cluster_definition(kind: &GroupKind) -> bool {
    is(kind, CORE, "Namespace") || is(kind, EXTENSIONS, "CustomResourceDefinition")
}

/// Whether deleting an object of this kind deletes what it holds as well (a namespace and its
/// objects, a definition and its custom resources, a volume and its data): a prune asks first.
#[must_use]
pub fn holds_others(kind: &GroupKind) -> bool {
    is_cluster_definition(kind)
        || is(kind, CORE, "PersistentVolumeClaim")
        || is(kind, CORE, "PersistentVolume")
}

/// Whether the kind belongs to Kubernetes itself, so that the server's own rules (defaults,
/// dropped zero values, canonical quantities) are known.
#[must_use]
pub fn is_built_in(kind: &GroupKind) -> bool {
    install_rank(kind) != CUSTOM_RESOURCE_RANK
}

fn is(kind: &GroupKind, group: &str, name: &str) -> bool {
    kind.group == group && kind.kind == name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(group: &str, kind: &str) -> u16 {
        install_rank(&GroupKind::new(group, kind))
    }

    #[test]
    fn what_others_stand_on_is_installed_first() {
        let chain = [
            rank(CORE, "Namespace"),
            rank(EXTENSIONS, "CustomResourceDefinition"),
            rank(CORE, "ServiceAccount"),
            rank(RBAC, "Role"),
            rank(RBAC, "RoleBinding"),
            rank(CORE, "ConfigMap"),
            rank(CORE, "PersistentVolumeClaim"),
            rank(CORE, "Service"),
            rank(APPS, "Deployment"),
            rank("autoscaling", "HorizontalPodAutoscaler"),
            rank(NETWORKING, "Ingress"),
            rank("apiregistration.k8s.io", "APIService"),
            rank("example.com", "Shop"),
            rank(ADMISSION, "ValidatingWebhookConfiguration"),
        ];
        assert!(chain.is_sorted_by(|a, b| a < b), "{chain:?}");
    }

    #[test]
    fn gitops_10_a_renamed_group_keeps_its_rank() {
        assert_eq!(rank("extensions", "Ingress"), rank(NETWORKING, "Ingress"));
    }

    #[test]
    fn a_kind_of_the_same_name_in_another_group_is_a_custom_resource() {
        assert_eq!(rank("serving.knative.dev", "Service"), CUSTOM_RESOURCE_RANK);
        assert!(!is_built_in(&GroupKind::new("serving.knative.dev", "Service")));
        assert!(is_built_in(&GroupKind::new("", "Service")));
    }

    #[test]
    fn the_table_names_every_kind_once() {
        for (index, (group, kind, _)) in RANKS.iter().enumerate() {
            let same = |(g, k, _): &&(&str, &str, u16)| g == group && k == kind;
            assert_eq!(RANKS.iter().filter(same).count(), 1, "{index}: {kind}.{group}");
        }
    }

    #[test]
    fn definitions_and_data_holders_are_told_apart() {
        let claim = GroupKind::new("", "PersistentVolumeClaim");
        assert!(holds_others(&claim) && !is_cluster_definition(&claim));
        assert!(is_cluster_definition(&GroupKind::new("", "Namespace")));
        assert!(!holds_others(&GroupKind::new("", "ConfigMap")));
    }
}
