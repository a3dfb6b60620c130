//! What Go's own validation enforces, of what OpenAPI calls required or lists words for.
//!
//! For a built-in kind "required" in the published document says only that the field is always
//! *written*; many of these the server fills in or does without (`roleRef.apiGroup`, the
//! `podSelector` of a NetworkPolicy). The lists hold what a real API server was seen to refuse,
//! field by field; anything else is left to the server.

/// How the names of definitions of Kubernetes' own types begin.
const PREFIXES: [&str; 3] =
    ["io.k8s.api.", "io.k8s.apiextensions-apiserver.pkg.apis.", "io.k8s.apimachinery.pkg.apis."];

/// A definition, without its prefix, and its fields; sorted.
const ENFORCED: [(&str, &[&str]); 74] = [
    ("admissionregistration.v1.MatchCondition", &["expression", "name"]),
    ("admissionregistration.v1.ServiceReference", &["name", "namespace"]),
    (
        "admissionregistration.v1.ValidatingWebhook",
        &["admissionReviewVersions", "clientConfig", "name", "sideEffects"],
    ),
    ("apiextensions.v1.CustomResourceColumnDefinition", &["jsonPath", "name", "type"]),
    ("apiextensions.v1.CustomResourceDefinitionNames", &["kind", "plural"]),
    ("apiextensions.v1.CustomResourceDefinitionSpec", &["group", "names", "scope", "versions"]),
    ("apiextensions.v1.CustomResourceDefinitionVersion", &["name"]),
    (
        "apiextensions.v1.CustomResourceSubresourceScale",
        &["specReplicasPath", "statusReplicasPath"],
    ),
    ("apps.v1.DaemonSetSpec", &["selector", "template"]),
    ("apps.v1.DeploymentSpec", &["selector", "template"]),
    ("apps.v1.StatefulSetSpec", &["selector", "template"]),
    ("autoscaling.v2.CrossVersionObjectReference", &["kind", "name"]),
    ("autoscaling.v2.HPAScalingPolicy", &["periodSeconds", "type", "value"]),
    ("autoscaling.v2.HorizontalPodAutoscalerSpec", &["maxReplicas", "scaleTargetRef"]),
    ("autoscaling.v2.MetricIdentifier", &["name"]),
    ("autoscaling.v2.MetricSpec", &["type"]),
    ("autoscaling.v2.MetricTarget", &["type"]),
    ("autoscaling.v2.ObjectMetricSource", &["describedObject", "metric", "target"]),
    ("autoscaling.v2.PodsMetricSource", &["metric", "target"]),
    ("autoscaling.v2.ResourceMetricSource", &["name", "target"]),
    ("batch.v1.CronJobSpec", &["jobTemplate", "schedule"]),
    ("batch.v1.JobSpec", &["template"]),
    ("batch.v1.PodFailurePolicyOnExitCodesRequirement", &["operator", "values"]),
    ("batch.v1.PodFailurePolicyOnPodConditionsPattern", &["type"]),
    ("batch.v1.PodFailurePolicyRule", &["action"]),
    ("core.v1.AppArmorProfile", &["type"]),
    ("core.v1.CSIVolumeSource", &["driver"]),
    ("core.v1.ConfigMapKeySelector", &["key"]),
    ("core.v1.Container", &["name"]),
    ("core.v1.ContainerPort", &["containerPort"]),
    ("core.v1.ContainerResizePolicy", &["resourceName", "restartPolicy"]),
    ("core.v1.DownwardAPIVolumeFile", &["path"]),
    ("core.v1.EnvVar", &["name"]),
    ("core.v1.GRPCAction", &["port"]),
    ("core.v1.HTTPGetAction", &["port"]),
    ("core.v1.HTTPHeader", &["name"]),
    ("core.v1.HostAlias", &["ip"]),
    ("core.v1.HostPathVolumeSource", &["path"]),
    ("core.v1.KeyToPath", &["key", "path"]),
    ("core.v1.LimitRangeItem", &["type"]),
    ("core.v1.NFSVolumeSource", &["path", "server"]),
    ("core.v1.NodeSelector", &["nodeSelectorTerms"]),
    ("core.v1.NodeSelectorRequirement", &["key", "operator"]),
    ("core.v1.ObjectFieldSelector", &["fieldPath"]),
    ("core.v1.PersistentVolumeClaimTemplate", &["spec"]),
    ("core.v1.PersistentVolumeClaimVolumeSource", &["claimName"]),
    ("core.v1.PodAffinityTerm", &["topologyKey"]),
    ("core.v1.PodReadinessGate", &["conditionType"]),
    ("core.v1.PodSpec", &["containers"]),
    ("core.v1.PreferredSchedulingTerm", &["weight"]),
    ("core.v1.ResourceFieldSelector", &["resource"]),
    ("core.v1.ScopedResourceSelectorRequirement", &["operator", "scopeName"]),
    ("core.v1.SeccompProfile", &["type"]),
    ("core.v1.SecretKeySelector", &["key"]),
    ("core.v1.ServiceAccountTokenProjection", &["path"]),
    ("core.v1.ServicePort", &["port"]),
    ("core.v1.Sysctl", &["name"]),
    ("core.v1.TCPSocketAction", &["port"]),
    ("core.v1.TopologySelectorLabelRequirement", &["key", "values"]),
    ("core.v1.TopologySpreadConstraint", &["maxSkew", "topologyKey", "whenUnsatisfiable"]),
    ("core.v1.TypedLocalObjectReference", &["kind", "name"]),
    ("core.v1.Volume", &["name"]),
    ("core.v1.VolumeDevice", &["devicePath", "name"]),
    ("core.v1.VolumeMount", &["mountPath", "name"]),
    ("core.v1.WeightedPodAffinityTerm", &["podAffinityTerm", "weight"]),
    ("meta.v1.LabelSelectorRequirement", &["key", "operator"]),
    ("networking.v1.HTTPIngressPath", &["backend", "pathType"]),
    ("networking.v1.HTTPIngressRuleValue", &["paths"]),
    ("networking.v1.IPBlock", &["cidr"]),
    ("networking.v1.IngressClassParametersReference", &["kind", "name"]),
    ("networking.v1.IngressServiceBackend", &["name"]),
    ("rbac.v1.PolicyRule", &["verbs"]),
    ("rbac.v1.RoleRef", &["kind", "name"]),
    ("rbac.v1.Subject", &["kind", "name"]),
];

