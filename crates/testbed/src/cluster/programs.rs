//! Which programs a place runs, and with which arguments and files: a pure function of the
//! cluster's record, so that any of them can be started again at any time.

use super::record::{
    Isolation, Place, Record, address, cidr, dns_address, node_pod_range, pod_range, service_range,
};
use crate::{TestbedError, files};
use std::path::{Path, PathBuf};

/// Where Debian puts the CNI plugins, and where other systems do.
const CNI_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
/// Image of a pod's first process, as the nodes know it.
pub(crate) const PAUSE_IMAGE: &str = "local.test/pause:3.6";
/// An address that nothing listens on: etcd insists on advertising one.
const ETCD_NOWHERE: &str = "http://127.0.0.1:1";

/// One program of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The component's name: what logs and messages call it.
    pub(crate) component: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// The programs of a place in the order in which they are started.
pub(crate) fn programs(record: &Record, place: Place) -> Vec<Program> {
    match place {
        Place::Control => {
            let mut all = vec![etcd(record), api_server(record), controller_manager(record)];
            if record.nodes > 0 {
                all.push(scheduler(record));
                all.extend(dns(record));
                all.push(volumes(record));
            }
            all
        }
        Place::Node(_) => {
            let mut all = Vec::from_iter(containerd(record, place));
            all.push(kubelet(record, place));
            all.push(kube_proxy(record, place));
            all
        }
    }
}

/// Writes the files that the programs of a place read.
pub(crate) fn write_files(record: &Record, place: Place) -> Result<(), TestbedError> {
    let dir = record.place_dir(place);
    files::create_dir(&dir)?;
    files::create_dir(&record.dir.join("logs"))?;
    let put =
        |file: &str, template: &str| files::write(&dir.join(file), fill(record, place, template));
    match place {
        Place::Control => {
            put("audit-policy.yaml", include_str!("../../../../cluster/config/audit-policy.yaml"))?;
            put("Corefile", include_str!("../../../../cluster/config/Corefile"))
        }
        Place::Node(_) => {
            for folder in ["cni", "kubelet", "volumes", "pod-logs", "volume-plugins"] {
                files::create_dir(&dir.join(folder))?;
            }
            put("containerd.toml", include_str!("../../../../cluster/config/containerd.toml"))?;
            put("cni/10-pods.conflist", include_str!("../../../../cluster/config/cni.json"))?;
            put("kubelet.yaml", include_str!("../../../../cluster/config/kubelet.yaml"))?;
            put("kube-proxy.yaml", include_str!("../../../../cluster/config/kube-proxy.yaml"))?;
            put("resolv.conf", "")
        }
    }
}

