//! Nodes: raising them, and what a test does to one of them.

use super::READY_LIMIT;
use super::api::Api;
use super::launch::Launcher;
use super::network;
use super::programs::{self, Program, containerd_socket, first_objects, programs};
use super::record::{Isolation, Place, Record, cidr, node_pod_range};
use super::status::not_ready;
use crate::error::tail;
use crate::{TestbedError, files, wait};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

/// Local volumes that each node offers.
const VOLUMES_PER_NODE: u8 = 16;
/// What each volume offers; a folder knows no limit, so this is what claims are matched against.
const VOLUME_CAPACITY: &str = "10Gi";

/// A node of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    record: &'a Record,
    number: u8,
}

impl<'a> Node<'a> {
    pub(crate) fn new(record: &'a Record, number: u8) -> Self {
        Self { record, number }
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> String {
        self.place().name()
    }

    /// The folder of its pods' logs, as the kubelet lays them out; other nodes have it at
    /// `/var/log/pods`.
    #[must_use]
    pub fn pod_logs(&self) -> std::path::PathBuf {
        self.record.place_dir(self.place()).join("pod-logs")
    }

    /// Ends everything on the node at once, as when its power is cut.
    ///
    /// # Errors
    /// When something does not end.
    pub fn kill(&self) -> Result<(), TestbedError> {
        let cgroups = super::cgroup::Cgroups::of_host();
        let group = self.record.place_cgroup(self.place());
        let gone = wait::until(super::KILL_LIMIT, || {
            cgroups.kill(&group);
            Ok::<_, TestbedError>(cgroups.members(&group).is_empty().then_some(()))
        })?;
        gone.ok_or_else(|| TestbedError::Left {
            what: format!("the processes of {}", self.name()),
            cluster: self.record.name.clone(),
            limit: super::KILL_LIMIT,
        })?;
        network::disconnect(self.record, self.place())
    }

    /// Starts a killed node again and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(&self) -> Result<(), TestbedError> {
        let launcher = Launcher::new(self.record);
        launcher.start_containers(&[self.number])?;
        launcher.start_missing(self.place())?;
        wait_ready(self.record, &Api::of(self.record)?, self.number)
    }

    /// Stops every process of the node where it is.
    pub fn freeze(&self) {
        let cgroups = super::cgroup::Cgroups::of_host();
        cgroups.freeze(&self.record.place_cgroup(self.place()), true);
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self) {
        let cgroups = super::cgroup::Cgroups::of_host();
        cgroups.freeze(&self.record.place_cgroup(self.place()), false);
    }

    /// Cuts the node off the network.
    ///
    /// # Errors
    /// When its link cannot be taken down.
    pub fn cut_off(&self) -> Result<(), TestbedError> {
        network::set_link(self.record, self.place(), false)
    }

    /// Connects a node that was cut off.
    ///
    /// # Errors
    /// When its link cannot be taken up.
    pub fn reconnect(&self) -> Result<(), TestbedError> {
        network::set_link(self.record, self.place(), true)
    }

    /// Imports an OCI image tar.
    ///
    /// # Errors
    /// When the node's containerd refuses it.
    pub fn load(&self, tar: &Path) -> Result<(), TestbedError> {
        self.ctr(&["images", "import", "--local", &tar.to_string_lossy()]).map(|_| ())
    }

    /// Whether the node has an image.
    ///
    /// # Errors
    /// When its containerd does not answer.
    pub fn has_image(&self, name: &str) -> Result<bool, TestbedError> {
        let names = self.ctr(&["images", "list", "--quiet"])?;
        Ok(names.lines().any(|line| line == name))
    }

    fn place(&self) -> Place {
        Place::Node(self.number)
    }

    fn ctr(&self, arguments: &[&str]) -> Result<String, TestbedError> {
        let folder = self.record.components.containerd.clone().unwrap_or_default();
        let start = |source| TestbedError::Start { program: "ctr".to_owned(), source };
        let output = Command::new(folder.join("ctr"))
            .arg("--address")
            .arg(containerd_socket(self.record, self.place()))
            .args(["--namespace", "k8s.io"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(start)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let command = format!("ctr {} on {}", arguments.join(" "), self.name());
        let text = String::from_utf8_lossy(&output.stderr);
        Err(TestbedError::Command { command, tail: tail(&text, 6) })
    }
}

/// Registers the nodes, starts what is missing on them and waits until they are ready.
pub(crate) fn raise_all(
    record: &Record,
    launcher: &Launcher<'_>,
    api: &Api,
    say: &mut dyn FnMut(&str),
) -> Result<(), TestbedError> {
    for number in 1..=record.nodes {
        // The node's range is ours to give: routes are the same in every run.
        let range = cidr(node_pod_range(record.index, number));
        let name = Place::Node(number).name();
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "spec": {"podCIDR": range, "podCIDRs": [range]},
        });
        api.apply(&format!("/api/v1/nodes/{name}"), &node)?;
        launcher.start_missing(Place::Node(number))?;
    }
    for (path, text) in first_objects(record) {
        let object: Value = serde_json::from_str(&text).unwrap_or_default();
        api.apply(&path, &object)?;
    }
    for number in 1..=record.nodes {
        offer_volumes(record, api, number)?;
    }
    for number in 1..=record.nodes {
        wait_ready(record, api, number)?;
        say(&format!("cluster {}: {} is ready", record.name, Place::Node(number).name()));
    }
    Ok(())
}

