//! A real Kubernetes on this host: raised in seconds, cleared without a trace.
//!
//! A cluster is a control plane (etcd, API server, controller manager) and 0 to 3 nodes with
//! pods. As root each of them lives in network, mount and PID namespaces of its own; without
//! root the control plane runs as plain processes on loopback ports and there are no nodes.
//!
//! Everything that belongs to a cluster follows from its record, which is written before the
//! first process starts: [`Cluster::down`] clears a cluster whatever happened to its `up`.
//!
//! Input: a [`Spec`]. Output: a [`Cluster`] with a kubeconfig. Effects: a folder per cluster in
//! [`state_dir`], cgroups `orlop-NAME`, a bridge, routes. Errors: [`TestbedError`].

mod api;
mod cgroup;
mod launch;
mod network;
mod node;
mod pki;
mod process;
mod programs;
mod record;
mod seed;
mod status;
mod store;
mod sysctl;

pub use node::Node;
pub use record::{Isolation, NODES_LIMIT};
pub use status::{ComponentStatus, Status};
pub use store::state_dir;

use crate::components::{self, Need};
use crate::{TestbedError, wait};
use api::Api;
use launch::Launcher;
use programs::Program;
use record::{Phase, Place, Record};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a component may take to become ready on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// How long killed processes, cgroups and links may take to go.
const KILL_LIMIT: Duration = Duration::from_secs(30);
/// Lines of a log that an error repeats.
const LOG_TAIL_LINES: usize = 12;

/// How much of a cluster is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// etcd, API server, controller manager: enough wherever no pod has to run.
    ControlPlane,
    /// Real pods, Services, DNS and local volumes.
    Full {
        /// 1 to [`NODES_LIMIT`].
        nodes: u8,
    },
}

/// What [`Cluster::up`] raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// 1 to 30 lower-case letters, digits and `-`.
    pub name: String,
    /// How much of it.
    pub tier: Tier,
    /// Write `logs/audit.log`.
    pub audit: bool,
}