/// Puts the cluster's values into a template of `cluster/config`.
pub(crate) fn fill(record: &Record, place: Place, template: &str) -> String {
    let index = record.index;
    let number = match place {
        Place::Control => 0,
        Place::Node(number) => number,
    };
    let cni = CNI_FOLDERS.into_iter().find(|folder| Path::new(folder).join("bridge").exists());
    let runc = crate::packages::find_program("runc").unwrap_or_else(|| "/usr/sbin/runc".into());
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let values = [
        ("@DIR@", text(&record.place_dir(place))),
        ("@PKI@", text(&record.dir.join("pki"))),
        ("@NODE@", place.name()),
        ("@CGROUP@", format!("/{}", record.place_cgroup(place))),
        ("@PAUSE_IMAGE@", PAUSE_IMAGE.to_owned()),
        ("@RUNC@", text(&runc)),
        ("@CNI_FOLDER@", cni.unwrap_or("/usr/lib/cni").to_owned()),
        ("@DNS@", dns_address(index).to_string()),
        ("@POD_RANGE@", cidr(pod_range(index))),
        ("@NODE_POD_RANGE@", cidr(node_pod_range(index, number))),
        ("@KUBECONFIG@", text(&record.kubeconfig("coredns"))),
        ("@PROXY_KUBECONFIG@", text(&record.kubeconfig("kube-proxy"))),
        ("@ADDRESS@", address(index, place).to_string()),
    ];
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// The socket of a node's containerd.
pub(crate) fn containerd_socket(record: &Record, place: Place) -> PathBuf {
    record.place_dir(place).join("containerd.sock")
}

/// etcd answers on a socket in the cluster's folder, which only its owner can enter. On a loopback
/// port every user of the host could ask, and certificates against that cost the API server a
/// handshake for each kind of object while it starts.
fn etcd(record: &Record) -> Program {
    let (client, peer) = (etcd_url(record, "client"), etcd_url(record, "peer"));
    let data = record.place_dir(Place::Control).join("etcd");
    let arguments = vec![
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        // What a member tells others about itself must be a host and a port; there are no others.
        format!("--advertise-client-urls={ETCD_NOWHERE}"),
        format!("--initial-advertise-peer-urls={ETCD_NOWHERE}"),
        format!("--initial-cluster=default={ETCD_NOWHERE}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    Program { component: "etcd", path: record.components.etcd.join("etcd"), arguments }
}

/// Where etcd answers.
fn etcd_url(record: &Record, side: &str) -> String {
    format!(
        "unix://{}",
        record.place_dir(Place::Control).join(format!("etcd-{side}.sock")).display()
    )
}

fn api_server(record: &Record) -> Program {
    let pki = |file: &str| record.pki(file).display().to_string();
    let bind = match record.isolation {
        Isolation::Namespaces => "0.0.0.0",
        Isolation::Processes => "127.0.0.1",
    };
    let mut arguments = vec![
        format!("--etcd-servers={}", etcd_url(record, "client")),
        format!("--bind-address={bind}"),
        format!("--secure-port={}", record.ports.api),
        // A loopback address would be refused as the endpoint of the Service `kubernetes`.
        format!("--advertise-address={}", address(record.index, Place::Control)),
        format!("--service-cluster-ip-range={}", cidr(service_range(record.index))),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--kubelet-certificate-authority={}", pki("ca.crt")),
        format!("--kubelet-client-certificate={}", pki("kubelet-client.crt")),
        format!("--kubelet-client-key={}", pki("kubelet-client.key")),
        format!("--service-account-key-file={}", pki("sa.pub")),
        format!("--service-account-signing-key-file={}", pki("sa.key")),
        format!("--requestheader-client-ca-file={}", pki("front-ca.crt")),
        format!("--proxy-client-cert-file={}", pki("front-proxy.crt")),
        format!("--proxy-client-key-file={}", pki("front-proxy.key")),
    ];
    arguments.extend(
        [
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--enable-aggregator-routing=true",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            "--profiling=false",
        ]
        .map(str::to_owned),
    );
    if record.audit {
        let policy = record.place_dir(Place::Control).join("audit-policy.yaml");
        let log = record.dir.join("logs/audit.log");
        arguments.push(format!("--audit-policy-file={}", policy.display()));
        arguments.push(format!("--audit-log-path={}", log.display()));
    }
    kubernetes(record, "kube-apiserver", arguments)
}

fn controller_manager(record: &Record) -> Program {
    let pki = |file: &str| record.pki(file).display().to_string();
    let mut arguments = vec![
        format!("--kubeconfig={}", record.kubeconfig("controller-manager").display()),
        format!("--service-account-private-key-file={}", pki("sa.key")),
        format!("--root-ca-file={}", pki("ca.crt")),
        format!("--cluster-signing-cert-file={}", pki("ca.crt")),
        format!("--cluster-signing-key-file={}", pki("ca.key")),
        format!("--cluster-cidr={}", cidr(pod_range(record.index))),
        format!("--service-cluster-ip-range={}", cidr(service_range(record.index))),
    ];
    arguments.extend(
        [
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--secure-port=0",
            // The tool gives each node its range.
            "--allocate-node-cidrs=false",
            // With the defaults the ServiceAccount controller starts 5 s late.
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
            // A lost node is noticed in a test's time, not in the default 50 s.
            "--node-monitor-period=1s",
            "--node-monitor-grace-period=12s",
            "--profiling=false",
        ]
        .map(str::to_owned),
    );
    kubernetes(record, "kube-controller-manager", arguments)
}

fn scheduler(record: &Record) -> Program {
    let kubeconfig = format!("--kubeconfig={}", record.kubeconfig("scheduler").display());
    let rest = ["--leader-elect=false", "--secure-port=0", "--profiling=false"];
    let arguments = std::iter::once(kubeconfig).chain(rest.map(str::to_owned)).collect();
    kubernetes(record, "kube-scheduler", arguments)
}

fn dns(record: &Record) -> Option<Program> {
    let corefile = record.place_dir(Place::Control).join("Corefile");
    let path = record.components.coredns.as_ref()?.join("coredns");
    let arguments = vec!["-conf".to_owned(), corefile.display().to_string()];
    Some(Program { component: "coredns", path, arguments })
}

/// Makes released volumes available again: a shell around a watch of kubectl.
fn volumes(record: &Record) -> Program {
    let script = include_str!("../../../../cluster/config/renew-volumes.sh");
    let mut arguments = ["-c", script, "renew-volumes"].map(str::to_owned).to_vec();
    let paths = [record.components.kubectl(), record.kubeconfig("admin"), record.dir.clone()];
    arguments.extend(paths.map(|path| path.to_string_lossy().into_owned()));
    Program { component: "volumes", path: "/bin/sh".into(), arguments }
}

fn containerd(record: &Record, place: Place) -> Option<Program> {
    let path = record.components.containerd.as_ref()?.join("containerd");
    let config = record.place_dir(place).join("containerd.toml");
    let arguments = vec!["--config".to_owned(), config.display().to_string()];
    Some(Program { component: "containerd", path, arguments })
}

fn kubelet(record: &Record, place: Place) -> Program {
    let dir = record.place_dir(place);
    let arguments = vec![
        format!("--config={}", dir.join("kubelet.yaml").display()),
        format!("--kubeconfig={}", record.kubeconfig(&place.name()).display()),
        format!("--root-dir={}", dir.join("kubelet").display()),
        format!("--hostname-override={}", place.name()),
        format!("--node-ip={}", address(record.index, place)),
    ];
    kubernetes(record, "kubelet", arguments)
}

fn kube_proxy(record: &Record, place: Place) -> Program {
    let config = record.place_dir(place).join("kube-proxy.yaml");
    kubernetes(record, "kube-proxy", vec![format!("--config={}", config.display())])
}

fn kubernetes(record: &Record, component: &'static str, arguments: Vec<String>) -> Program {
    Program { component, path: record.components.kubernetes.join(component), arguments }
}

/// The objects that a cluster with nodes begins with: path and JSON document.
pub(crate) fn first_objects(record: &Record) -> Vec<(String, String)> {
    let text =
        fill(record, Place::Control, include_str!("../../../../cluster/config/objects.json"))
            .replace("@CONTROL_ADDRESS@", &address(record.index, Place::Control).to_string());
    let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
    all.iter().filter_map(|object| Some((object_path(object)?, object.to_string()))).collect()
}

/// Where the API server serves an object, for the kinds that the tool itself writes.
pub(crate) fn object_path(object: &serde_json::Value) -> Option<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_str);
    let (version, kind, name) = (text("/apiVersion")?, text("/kind")?, text("/metadata/name")?);
    let base = if version.contains('/') { "apis" } else { "api" };
    let plural = match kind {
        "StorageClass" => "storageclasses".to_owned(),
        other => format!("{}s", other.to_ascii_lowercase()),
    };
    let namespace = text("/metadata/namespace");
    let namespace = namespace.map_or(String::new(), |name| format!("namespaces/{name}/"));
    Some(format!("/{base}/{version}/{namespace}{plural}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::record;
    use crate::components::Components;

    pub(crate) fn record() -> Record {
        Record {
            name: "a".into(),
            index: 7,
            isolation: Isolation::Namespaces,
            phase: record::Phase::Ready,
            nodes: 2,
            audit: false,
            ports: record::OWN_PORTS,
            owner: 1,
            components: Components {
                kubernetes: "/k".into(),
                etcd: "/e".into(),
                containerd: Some("/c".into()),
                coredns: Some("/d".into()),
            },
            dir: "/state/a".into(),
        }
    }

    #[test]
    fn every_template_is_filled_completely() {
        let record = record();
        for template in [
            include_str!("../../../../cluster/config/audit-policy.yaml"),
            include_str!("../../../../cluster/config/Corefile"),
            include_str!("../../../../cluster/config/containerd.toml"),
            include_str!("../../../../cluster/config/cni.json"),
            include_str!("../../../../cluster/config/kubelet.yaml"),
            include_str!("../../../../cluster/config/kube-proxy.yaml"),
        ] {
            let text = fill(&record, Place::Node(2), template);
            assert!(!text.contains('@'), "{text}");
        }
    }

    #[test]
    fn the_first_objects_are_json_and_have_a_path() {
        let objects = first_objects(&record());
        assert_eq!(objects.len(), 5, "{objects:?}");
        assert!(objects.iter().all(|(_, text)| !text.contains('@')));
        let paths: Vec<&str> = objects.iter().map(|(path, _)| path.as_str()).collect();
        assert!(paths.contains(&"/api/v1/namespaces/kube-system/services/kube-dns"));
        assert!(paths.contains(&"/apis/storage.k8s.io/v1/storageclasses/local"));
    }

    #[test]
    fn the_audit_log_is_written_only_on_request() {
        let quiet = record();
        let audited = Record { audit: true, ..quiet.clone() };
        let has = |record: &Record| {
            api_server(record).arguments.iter().any(|word| word.starts_with("--audit-log-path"))
        };
        assert!(!has(&quiet) && has(&audited));
    }
}
