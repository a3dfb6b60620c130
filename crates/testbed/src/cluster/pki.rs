//! The cluster's certificates and kubeconfigs.
//!
//! One authority for servers and clients, a second one for the aggregation layer's proxy, and a
//! key pair for ServiceAccount tokens; all ECDSA P-256, made anew for each cluster, readable by
//! its owner only. Certificates never expire: they are worthless once the cluster is gone.

use super::record::{self, NODES_LIMIT, Place, Record};
use crate::{TestbedError, files};
use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use std::net::{IpAddr, Ipv4Addr};

/// Clients with a kubeconfig of their own: file name, common name, group.
const CLIENTS: [(&str, &str, &str); 5] = [
    ("admin", "admin", "system:masters"),
    ("controller-manager", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("kube-proxy", "system:kube-proxy", ""),
    ("coredns", "system:coredns", ""),
];

/// An authority that signs.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both as PEM.
struct Identity {
    certificate: String,
    key: String,
}

/// Makes everything and writes it into the cluster's folder.
pub(crate) fn write(record: &Record) -> Result<(), TestbedError> {
    files::create_dir(&record.dir.join("pki"))?;
    let put = |file: &str, content: &str| files::write(&record.pki(file), content);
    let authority = Authority::new("orlop-cluster-ca")?;
    put("ca.crt", &authority.pem)?;
    put("ca.key", &authority.issuer.key().serialize_pem())?;
    let front = Authority::new("orlop-front-proxy-ca")?;
    put("front-ca.crt", &front.pem)?;

    let identity = |file: &str, identity: &Identity| {
        put(&format!("{file}.crt"), &identity.certificate)?;
        put(&format!("{file}.key"), &identity.key)
    };
    identity("front-proxy", &front.issue("front-proxy", "", vec![])?)?;
    identity("apiserver", &authority.issue("kube-apiserver", "", server_names(record)?)?)?;
    let kubelet_client = authority.issue("kube-apiserver-kubelet-client", "system:masters", vec![]);
    identity("kubelet-client", &kubelet_client?)?;
    for (user, name, group) in CLIENTS {
        let identity = authority.issue(name, group, vec![])?;
        kubeconfig(record, user, &authority.pem, &identity)?;
    }
    for number in 1..=NODES_LIMIT {
        let node = Place::Node(number);
        let address = IpAddr::V4(record::address(record.index, node));
        let names = vec![dns(&node.name())?, SanType::IpAddress(address)];
        let user = format!("system:node:{}", node.name());
        let node_identity = authority.issue(&user, "system:nodes", names)?;
        identity(&node.name(), &node_identity)?;
        kubeconfig(record, &node.name(), &authority.pem, &node_identity)?;
    }
    // Everybody on this host reaches a loopback port, so etcd and its one client know each other
    // by an authority that signs nothing else.
    let etcd = Authority::new("orlop-etcd-ca")?;
    put("etcd-ca.crt", &etcd.pem)?;
    let loopback = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)), dns("localhost")?];
    identity("etcd", &etcd.issue("etcd", "", loopback)?)?;
    let accounts = KeyPair::generate().map_err(failed("ServiceAccount tokens"))?;
    put("sa.key", &accounts.serialize_pem())?;
    put("sa.pub", &accounts.public_key_pem())
}

/// Every name and address at which the API server is asked.
fn server_names(record: &Record) -> Result<Vec<SanType>, TestbedError> {
    let mut names = Vec::new();
    for name in ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"] {
        names.push(dns(name)?);
    }
    names.push(dns("kubernetes.default.svc.cluster.local")?);
    let addresses = [
        Ipv4Addr::LOCALHOST,
        record::address(record.index, Place::Control),
        record::api_service_address(record.index),
    ];
    names.extend(addresses.map(|address| SanType::IpAddress(IpAddr::V4(address))));
    Ok(names)
}

fn dns(name: &str) -> Result<SanType, TestbedError> {
    Ok(SanType::DnsName(name.try_into().map_err(failed(name))?))
}

fn failed(subject: &str) -> impl FnOnce(rcgen::Error) -> TestbedError {
    let subject = subject.to_owned();
    move |source| TestbedError::Certificate { subject, source }
}

impl Authority {
    fn new(name: &str) -> Result<Self, TestbedError> {
        let key = KeyPair::generate().map_err(failed(name))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).map_err(failed(name))?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    fn issue(
        &self,
        name: &str,
        group: &str,
        names: Vec<SanType>,
    ) -> Result<Identity, TestbedError> {
        let key = KeyPair::generate().map_err(failed(name))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed(name))?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
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