/// Creates the node's local volumes; those that exist are left alone.
fn offer_volumes(record: &Record, api: &Api, number: u8) -> Result<(), TestbedError> {
    let place = Place::Node(number);
    for volume in 1..=VOLUMES_PER_NODE {
        let name = format!("local-{}-{volume}", place.name());
        let folder = record.place_dir(place).join("volumes").join(volume.to_string());
        if folder.exists() {
            continue;
        }
        files::create_dir(&folder)?;
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&folder, open).map_err(TestbedError::file("open", &folder))?;
        let expression = json!({
            "key": "kubernetes.io/hostname", "operator": "In", "values": [place.name()],
        });
        let object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": VOLUME_CAPACITY},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "local",
                "local": {"path": folder},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [
                    {"matchExpressions": [expression]},
                ]}},
            },
        });
        api.apply(&format!("/api/v1/persistentvolumes/{name}"), &object)?;
    }
    Ok(())
}

fn wait_ready(record: &Record, api: &Api, number: u8) -> Result<(), TestbedError> {
    let place = Place::Node(number);
    let path = format!("/api/v1/nodes/{}", place.name());
    let launcher = Launcher::new(record);
    let kubelet = programs(record, place).into_iter().find(|one| one.component == "kubelet");
    let log = record.log("kubelet", place);
    let found = wait::until(READY_LIMIT, || {
        if kubelet.as_ref().is_some_and(|kubelet| launcher.has_ended(place, kubelet)) {
            return Err(launcher.ended(&format!("the kubelet of {}", place.name()), &log));
        }
        Ok(api.get(&path)?.filter(is_ready))
    })?;
    found.map(|_| ()).ok_or_else(|| not_ready(&place.name(), READY_LIMIT, &log))
}

/// Whether the node says it is ready and nothing keeps pods away from it any more.
fn is_ready(node: &Value) -> bool {
    let list = |pointer| node.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let ready = list("/status/conditions").any(|condition| {
        text(condition, "type").as_deref() == Some("Ready")
            && text(condition, "status").as_deref() == Some("True")
    });
    ready && list("/spec/taints").next().is_none()
}

/// What answers requests; everything else of a cluster makes them.
const API_PROGRAMS: [&str; 2] = ["etcd", "kube-apiserver"];

impl Launcher<'_> {
    /// Raises the control plane's place with its links, and starts etcd and the API server when
    /// they do not run. The rest is started when the API server answers: a controller manager that
    /// has to wait looks once a second only, and gives up after ten.
    pub(crate) fn start_control(&self) -> Result<(), TestbedError> {
        if self.record.isolation == Isolation::Namespaces {
            if self.first_process(Place::Control).is_none() {
                network::raise_host(self.record)?;
                let pid = self.start_place(Place::Control)?;
                network::connect(self.record, Place::Control, pid)?;
            }
            if let Some(pid) = self.first_process(Place::Control) {
                network::route_host(self.record)?;
                network::route_place(self.record, Place::Control, pid)?;
            }
        }
        let all = programs(self.record, Place::Control);
        let first = all.iter().filter(|program| API_PROGRAMS.contains(&program.component));
        first.into_iter().try_for_each(|program| self.start_one(Place::Control, program))
    }

    /// Raises the places of nodes and their containerd, which needs no API server.
    pub(crate) fn start_containers(&self, nodes: &[u8]) -> Result<(), TestbedError> {
        for number in nodes {
            let place = Place::Node(*number);
            if self.first_process(place).is_none() {
                network::disconnect(self.record, place)?;
                let pid = self.start_place(place)?;
                network::connect(self.record, place, pid)?;
            }
            if let Some(pid) = self.first_process(place) {
                network::route_place(self.record, place, pid)?;
            }
            let all = programs(self.record, place);
            let containerd = all.iter().find(|program| program.component == "containerd");
            if let Some(program) = containerd {
                self.start_one(place, program)?;
            }
        }
        for number in nodes {
            self.load_pause(*number)?;
        }
        Ok(())
    }

    /// Starts the programs of a place that do not run.
    pub(crate) fn start_missing(&self, place: Place) -> Result<(), TestbedError> {
        programs(self.record, place).iter().try_for_each(|program| self.start_one(place, program))
    }

    fn start_one(&self, place: Place, program: &Program) -> Result<(), TestbedError> {
        if self.pids(place, program).is_empty() { self.start(place, program) } else { Ok(()) }
    }

    /// Every pod needs the sandbox's image, and there is no registry to pull it from.
    fn load_pause(&self, number: u8) -> Result<(), TestbedError> {
        let node = Node::new(self.record, number);
        let log = self.record.log("containerd", Place::Node(number));
        let present = wait::until(READY_LIMIT, || {
            Ok::<_, TestbedError>(node.has_image(programs::PAUSE_IMAGE).ok())
        })?;
        match present {
            Some(true) => Ok(()),
            Some(false) => node.load(&crate::sandbox::pause_image()?),
            None => Err(not_ready("containerd", READY_LIMIT, &log)),
        }
    }
}
