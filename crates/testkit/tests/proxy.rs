//! The proxy in front of a real API server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use testkit::cluster::shared;
use testkit::proxy::{Fault, Proxy, Rule};

fn ask(proxy: &Proxy, method: &str, target: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(proxy.url().trim_start_matches("http://")).unwrap();
    let length = body.len();
    let typed = if body.is_empty() { "" } else { "Content-Type: application/apply-patch+yaml\r\n" };
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         {typed}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn a_real_api_server_is_reached_with_its_client_certificate_and_counted() {
    let Some(cluster) = shared() else { return };
    let namespace = cluster.namespace();
    let proxy = Proxy::start(cluster.kubeconfig()).unwrap();
    let text = ask(&proxy, "GET", "/version", "");
    assert!(text.contains("gitVersion"), "{text}");
    let list = format!("/api/v1/namespaces/{}/configmaps", namespace.name());
    let name = format!("{list}/testkit-proxy");
    let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: testkit-proxy}}";
    let apply = format!("{name}?fieldManager=testkit");
    let text = ask(&proxy, "PATCH", &format!("{apply}&dryRun=All"), object);
    assert!(text.contains("201 Created") || text.contains("200 OK"), "{text}");
    assert_eq!((proxy.recorder().count("apply", "configmaps"), proxy.recorder().writes()), (1, 0));
    let text = ask(&proxy, "PATCH", &apply, object);
    assert!(text.contains("testkit-proxy"), "{text}");
    proxy.fault(Rule::new("watch", "configmaps", Fault::CutAfterEvents(1)));
    let text = ask(&proxy, "GET", &format!("{list}?watch=true&timeoutSeconds=20"), "");
    assert!(text.contains("\"ADDED\""), "{text}");
    assert!(ask(&proxy, "DELETE", &name, "").contains("200 OK"));
    assert_eq!(proxy.recorder().writes(), 2);
}