/// How long the parts of an `up` took, in order.
pub type Timings = Vec<(&'static str, Duration)>;

/// A cluster that was raised.
#[derive(Debug, Clone)]
pub struct Cluster {
    record: Record,
}

impl Cluster {
    /// Raises the cluster, or what is missing of it. One that is there already keeps its
    /// objects, gains the nodes that it lacks and never loses one.
    ///
    /// # Errors
    /// When components cannot be built, the host refuses what nodes need, or something does not
    /// become ready.
    pub fn up(spec: &Spec, say: &mut dyn FnMut(&str)) -> Result<(Self, Timings), TestbedError> {
        let nodes = checked_nodes(spec)?;
        let need = if nodes > 0 { Need::Nodes } else { Need::ControlPlane };
        let isolation = isolation(nodes)?;
        let components = components::ensure(need, say)?;
        let held = store::hold(&spec.name)?;
        let mut timings = Timings::new();
        let known = Record::read(&held.dir)?.filter(|record| record.phase == Phase::Ready);
        let alive = known.filter(|record| {
            record.isolation == isolation && Launcher::new(record).control_lives()
        });
        if nodes > 0 {
            sysctl::remember()?;
        }
        let mut cluster = match alive {
            Some(record) => Self { record },
            None => {
                clear(&spec.name, &held.dir, say)?;
                let record = store::record(&held, spec, isolation, components.clone())?;
                Self { record }
            }
        };
        cluster.adopt(spec, nodes, components)?;
        cluster.raise(say, &mut timings)?;
        Ok((cluster, timings))
    }

    /// The cluster called `name`, when it was raised completely and its control plane lives.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn attach(name: &str) -> Result<Option<Self>, TestbedError> {
        let record = Record::read(&state_dir().join(name))?;
        let alive = record
            .filter(|record| record.phase == Phase::Ready && Launcher::new(record).control_lives());
        Ok(alive.map(|record| Self { record }))
    }

    /// Names of all clusters of this user, whatever their state.
    #[must_use]
    pub fn names() -> Vec<String> {
        let names = crate::files::names(&state_dir()).into_iter();
        names.filter(|name| record::valid_name(name)).collect()
    }

    /// Ends the cluster called `name` and removes everything of it; says whether there was one.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub fn down(name: &str, say: &mut dyn FnMut(&str)) -> Result<bool, TestbedError> {
        if !record::valid_name(name) {
            return Err(TestbedError::Name { name: name.to_owned() });
        }
        let known = state_dir().join(name).exists();
        let held = store::hold(name)?;
        clear(name, &held.dir, say)?;
        store::forget(held)?;
        Ok(known)
    }

    /// The cluster's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// How many nodes it has.
    #[must_use]
    pub fn nodes(&self) -> u8 {
        self.record.nodes
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.record.dir
    }

    /// The admin's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.record.kubeconfig("admin")
    }

    /// The URL of the API server.
    #[must_use]
    pub fn server(&self) -> String {
        self.record.server()
    }

    /// The host's own address as nodes and pods reach it; loopback without namespaces.
    #[must_use]
    pub fn host_address(&self) -> std::net::Ipv4Addr {
        match self.record.isolation {
            Isolation::Namespaces => record::host_address(self.record.index),
            Isolation::Processes => std::net::Ipv4Addr::LOCALHOST,
        }
    }

    /// The folder with kubectl.
    #[must_use]
    pub fn program_dir(&self) -> PathBuf {
        self.record.components.kubernetes.clone()
    }

    /// `kubectl` as the admin.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(self.record.components.kubectl());
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// One of the nodes, counted from 1.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn node(&self, number: u8) -> Result<Node<'_>, TestbedError> {
        if number == 0 || number > self.record.nodes {
            return Err(TestbedError::Nodes { asked: number, limit: self.record.nodes });
        }
        Ok(Node::new(&self.record, number))
    }

    /// Imports an OCI image tar into every node.
    ///
    /// # Errors
    /// When a node's containerd refuses it.
    pub fn load(&self, tar: &Path) -> Result<(), TestbedError> {
        for number in 1..=self.record.nodes {
            self.node(number)?.load(tar)?;
        }
        Ok(())
    }

    /// Ends a component of the control plane with SIGKILL.
    ///
    /// # Errors
    /// When there is no such component or it does not end.
    pub fn kill(&self, component: &str) -> Result<(), TestbedError> {
        let launcher = Launcher::new(&self.record);
        launcher.kill(Place::Control, &self.program(component)?)
    }

    /// Starts a component of the control plane that was killed, and waits until the API server
    /// answers.
    ///
    /// # Errors
    /// When there is no such component or it does not become ready.
    pub fn start(&self, component: &str) -> Result<(), TestbedError> {
        let program = self.program(component)?;
        let launcher = Launcher::new(&self.record);
        if launcher.pids(Place::Control, &program).is_empty() {
            launcher.start(Place::Control, &program)?;
        }
        self.wait_for_api(&launcher)
    }

    /// What runs, since when and with how much memory.
    #[must_use]
    pub fn status(&self) -> Status {
        status::status(&self.record)
    }

    /// The log files: component and path.
    #[must_use]
    pub fn logs(&self) -> Vec<(String, PathBuf)> {
        logs(&self.record.dir)
    }

    fn program(&self, component: &str) -> Result<Program, TestbedError> {
        let mut all = programs::programs(&self.record, Place::Control);
        let known = || all.iter().map(|program| program.component).collect::<Vec<_>>().join(", ");
        let Some(index) = all.iter().position(|program| program.component == component) else {
            let known = known();
            let (cluster, name) = (self.record.name.clone(), component.to_owned());
            return Err(TestbedError::NoComponent { cluster, name, known });
        };
        Ok(all.swap_remove(index))
    }

    /// Writes down what the cluster shall have from now on.
    fn adopt(
        &mut self,
        spec: &Spec,
        nodes: u8,
        components: components::Components,
    ) -> Result<(), TestbedError> {
        let audit_is_new = spec.audit && !self.record.audit;
        self.record.audit |= spec.audit;
        self.record.nodes = self.record.nodes.max(nodes);
        if self.record.components.containerd.is_none() {
            self.record.components = components;
        }
        self.record.write()?;
        let launcher = Launcher::new(&self.record);
        if audit_is_new && launcher.control_lives() {
            launcher.kill(Place::Control, &self.program("kube-apiserver")?)?;
        }
        Ok(())
    }

    /// Starts what does not run yet and waits until all is ready.
    fn raise(
        &mut self,
        say: &mut dyn FnMut(&str),
        timings: &mut Timings,
    ) -> Result<(), TestbedError> {
        let start = Instant::now();
        let fresh = !self.record.kubeconfig("admin").exists();
        if fresh {
            pki::write(&self.record)?;
        }
        for place in self.record.places() {
            programs::write_files(&self.record, place)?;
        }
        let launcher = Launcher::new(&self.record);
        launcher.start_control()?;
        timings.push(("namespaces and processes", start.elapsed()));
        let nodes: Vec<u8> = (1..=self.record.nodes).collect();
        let prepared = std::thread::scope(|scope| {
            let nodes = scope.spawn(|| launcher.start_containers(&nodes));
            if fresh {
                seed::plant(&self.record);
            }
            let api = self.wait_for_api(&launcher);
            timings.push(("API server ready", start.elapsed()));
            let nodes = nodes.join().unwrap_or(Ok(()));
            api.and(nodes)
        });
        prepared?;
        launcher.start_missing(Place::Control)?;
        let api = Api::of(&self.record)?;
        if self.record.nodes > 0 {
            node::raise_all(&self.record, &launcher, &api, say)?;
            timings.push(("nodes ready", start.elapsed()));
        }
        self.wait_for_account(&launcher, &api)?;
        timings.push(("ServiceAccounts ready", start.elapsed()));
        if fresh {
            seed::keep(&self.record);
        }
        self.record.phase = Phase::Ready;
        self.record.write()
    }

    fn wait_for_api(&self, launcher: &Launcher<'_>) -> Result<(), TestbedError> {
        let api = Api::of(&self.record)?;
        self.wait_for("the API server", "kube-apiserver", || {
            for component in ["etcd", "kube-apiserver"] {
                if launcher.has_ended(Place::Control, &self.program(component)?) {
                    let log = self.record.log(component, Place::Control);
                    return Err(launcher.ended(component, &log));
                }
            }
            Ok(api.is_ready())
        })
    }

    /// Pods can be created in a namespace as soon as its ServiceAccount is there. The controller
    /// manager ends when the API server is not healthy for 10 s, as happens on a busy machine: then
    /// it is started again.
    fn wait_for_account(&self, launcher: &Launcher<'_>, api: &Api) -> Result<(), TestbedError> {
        let manager = self.program("kube-controller-manager")?;
        self.wait_for("the ServiceAccount controller", manager.component, || {
            if launcher.has_ended(Place::Control, &manager) {
                launcher.start(Place::Control, &manager)?;
            }
            Ok(api.get("/api/v1/namespaces/default/serviceaccounts/default")?.is_some())
        })
    }

    fn wait_for(
        &self,
        what: &str,
        component: &str,
        mut ready: impl FnMut() -> Result<bool, TestbedError>,
    ) -> Result<(), TestbedError> {
        let found = wait::until(READY_LIMIT, || Ok(ready()?.then_some(())))?;
        found.ok_or_else(|| {
            status::not_ready(what, READY_LIMIT, &self.record.log(component, Place::Control))
        })
    }
}

