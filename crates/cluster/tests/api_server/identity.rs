//! Who we are to the server, and who the server is to us.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use crate::{PATIENCE, cluster, deployment, kind, object};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use cluster::{
    ApplyOptions, CertificateProblem, Client, ClusterError, ConnectOptions, DeleteOptions,
    Impersonate, ListOptions, Resource, ServiceAccount,
};
use model::Explain;
use serde_json::{Value, json};
use std::io::Write;
use testkit::certificates::{Authority, Key};
use testkit::cluster::Namespace;

#[tokio::test]
async fn a_forbidden_verb_is_told_with_verb_resource_namespace_and_subject() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let token = account(&namespace, "poor");
    let poor = with_token(&namespace, &token).await;
    let resource = kind(&client, "apps/v1", "Deployment").await;
    let error = poor.list(&resource, &ListOptions::default()).await.unwrap_err();
    let user = format!("system:serviceaccount:{ns}:poor");
    assert_eq!(
        error.to_string(),
        format!("user {user} may not list deployments.apps at cluster scope")
    );
    let web = object(deployment(ns, 0, "a"));
    let error = poor.apply(&resource, &web, &ApplyOptions::new("t")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("user {user} may not patch deployments.apps in namespace {ns}")
    );
    assert_eq!(
        error.hint().unwrap().as_str(),
        format!("grant the verb `patch` on `deployments.apps` to {user} with a RoleBinding")
    );
    assert!(!format!("{error:?} {poor:?}").contains(&token));
    let counted = poor.metrics().requests();
    assert!(counted.iter().any(|c| (c.verb, c.code, c.count) == ("apply", 403, 1)), "{counted:?}");

    // A token that was good and is not any more. The server may remember it for a moment.
    let accounts = kind(&client, "v1", "ServiceAccount").await;
    client.delete(&accounts, ns, "poor", &DeleteOptions::default()).await.unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let error = poor.get(&resource, ns, "web").await.unwrap_err();
        if let ClusterError::Unauthorized { .. } = &error {
            assert!(error.hint().unwrap().as_str().contains("expired"), "{error}");
            break;
        }
        assert!(std::time::Instant::now() < end, "the token is still good: {error}");
    }
}

