//! Fields that Go's own validation wants, of those that OpenAPI calls required.
//!
//! For a built-in kind "required" in the published document says only that the field is always
//! *written*; many of these the server fills in or does without (`roleRef.apiGroup`, the
//! `podSelector` of a NetworkPolicy). This list holds those that it refuses to miss; a test takes
//! each one from an object and asks a real API server.

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

/// Whether the server refuses an object that lacks the field.
pub(crate) fn is_enforced(definition: &str, field: &str) -> bool {
    let Some(name) = PREFIXES.iter().find_map(|prefix| definition.strip_prefix(prefix)) else {
        return false;
    };
    let at = ENFORCED.binary_search_by(|(definition, _)| definition.cmp(&name));
    let found = at.ok().and_then(|at| ENFORCED.get(at));
    found.is_some_and(|(_, fields)| fields.contains(&field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_names_what_it_means() {
        assert!(ENFORCED.is_sorted_by(|(left, _), (right, _)| left < right));
        assert!(is_enforced("io.k8s.api.core.v1.Container", "name"));
        // The server does without these, although they are "required" in its document.
        assert!(!is_enforced("io.k8s.api.rbac.v1.RoleRef", "apiGroup"));
        assert!(!is_enforced("io.k8s.api.core.v1.SleepAction", "seconds"));
        assert!(!is_enforced("com.example.v1.Container", "name"));
    }
}