/// The log files in the folder of a cluster, raised or not: component and path.
#[must_use]
pub fn logs(dir: &Path) -> Vec<(String, PathBuf)> {
    let folder = dir.join("logs");
    let names = crate::files::names(&folder).into_iter();
    names
        .filter_map(|name| Some((name.strip_suffix(".log")?.to_owned(), folder.join(&name))))
        .collect()
}

fn checked_nodes(spec: &Spec) -> Result<u8, TestbedError> {
    if !record::valid_name(&spec.name) {
        return Err(TestbedError::Name { name: spec.name.clone() });
    }
    match spec.tier {
        Tier::ControlPlane => Ok(0),
        Tier::Full { nodes: nodes @ 1..=NODES_LIMIT } => Ok(nodes),
        Tier::Full { nodes } => Err(TestbedError::Nodes { asked: nodes, limit: NODES_LIMIT }),
    }
}

/// Namespaces where the host allows them; nodes insist on them.
fn isolation(nodes: u8) -> Result<Isolation, TestbedError> {
    if !rustix::process::geteuid().is_root() {
        return if nodes > 0 { Err(TestbedError::NeedsRoot) } else { Ok(Isolation::Processes) };
    }
    match launch::try_namespaces() {
        Ok(()) => Ok(Isolation::Namespaces),
        Err(_) if nodes == 0 => Ok(Isolation::Processes),
        Err(reason) => Err(TestbedError::NoNamespaces { reason }),
    }
}

/// Ends and removes everything of a cluster but its own, then empty, folder.
fn clear(name: &str, dir: &Path, say: &mut dyn FnMut(&str)) -> Result<(), TestbedError> {
    let left = |what: &str| TestbedError::Left {
        what: what.to_owned(),
        cluster: name.to_owned(),
        limit: KILL_LIMIT,
    };
    let cgroups = cgroup::Cgroups::of_host();
    let group = record::cgroup(name);
    let mark = dir.to_string_lossy();
    let ended = wait::until(KILL_LIMIT, || {
        cgroups.kill(&group);
        let marked = launch::marked_processes(&mark);
        for pid in &marked {
            process::kill_if(*pid, |pid| process::has_variable(pid, process::CLUSTER_MARK, &mark));
        }
        let gone = marked.is_empty() && cgroups.members(&group).is_empty();
        Ok::<_, TestbedError>(gone.then_some(()))
    })?;
    ended.ok_or_else(|| left("the processes"))?;
    let record = Record::read(dir).unwrap_or_default();
    if let Some(record) = record.filter(|record| record.isolation == Isolation::Namespaces) {
        say(&format!("cluster {name}: clearing what is there of it"));
        let all: Vec<Place> =
            std::iter::once(Place::Control).chain((1..=NODES_LIMIT).map(Place::Node)).collect();
        let cleared = wait::until(KILL_LIMIT, || {
            Ok::<_, TestbedError>(network::clear(&record, &all).then_some(()))
        })?;
        cleared.ok_or_else(|| left("the links and routes"))?;
    }
    let removed =
        wait::until(KILL_LIMIT, || Ok::<_, TestbedError>(cgroups.remove(&group).then_some(())))?;
    removed.ok_or_else(|| left("the cgroups"))?;
    store::empty(dir)
}