#[tokio::test]
async fn impersonation_acts_as_somebody_else() {
    let Some((_, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let mut options = ConnectOptions::from_kubeconfig(namespace.cluster().kubeconfig());
    options.impersonate = Some(Impersonate { user: "jane".into(), groups: vec!["dev".into()] });
    let jane = Client::connect(&options).await.unwrap();
    let pods = Resource { plural: "pods".into(), ..(*kind(&jane, "v1", "Pod").await).clone() };
    let error = jane.get(&pods, ns, "p").await.unwrap_err();
    assert_eq!(error.to_string(), format!("user jane may not get pods in namespace {ns}"));
}

#[tokio::test]
async fn one_connection_acts_as_several_and_each_refusal_names_verb_resource_and_subject() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let user = format!("system:serviceaccount:{ns}:default");
    let account = client.acting_as(Impersonate { user: user.clone(), groups: vec![] });
    let pods = kind(&client, "v1", "Pod").await;
    let error = account.get(&pods, ns, "p").await.unwrap_err();
    assert_eq!(error.to_string(), format!("user {user} may not get pods in namespace {ns}"));
    assert_eq!(client.get(&pods, ns, "p").await.unwrap(), None, "the other one is who it was");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_and_a_certificate_that_is_not_trusted_are_told_apart() {
    let Some((client, namespace)) = cluster().await else { return };
    let wrong = with_token(&namespace, "CANARY").await;
    let error = wrong.server_version().await.unwrap_err();
    // Some servers let anybody read the version.
    let error = match error {
        ClusterError::Unauthorized { .. } => error,
        other => panic!("{other:?}"),
    };
    assert!(!format!("{error} {error:?}").contains("CANARY"));

    let other_ca = other_authority();
    let stranger = client_of(&namespace, |config| {
        let cluster = config["clusters"][0]["cluster"].as_object_mut().unwrap();
        cluster.remove("certificate-authority-data");
        cluster.insert("certificate-authority".into(), json!(other_ca.path()));
    })
    .await;
    let error = stranger.server_version().await.unwrap_err();
    let ClusterError::Certificate { problem, address } = &error else { panic!("{error:?}") };
    assert_eq!(*problem, CertificateProblem::UnknownIssuer);
    assert!(error.hint().unwrap().as_str().contains("certificate-authority"), "{error}");
    assert_eq!(address, client.address());

    let renamed = client_of(&namespace, |config| {
        config["clusters"][0]["cluster"]["tls-server-name"] = json!("elsewhere.example");
    })
    .await;
    let error = renamed.server_version().await.unwrap_err();
    let ClusterError::Certificate { problem, .. } = &error else { panic!("{error:?}") };
    assert!(
        matches!(problem, CertificateProblem::WrongName { expected, presented }
            if expected == "elsewhere.example" && !presented.is_empty()),
        "{problem:?}"
    );
    assert!(error.hint().unwrap().as_str().contains("tls-server-name"), "{error}");
}

/// The certificate of an authority that signed nothing here.
fn other_authority() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(Authority::new("stranger").unwrap().pem().as_bytes()).unwrap();
    file
}

async fn client_of(namespace: &Namespace, change: impl FnOnce(&mut Value)) -> Client {
    let text = namespace.cluster().kubectl_ok(&[
        "config",
        "view",
        "--raw",
        "--minify",
        "--flatten",
        "--output",
        "json",
    ]);
    let mut value: Value = serde_json::from_str(&text).unwrap();
    change(&mut value);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{value}").unwrap();
    Client::connect(&ConnectOptions::from_kubeconfig(file.path())).await.unwrap()
}

async fn with_token(namespace: &Namespace, token: &str) -> Client {
    client_of(namespace, |config| config["users"][0]["user"] = json!({"token": token})).await
}

/// A new ServiceAccount that may do nothing; gives a token of it.
fn account(namespace: &Namespace, name: &str) -> String {
    let kubectl = |arguments: &[&str]| {
        let mut all = vec!["--namespace", namespace.name()];
        all.extend(arguments);
        namespace.cluster().kubectl_ok(&all)
    };
    kubectl(&["create", "serviceaccount", name]);
    kubectl(&["create", "token", name]).trim().to_owned()
}

/// The same token with times shifted by `seconds`, signed with the cluster's own key.
fn shifted(token: &str, seconds: i64, key: &Key) -> String {
    let mut parts = token.split('.');
    let header: Value =
        serde_json::from_slice(&BASE64URL.decode(parts.next().unwrap()).unwrap()).unwrap();
    assert_eq!(header["alg"], "ES256", "the cluster signs with another kind of key");
    let mut claims: Value =
        serde_json::from_slice(&BASE64URL.decode(parts.next().unwrap()).unwrap()).unwrap();
    for claim in ["exp", "iat", "nbf"] {
        claims[claim] = json!(claims[claim].as_i64().unwrap() + seconds);
    }
    let encode = |value: &Value| BASE64URL.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = fixed_size(&key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{}", BASE64URL.encode(signature))
}

/// The two numbers of an ECDSA signature in DER, 32 bytes each, as a token carries them.
fn fixed_size(der: &[u8]) -> Vec<u8> {
    let mut rest = der.get(2..).unwrap();
    let mut out = Vec::new();
    for _ in 0..2 {
        let (head, behind) = rest.split_at(2);
        let (number, behind) = behind.split_at(usize::from(*head.last().unwrap()));
        let number: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        out.extend(std::iter::repeat_n(0, 32 - number.len()));
        out.extend(number);
        rest = behind;
    }
    out
}

#[tokio::test]
async fn an_expired_token_is_refused_and_the_hint_says_what_to_do() {
    let Some((_, namespace)) = cluster().await else { return };
    let Some(testbed) = namespace.cluster().testbed() else {
        testkit::cluster::skip("only a cluster of ours lends the key that signs tokens");
        return;
    };
    let key = std::fs::read_to_string(testbed.dir().join("pki/sa.key")).unwrap();
    let key = Key::from_pem(&key).unwrap();
    let token = account(&namespace, "late");
    // Signed by us and not expired: what follows is due to the time alone.
    let valid = with_token(&namespace, &shifted(&token, -1, &key)).await;
    valid.server_version().await.unwrap();
    let expired = with_token(&namespace, &shifted(&token, -7_200, &key)).await;
    let error = expired.server_version().await.unwrap_err();
    let shown = model::report(&error, error.hint()).to_string();
    assert!(matches!(error, ClusterError::Unauthorized { .. }), "{shown}");
    assert!(shown.contains("does not accept the credentials"), "{shown}");
    assert!(shown.contains("hint: the token or client certificate is expired"), "{shown}");
    assert_eq!(error.retry(), model::Retry::Never);
}

#[tokio::test]
async fn in_a_pod_the_service_account_is_used_and_a_new_token_is_read_when_the_old_is_refused() {
    let Some((client, namespace)) = cluster().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let text = namespace.cluster().kubectl_ok(&[
        "config",
        "view",
        "--raw",
        "--minify",
        "--flatten",
        "--output",
        "jsonpath={.clusters[0].cluster.certificate-authority-data}",
    ]);
    put("ca.crt", &String::from_utf8(BASE64.decode(text.trim()).unwrap()).unwrap());
    put("namespace", &format!("{}\n", namespace.name()));
    put("token", "CANARY-TOKEN");
    let (host, port) =
        client.address().trim_start_matches("https://").rsplit_once(':').unwrap_or_default();
    let variable = |name: &str| match name {
        "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
        "KUBERNETES_SERVICE_PORT" => Some(port.to_owned()),
        _ => None,
    };
    let account_of_pod = ServiceAccount::from_variables(variable, folder.path()).unwrap();
    let options =
        ConnectOptions { service_account: Some(account_of_pod), ..ConnectOptions::default() };
    let pod = Client::connect(&options).await.unwrap();
    assert_eq!(pod.default_namespace(), namespace.name());
    assert_eq!(pod.address(), client.address());
    let maps = kind(&client, "v1", "ConfigMap").await;
    let refused = pod.get(&maps, namespace.name(), "c").await.unwrap_err();
    assert!(matches!(refused, ClusterError::Unauthorized { .. }), "{refused}");
    assert!(!format!("{refused:?} {pod:?} {options:?}").contains("CANARY"));
    // As the kubelet does it: another token in the same place, for the running process.
    put("token", &format!("{}\n", account(&namespace, "pod")));
    let error = pod.get(&maps, namespace.name(), "c").await.unwrap_err();
    let user = format!("system:serviceaccount:{0}:pod", namespace.name());
    assert_eq!(
        error.to_string(),
        format!("user {user} may not get configmaps in namespace {}", namespace.name())
    );
}
