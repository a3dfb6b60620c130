//! A kind as the API server serves it: where its objects live and what may be done with them.

use crate::ClusterError;
use objects::{GroupVersionKind, ObjectRef};

/// One served resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Group, version and kind.
    pub gvk: GroupVersionKind,
    /// The name in the URL: `deployments`.
    pub plural: String,
    /// The name for one: `deployment`; may be empty.
    pub singular: String,
    /// Short names: `deploy`.
    pub short_names: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What the server offers: `get`, `list`, `watch`, ...
    pub verbs: Vec<String>,
    /// Subresources: `status`, `scale`.
    pub subresources: Vec<String>,
}

impl Resource {
    /// Whether the server offers this verb.
    #[must_use]
    pub fn supports(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// `deployments.apps`, `pods`: as kubectl and RBAC messages write it.
    #[must_use]
    pub fn name(&self) -> String {
        if self.gvk.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.gvk.group)
        }
    }

    /// The printed identity of one object of this resource.
    #[must_use]
    pub fn subject(&self, namespace: &str, name: &str) -> String {
        if name.is_empty() {
            return match namespace {
                "" => self.name(),
                namespace => format!("{} in {namespace}", self.name()),
            };
        }
        ObjectRef::new(self.gvk.group_kind(), namespace, name).to_string()
    }

    /// The URL path of the collection (empty `name`) or of one object, with a subresource.
    pub(crate) fn path(
        &self,
        namespace: &str,
        name: &str,
        subresource: Option<&str>,
    ) -> Result<String, ClusterError> {
        let mut path = if self.gvk.group.is_empty() {
            format!("/api/{}", encoded(&self.gvk.version))
        } else {
            format!("/apis/{}/{}", encoded(&self.gvk.group), encoded(&self.gvk.version))
        };
        let bad = |message: &str| ClusterError::BadRequest {
            subject: self.subject(namespace, name),
            message: message.to_owned(),
        };
        for part in [namespace, name] {
            if part == "." || part == ".." || part.contains('/') {
                return Err(bad("a name must not be `.` or `..` or contain `/`"));
            }
        }
        if self.namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(&encoded(namespace));
        } else if self.namespaced && !name.is_empty() {
            return Err(bad("the kind lives in a namespace and none is given"));
        }
        path.push('/');
        path.push_str(&encoded(&self.plural));
        for part in [Some(name), subresource].into_iter().flatten().filter(|part| !part.is_empty())
        {
            path.push('/');
            path.push_str(&encoded(part));
        }
        Ok(path)
    }
}

/// Percent-encodes everything but unreserved characters and `:` (legal in names of RBAC objects).
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(api_version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
        Resource {
            gvk: GroupVersionKind::from_api_version(api_version, kind),
            plural: plural.to_owned(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced,
            verbs: vec!["get".to_owned()],
            subresources: Vec::new(),
        }
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let deployments = resource("apps/v1", "Deployment", "deployments", true);
        let path = |namespace, name, sub| deployments.path(namespace, name, sub).unwrap();
        assert_eq!(
            path("shop", "web", Some("status")),
            "/apis/apps/v1/namespaces/shop/deployments/web/status"
        );
        assert_eq!(path("", "", None), "/apis/apps/v1/deployments");
        let roles = resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false);
        assert_eq!(
            roles.path("ignored", "system:a b", None).unwrap(),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%20b"
        );
        let nodes = resource("v1", "Node", "nodes", false);
        assert_eq!(nodes.path("", "n1", None).unwrap(), "/api/v1/nodes/n1");
    }

    #[test]
    fn a_name_can_never_leave_its_collection() {
        let pods = resource("v1", "Pod", "pods", true);
        for name in ["..", ".", "a/b", "../../secrets/x"] {
            assert!(pods.path("shop", name, None).is_err(), "{name}");
            assert!(pods.path(name, "web", None).is_err(), "{name}");
        }
        assert!(pods.path("", "web", None).is_err());
        assert_eq!(
            pods.path("a", "x?y=1&z#%2e", None).unwrap(),
            "/api/v1/namespaces/a/pods/x%3Fy%3D1%26z%23%252e"
        );
    }
}
