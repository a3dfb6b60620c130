//! The cluster's certificates and kubeconfigs.
//!
//! One authority for servers and clients, a second one for the aggregation layer's proxy, and a
//! key pair for ServiceAccount tokens; all ECDSA P-256, made anew for each cluster, readable by
//! its owner only. Certificates never expire: they are worthless once the cluster is gone.

use super::record::{self, NODES_LIMIT, Place, Record};
use crate::certificates::{Authority, CertificateError, Identity, Key};
use crate::{TestbedError, files};
use base64::Engine as _;
use std::net::{IpAddr, Ipv4Addr};

/// Clients with a kubeconfig of their own: file name, common name, group.
const CLIENTS: [(&str, &str, &str); 5] = [
    ("admin", "admin", "system:masters"),
    ("controller-manager", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("kube-proxy", "system:kube-proxy", ""),
    ("coredns", "system:coredns", ""),
];

/// Every name at which the API server is asked.
const SERVER_NAMES: [&str; 5] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Makes everything and writes it into the cluster's folder.
pub(crate) fn write(record: &Record) -> Result<(), TestbedError> {
    files::create_dir(&record.dir.join("pki"))?;
    let put = |file: &str, content: &str| files::write(&record.pki(file), content);
    let authority = new_authority("orlop-cluster-ca")?;
    put("ca.crt", authority.pem())?;
    put("ca.key", &authority.key().pem())?;
    let front = new_authority("orlop-front-proxy-ca")?;
    put("front-ca.crt", front.pem())?;

    let identity = |file: &str, identity: &Identity| {
        put(&format!("{file}.crt"), &identity.certificate)?;
        put(&format!("{file}.key"), &identity.key)
    };
    let issue =
        |name: &str, group: &str| authority.issue(name, group, &[], &[]).map_err(failed(name));
    let proxy = front.issue("front-proxy", "", &[], &[]).map_err(failed("front-proxy"))?;
    identity("front-proxy", &proxy)?;
    let server = authority.issue("kube-apiserver", "", &SERVER_NAMES, &server_addresses(record));
    identity("apiserver", &server.map_err(failed("kube-apiserver"))?)?;
    identity("kubelet-client", &issue("kube-apiserver-kubelet-client", "system:masters")?)?;
    for (user, name, group) in CLIENTS {
        kubeconfig(record, user, authority.pem(), &issue(name, group)?)?;
    }
    for number in 1..=NODES_LIMIT {
        let node = Place::Node(number).name();
        let address = IpAddr::V4(record::address(record.index, Place::Node(number)));
        let user = format!("system:node:{node}");
        let own = authority.issue(&user, "system:nodes", &[&node], &[address]);
        let own = own.map_err(failed(&user))?;
        identity(&node, &own)?;
        kubeconfig(record, &node, authority.pem(), &own)?;
    }
    let accounts = Key::generate().map_err(failed("ServiceAccount tokens"))?;
    put("sa.key", &accounts.pem())?;
    put("sa.pub", &accounts.public_pem())
}

/// Every address at which the API server is asked.
fn server_addresses(record: &Record) -> [IpAddr; 3] {
    [
        Ipv4Addr::LOCALHOST,
        record::address(record.index, Place::Control),
        record::api_service_address(record.index),
    ]
    .map(IpAddr::V4)
}

fn new_authority(name: &str) -> Result<Authority, TestbedError> {
    Authority::new(name).map_err(failed(name))
}

fn failed(subject: &str) -> impl FnOnce(CertificateError) -> TestbedError {
    let subject = subject.to_owned();
    move |source| TestbedError::Certificate { subject, source }
}

fn kubeconfig(
    record: &Record,
    user: &str,
    authority: &str,
    identity: &Identity,
) -> Result<(), TestbedError> {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let text = include_str!("../../../../cluster/config/kubeconfig.yaml")
        .replace("@CLUSTER@", &format!("orlop-{}", record.name))
        .replace("@USER@", user)
        .replace("@SERVER@", &record.server())
        .replace("@AUTHORITY@", &encode(authority))
        .replace("@CERTIFICATE@", &encode(&identity.certificate))
        .replace("@KEY@", &encode(&identity.key));
    files::write(&record.kubeconfig(user), text)?;
    if user == "admin" {
        files::write(&record.pki("admin.crt"), &identity.certificate)?;
        files::write(&record.pki("admin.key"), &identity.key)?;
    }
    Ok(())
}