/// The same for fields with a list of words: the server refuses any other. Of a field behind a
/// feature gate that is off it drops the value instead, whatever it is.
const LISTED: [(&str, &[&str]); 36] = [
    ("admissionregistration.v1.RuleWithOperations", &["operations", "scope"]),
    (
        "admissionregistration.v1.ValidatingWebhook",
        &["failurePolicy", "matchPolicy", "sideEffects"],
    ),
    ("apiextensions.v1.ValidationRule", &["reason"]),
    ("apps.v1.DaemonSetUpdateStrategy", &["type"]),
    ("apps.v1.DeploymentStrategy", &["type"]),
    ("apps.v1.StatefulSetSpec", &["podManagementPolicy"]),
    ("apps.v1.StatefulSetUpdateStrategy", &["type"]),
    ("batch.v1.CronJobSpec", &["concurrencyPolicy"]),
    ("batch.v1.JobSpec", &["completionMode", "podReplacementPolicy"]),
    ("batch.v1.PodFailurePolicyOnExitCodesRequirement", &["operator"]),
    ("batch.v1.PodFailurePolicyRule", &["action"]),
    ("core.v1.AppArmorProfile", &["type"]),
    ("core.v1.Container", &["imagePullPolicy", "terminationMessagePolicy"]),
    ("core.v1.ContainerPort", &["protocol"]),
    ("core.v1.EphemeralContainer", &["imagePullPolicy", "terminationMessagePolicy"]),
    ("core.v1.HTTPGetAction", &["scheme"]),
    ("core.v1.NodeSelectorRequirement", &["operator"]),
    ("core.v1.PersistentVolumeClaimSpec", &["accessModes", "volumeMode"]),
    (
        "core.v1.PersistentVolumeSpec",
        &["accessModes", "persistentVolumeReclaimPolicy", "volumeMode"],
    ),
    ("core.v1.PodSecurityContext", &["fsGroupChangePolicy", "supplementalGroupsPolicy"]),
    ("core.v1.PodSpec", &["dnsPolicy", "preemptionPolicy", "restartPolicy"]),
    ("core.v1.ResourceQuotaSpec", &["scopes"]),
    ("core.v1.ScopedResourceSelectorRequirement", &["operator", "scopeName"]),
    ("core.v1.SeccompProfile", &["type"]),
    ("core.v1.SecurityContext", &["procMount"]),
    ("core.v1.ServicePort", &["protocol"]),
    (
        "core.v1.ServiceSpec",
        &[
            "externalTrafficPolicy",
            "internalTrafficPolicy",
            "ipFamilies",
            "ipFamilyPolicy",
            "sessionAffinity",
            "type",
        ],
    ),
    ("core.v1.Toleration", &["effect", "operator"]),
    (
        "core.v1.TopologySpreadConstraint",
        &["nodeAffinityPolicy", "nodeTaintsPolicy", "whenUnsatisfiable"],
    ),
    ("core.v1.VolumeMount", &["mountPropagation"]),
    ("networking.v1.HTTPIngressPath", &["pathType"]),
    ("networking.v1.NetworkPolicyPort", &["protocol"]),
    ("networking.v1.NetworkPolicySpec", &["policyTypes"]),
    ("policy.v1.PodDisruptionBudgetSpec", &["unhealthyPodEvictionPolicy"]),
    ("scheduling.v1.PriorityClass", &["preemptionPolicy"]),
    ("storage.v1.StorageClass", &["reclaimPolicy", "volumeBindingMode"]),
];

/// Whether the server refuses an object that lacks the field.
pub(crate) fn is_enforced(definition: &str, field: &str) -> bool {
    has(&ENFORCED, definition, field)
}

/// Whether the server refuses words that are not in the field's list.
pub(crate) fn is_listed(definition: &str, field: &str) -> bool {
    has(&LISTED, definition, field)
}

fn has(table: &[(&str, &[&str])], definition: &str, field: &str) -> bool {
    let Some(name) = PREFIXES.iter().find_map(|prefix| definition.strip_prefix(prefix)) else {
        return false;
    };
    let at = table.binary_search_by(|(definition, _)| definition.cmp(&name));
    let found = at.ok().and_then(|at| table.get(at));
    found.is_some_and(|(_, fields)| fields.contains(&field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_names_what_it_means() {
        for table in [&ENFORCED[..], &LISTED] {
            assert!(table.is_sorted_by(|(left, _), (right, _)| left < right));
        }
        assert!(is_listed("io.k8s.api.core.v1.Container", "imagePullPolicy"));
        assert!(!is_listed("io.k8s.api.core.v1.Lifecycle", "stopSignal"));
        assert!(is_enforced("io.k8s.api.core.v1.Container", "name"));
        // The server does without these, although they are "required" in its document.
        assert!(!is_enforced("io.k8s.api.rbac.v1.RoleRef", "apiGroup"));
        assert!(!is_enforced("io.k8s.api.core.v1.SleepAction", "seconds"));
        assert!(!is_enforced("com.example.v1.Container", "name"));
    }
}
