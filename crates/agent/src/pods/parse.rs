//! What is kept of a pod, and reading it from the API server's JSON. Fields that nobody asked for
//! are skipped while reading, so a pod costs what is kept of it.

use super::{ATTRIBUTES_PER_POD_MAX, CONTAINERS_MAX, VALUE_BYTES_MAX};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What records say about their pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pod {
    /// The name of the folder with its logs.
    pub(crate) folder: String,
    /// `(k8s.deployment.name, web)` and the like.
    pub(crate) owner: Option<(&'static str, String)>,
    /// The label that names the application, whichever labels are kept.
    pub(crate) app: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) containers: Vec<Container>,
}

/// What records say about their container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    /// How often it was started again.
    restarts: i64,
    /// That of the instance that is there now, and of the one before.
    ids: [String; 2],
}

impl Container {
    /// The id of the instance with this number, while it is known.
    pub(crate) fn id(&self, restart: u32) -> Option<&str> {
        let age = usize::try_from(self.restarts.saturating_sub(i64::from(restart))).ok()?;
        self.ids.get(age).map(String::as_str).filter(|id| !id.is_empty())
    }
}

/// Which labels and annotations are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Names, or `*`.
    pub(crate) labels: Vec<String>,
    pub(crate) annotations: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct ListBody {
    #[serde(default)]
    pub(super) metadata: ListMeta,
    #[serde(default)]
    pub(super) items: Vec<PodBody>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMeta {
    pub(super) resource_version: String,
}

/// One line of a watch; `object` is a pod, a bookmark or a status.
#[derive(Deserialize)]
pub(super) struct EventBody {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) object: PodBody,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct PodBody {
    pub(super) metadata: Meta,
    spec: Spec,
    status: Status,
    /// Of a `Status` object.
    pub(super) code: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    name: String,
    namespace: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    controller: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    // Null in a bookmark.
    containers: Option<Vec<SpecContainer>>,
    init_containers: Option<Vec<SpecContainer>>,
    /// Those of `kubectl debug`, which come to a pod that runs.
    ephemeral_containers: Option<Vec<SpecContainer>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SpecContainer {
    name: String,
    image: String,
}

// A status is an object of a pod and a text of a `Status`; the text is of no interest.
#[derive(Default)]
struct Status(StatusFields);

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct StatusFields {
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Fields(StatusFields),
            Other(serde::de::IgnoredAny),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Fields(fields) => Self(fields),
            Either::Other(_) => Self::default(),
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    #[serde(rename = "containerID")]
    container_id: String,
    restart_count: i64,
    last_state: Option<LastState>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LastState {
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Terminated {
    #[serde(rename = "containerID")]
    container_id: String,
}

impl ContainerStatus {
    /// The ids of the instance that is there now, and of the one before.
    fn ids(&self) -> [String; 2] {
        let last = self.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        // While it waits to be started again, both are the one that ended.
        let before = last.map(|last| &last.container_id).filter(|id| **id != self.container_id);
        [bare_id(&self.container_id), before.map(|id| bare_id(id)).unwrap_or_default()]
    }
}

impl PodBody {
    /// What is kept; nothing when it is no pod.
    pub(super) fn kept(self, wanted: &Wanted) -> Option<Pod> {
        let meta = self.metadata;
        if meta.uid.is_empty() || meta.name.is_empty() {
            return None;
        }
        let owners = meta.owner_references.unwrap_or_default();
        let mut annotations = meta.annotations.unwrap_or_default();
        // The kubelet names the folder of a static pod by the hash of its file, not by its UID.
        let is_mirror = annotations.contains_key(CONFIG_MIRROR)
            && owners.iter().any(|owner| owner.kind == "Node");
        let uid = is_mirror.then(|| annotations.remove(CONFIG_HASH)).flatten().unwrap_or(meta.uid);
        let status = self.status.0;
        let known: Vec<ContainerStatus> = [
            status.container_statuses,
            status.init_container_statuses,
            status.ephemeral_container_statuses,
        ]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
        let spec = self.spec;
        let containers = [spec.containers, spec.init_containers, spec.ephemeral_containers]
            .into_iter()
            .flatten()
            .flatten()
            .take(CONTAINERS_MAX)
            .map(|one| {
                let status = known.iter().find(|status| status.name == one.name);
                Container {
                    restarts: status.map_or(0, |status| status.restart_count),
                    ids: status.map(ContainerStatus::ids).unwrap_or_default(),
                    name: cut(one.name),
                    image: cut(one.image),
                }
            })
            .collect();
        let labels = meta.labels.unwrap_or_default();
        let owner = owner(owners, &labels);
        let app = labels.get(APP).cloned().map(cut);
        Some(Pod {
            folder: cut(format!("{}_{}_{uid}", meta.namespace, meta.name)),
            owner,
            app,
            labels: chosen(labels, &wanted.labels),
            annotations: chosen(annotations, &wanted.annotations),
            containers,
        })
    }
}

/// Written by the kubelet onto the API's picture of a static pod, which its node owns.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";
const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// The label with the name of the application.
const APP: &str = "app.kubernetes.io/name";

fn chosen(all: BTreeMap<String, String>, wanted: &[String]) -> Vec<(String, String)> {
    let every = wanted.iter().any(|name| name == "*");
    all.into_iter()
        .filter(|(name, _)| every || wanted.contains(name))
        .take(ATTRIBUTES_PER_POD_MAX)
        .map(|(name, value)| (cut(name), cut(value)))
        .collect()
}

/// Who made the pod, in the words of OpenTelemetry. The Deployment behind a ReplicaSet is known by
/// the hash that the ReplicaSet's name ends with.
fn owner(owners: Vec<Owner>, labels: &BTreeMap<String, String>) -> Option<(&'static str, String)> {
    let owner = owners.into_iter().find(|owner| owner.controller)?;
    let (key, name) = match owner.kind.as_str() {
        "ReplicaSet" => {
            let hash = labels.get("pod-template-hash").map(|hash| format!("-{hash}"));
            let deployment =
                hash.and_then(|hash| owner.name.strip_suffix(&hash).map(str::to_owned));
            match deployment {
                Some(deployment) => ("k8s.deployment.name", deployment),
                None => ("k8s.replicaset.name", owner.name),
            }
        }
        "StatefulSet" => ("k8s.statefulset.name", owner.name),
        "DaemonSet" => ("k8s.daemonset.name", owner.name),
        "Job" => ("k8s.job.name", owner.name),
        "CronJob" => ("k8s.cronjob.name", owner.name),
        _ => return None,
    };
    Some((key, cut(name)))
}

/// `containerd://abc` without the runtime.
fn bare_id(id: &str) -> String {
    cut(id.rsplit("://").next().unwrap_or_default().to_owned())
}

fn cut(mut text: String) -> String {
    if text.len() > VALUE_BYTES_MAX {
        let mut end = VALUE_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn read(value: &serde_json::Value, wanted: &Wanted) -> Option<Pod> {
        serde_json::from_value::<PodBody>(value.clone()).unwrap().kept(wanted)
    }

    fn pod() -> serde_json::Value {
        json!({
            "metadata": {
                "name": "web-5d4f-x", "namespace": "shop", "uid": "u1", "resourceVersion": "7",
                "labels": {"app": "web", "pod-template-hash": "5d4f"},
                "annotations": {"team": "a", "noise": "b"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d4f", "controller": true}],
            },
            "spec": {"containers": [{"name": "app", "image": "web:1", "env": [{"name": "SECRET", "value": "CANARY"}]}]},
            "status": {"containerStatuses": [{"name": "app", "containerID": "containerd://abc"}]},
        })
    }

    #[test]
    fn r27_a_pod_keeps_owner_labels_chosen_annotations_and_containers_and_nothing_else() {
        let wanted = Wanted { labels: vec!["*".into()], annotations: vec!["team".into()] };
        let kept = read(&pod(), &wanted).unwrap();
        assert_eq!(kept.owner, Some(("k8s.deployment.name", "web".to_owned())));
        assert_eq!(kept.annotations, [("team".to_owned(), "a".to_owned())]);
        assert_eq!(kept.labels.len(), 2);
        let [container] = kept.containers.as_slice() else { panic!("{kept:?}") };
        assert_eq!((&*container.name, &*container.image), ("app", "web:1"));
        assert_eq!((container.id(0), container.id(1)), (Some("abc"), None));
        assert!(!format!("{kept:?}").contains("CANARY"));
    }

    #[test]
    fn r27_the_id_of_a_container_is_that_of_the_instance_whose_number_its_log_has() {
        let ids = |status: serde_json::Value| {
            let mut value = pod();
            value["status"]["containerStatuses"] = json!([status]);
            let kept = read(&value, &Wanted::default()).unwrap();
            [0, 1, 2, 3].map(|restart| kept.containers[0].id(restart).unwrap_or("-").to_owned())
        };
        let last = |id: &str| json!({"terminated": {"containerID": format!("containerd://{id}")}});
        assert_eq!(ids(json!({"name": "app", "restartCount": 0})), ["-", "-", "-", "-"]);
        let running = json!({"name": "app", "restartCount": 2, "containerID": "containerd://c",
            "lastState": last("b")});
        assert_eq!(ids(running), ["-", "b", "c", "-"]);
        // Between two tries there is only the one that ended, and it is told twice.
        let waiting = json!({"name": "app", "restartCount": 1, "containerID": "containerd://b",
            "lastState": last("b")});
        assert_eq!(ids(waiting), ["-", "b", "-", "-"]);
    }

    #[test]
    fn r27_init_containers_and_those_of_a_debugger_have_an_image_and_an_id_too() {
        let mut value = pod();
        for (declared, status, name) in [
            ("initContainers", "initContainerStatuses", "init"),
            ("ephemeralContainers", "ephemeralContainerStatuses", "debugger-x"),
        ] {
            value["spec"][declared] = json!([{"name": name, "image": format!("{name}:1")}]);
            value["status"][status] =
                json!([{"name": name, "containerID": format!("containerd://{name}-id")}]);
        }
        let kept = read(&value, &Wanted::default()).unwrap();
        let all: Vec<_> =
            kept.containers.iter().map(|one| (&*one.name, &*one.image, one.id(0))).collect();
        assert_eq!(
            all,
            [
                ("app", "web:1", Some("abc")),
                ("init", "init:1", Some("init-id")),
                ("debugger-x", "debugger-x:1", Some("debugger-x-id")),
            ]
        );
    }

    /// A pod as it is when its annotations say that it is the picture of a static one.
    fn mirror(name: &str, hash: &str) -> serde_json::Value {
        let mut value = pod();
        value["metadata"]["name"] = json!(name);
        value["metadata"]["annotations"] = json!({CONFIG_HASH: hash, CONFIG_MIRROR: hash});
        value["metadata"]["ownerReferences"] =
            json!([{"kind": "Node", "name": "n1", "controller": true}]);
        value
    }

    #[test]
    fn r27_a_static_pod_is_found_by_the_hash_that_names_its_folder() {
        let folder = |value| read(&value, &Wanted::default()).unwrap().folder;
        assert_eq!(folder(mirror("etcd", "h1")), "shop_etcd_h1");
        // A copy of one that somebody made has a folder like any other pod.
        let mut copy = mirror("etcd", "h1");
        copy["metadata"]["ownerReferences"] = json!([]);
        assert_eq!(folder(copy), "shop_etcd_u1");
        let mut copy = mirror("etcd", "h1");
        copy["metadata"]["annotations"] = json!({CONFIG_HASH: "h1"});
        assert_eq!(folder(copy), "shop_etcd_u1");
    }

    #[test]
    fn r27_no_pod_says_anything_about_the_logs_of_another_one() {
        let log = std::path::Path::new("/var/log/pods/shop_web-5d4f-x_u1/app/0.log");
        let folder = crate::pods::folder(log).unwrap();
        let (table, wanted) = (crate::pods::Table::default(), Wanted::default());
        let victim = read(&pod(), &wanted).unwrap();
        table.put(victim.clone());
        for name in ["evil", "evil_web-5d4f-x", ""] {
            for namespace in ["shop", "other"] {
                let mut evil = mirror(name, "u1");
                evil["metadata"]["namespace"] = json!(namespace);
                if let Some(evil) = read(&evil, &wanted) {
                    table.put(evil.clone());
                    table.delete(&evil.folder);
                }
            }
        }
        assert_eq!(table.get(folder).as_deref(), Some(&victim));
    }

    #[test]
    fn r27_a_bookmark_as_an_api_server_writes_it_is_read() {
        let line = br#"{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":
            {"resourceVersion":"1200"},"spec":{"containers":null},"status":{}}}"#;
        let event: EventBody = serde_json::from_slice(line).unwrap();
        assert_eq!(event.kind, "BOOKMARK");
        assert_eq!(event.object.metadata.resource_version, "1200");
    }

    #[test]
    fn a_status_and_an_empty_object_are_no_pods_and_long_values_are_cut() {
        assert_eq!(
            read(&json!({"kind": "Status", "status": "Failure", "code": 410}), &Wanted::default()),
            None
        );
        assert_eq!(read(&json!({}), &Wanted::default()), None);
        let mut value = pod();
        value["metadata"]["labels"] = json!({"long": "ä".repeat(VALUE_BYTES_MAX)});
        let wanted = Wanted { labels: vec!["*".into()], annotations: Vec::new() };
        let kept = read(&value, &wanted).unwrap();
        assert_eq!(kept.labels[0].1.len(), VALUE_BYTES_MAX);
    }
}
