//! Which other objects an object names, so that what cannot work is held and not tried.
//!
//! Only references whose target must exist for the object to be of any use: `optional: true` is
//! left out. What is not in the tree is taken to exist already.

use objects::{GroupKind, Object, ObjectRef};
use serde_json::Value;

/// Where a Pod's specification stands, by kind.
const POD_SPECS: [(&str, &[&str]); 8] = [
    ("Pod", &["spec"]),
    ("ReplicationController", &["spec", "template", "spec"]),
    ("ReplicaSet", &["spec", "template", "spec"]),
    ("Deployment", &["spec", "template", "spec"]),
    ("StatefulSet", &["spec", "template", "spec"]),
    ("DaemonSet", &["spec", "template", "spec"]),
    ("Job", &["spec", "template", "spec"]),
    ("CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
];
const RBAC: &str = "rbac.authorization.k8s.io";

/// The objects that `object` names; its own namespace must be set already.
#[must_use]
pub fn references(object: &Object) -> Vec<ObjectRef> {
    let mut found = Found { namespace: object.namespace(), refs: Vec::new() };
    let group = object.gvk().group;
    match object.kind() {
        "RoleBinding" | "ClusterRoleBinding" if group == RBAC => found.role(object),
        "Ingress" => found.ingress(object),
        kind if matches!(group.as_str(), "" | "apps" | "batch") => {
            let path = POD_SPECS.iter().find(|(known, _)| *known == kind).map(|(_, path)| *path);
            if let Some(spec) = path.and_then(|path| object.at(path)) {
                found.pod(spec);
            }
        }
        _ => {}
    }
    found.refs.sort_unstable();
    found.refs.dedup();
    found.refs
}

struct Found<'a> {
    namespace: &'a str,
    refs: Vec<ObjectRef>,
}

impl Found<'_> {
    fn add(&mut self, kind: &str, name: Option<&Value>) {
        if let Some(name) = name.and_then(Value::as_str).filter(|name| !name.is_empty()) {
            self.refs.push(ObjectRef::new(GroupKind::new("", kind), self.namespace, name));
        }
    }

    /// A reference with an `optional` beside its name.
    fn add_required(&mut self, kind: &str, reference: Option<&Value>, key: &str) {
        let Some(reference) = reference else { return };
        if reference.get("optional").and_then(Value::as_bool) != Some(true) {
            self.add(kind, reference.get(key));
        }
    }

    fn pod(&mut self, spec: &Value) {
        self.add("ServiceAccount", spec.get("serviceAccountName"));
        for volume in list(spec.get("volumes")) {
            self.volume(volume);
        }
        let containers =
            ["initContainers", "containers"].iter().flat_map(|key| list(spec.get(key)));
        for container in containers {
            for source in list(container.get("envFrom")) {
                self.add_required("ConfigMap", source.get("configMapRef"), "name");
                self.add_required("Secret", source.get("secretRef"), "name");
            }
            for source in list(container.get("env")).filter_map(|env| env.get("valueFrom")) {
                self.add_required("ConfigMap", source.get("configMapKeyRef"), "name");
                self.add_required("Secret", source.get("secretKeyRef"), "name");
            }
        }
    }

    fn volume(&mut self, volume: &Value) {
        self.add_required("ConfigMap", volume.get("configMap"), "name");
        self.add_required("Secret", volume.get("secret"), "secretName");
        self.add(
            "PersistentVolumeClaim",
            volume.get("persistentVolumeClaim").and_then(|claim| claim.get("claimName")),
        );
        for source in list(volume.get("projected").and_then(|projected| projected.get("sources"))) {
            self.add_required("ConfigMap", source.get("configMap"), "name");
            self.add_required("Secret", source.get("secret"), "name");
        }
    }

    fn role(&mut self, binding: &Object) {
        let kind = binding.str_at(&["roleRef", "kind"]).unwrap_or_default();
        let namespace = if kind == "Role" { self.namespace } else { "" };
        if let Some(name) = binding.str_at(&["roleRef", "name"]) {
            self.refs.push(ObjectRef::new(GroupKind::new(RBAC, kind), namespace, name));
        }
    }

    fn ingress(&mut self, ingress: &Object) {
        let class = ingress.str_at(&["spec", "ingressClassName"]);
        if let Some(class) = class {
            let kind = GroupKind::new("networking.k8s.io", "IngressClass");
            self.refs.push(ObjectRef::new(kind, "", class));
        }
    }
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(value: Value) -> Vec<String> {
        let object = Object::from_value(value).unwrap();
        references(&object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_workload_names_what_its_pods_cannot_start_without() {
        let found = names(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"spec": {
                "serviceAccountName": "web",
                "volumes": [
                    {"name": "a", "configMap": {"name": "settings"}},
                    {"name": "b", "secret": {"secretName": "keys"}},
                    {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
                    {"name": "d", "configMap": {"name": "maybe", "optional": true}},
                    {"name": "e", "projected": {"sources": [{"secret": {"name": "token"}}]}},
                ],
                "initContainers": [{"envFrom": [{"configMapRef": {"name": "boot"}}]}],
                "containers": [{"env": [
                    {"name": "X", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "x"}}},
                    {"name": "Y", "value": "plain"},
                ]}],
            }}}
        }));
        assert_eq!(
            found,
            [
                "ConfigMap shop/boot",
                "ConfigMap shop/settings",
                "PersistentVolumeClaim shop/data",
                "Secret shop/keys",
                "Secret shop/token",
                "ServiceAccount shop/web"
            ]
        );
    }

    #[test]
    fn a_binding_names_its_role_in_the_right_scope() {
        let binding = |kind: &str| {
            names(json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": "x", "namespace": "shop"},
                "roleRef": {"kind": kind, "name": "r"}
            }))
        };
        assert_eq!(binding("Role"), ["Role.rbac.authorization.k8s.io shop/r"]);
        assert_eq!(binding("ClusterRole"), ["ClusterRole.rbac.authorization.k8s.io r"]);
    }

    #[test]
    fn a_foreign_kind_of_the_same_name_names_nothing() {
        let value = json!({"apiVersion": "example.com/v1", "kind": "Deployment",
            "metadata": {"name": "x"}, "spec": {"template": {"spec": {"serviceAccountName": "a"}}}});
        assert_eq!(names(value), Vec::<String>::new());
    }
}
