//! R27: what the API says of pods, at a start and when it says nothing.

use super::reload::TO_FILE;
use super::support::{Desk, Sink, WAIT, ran};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

/// An API server that answers each list once it may, and a watch never.
fn api(status: &'static str, body: String) -> (SocketAddr, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (open, gate) = mpsc::channel();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                head.extend_from_slice(&byte);
            }
            if String::from_utf8_lossy(&head).contains("watch=1") {
                silent.push(stream);
                continue;
            }
            // Until the other end is gone.
            let _ = gate.recv_timeout(WAIT);
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n");
            let _ = write!(stream, "{head}connection: close\r\n\r\n{body}");
        }
    });
    (address, open)
}

fn input(api: SocketAddr) -> String {
    format!(
        "{{type: kubernetes, root: 'DIR/pods', start_at: beginning, node_name: n, labels: ['*'], \
         api_server: 'http://{api}', token_file: 'DIR/none'}}"
    )
}

fn list(items: &str) -> String {
    format!(r#"{{"metadata": {{"resourceVersion": "5"}}, "items": [{items}]}}"#)
}

/// Lines of the one pod, more than can wait for it.
fn pod(desk: &Desk, lines: usize) {
    let line = |number: usize| {
        format!("2026-01-02T03:04:05.000000006Z stdout F {number:05} {}\n", "x".repeat(4_000))
    };
    desk.append("pods/shop_web-1_u1/app/0.log", &(0..lines).map(line).collect::<String>());
}

#[test]
fn r27_at_a_start_pods_are_known_by_all_their_lines_and_nobody_else_waits_for_the_list() {
    let labels = r#""labels": {"team": "carts"}"#;
    let of = format!(r#"{{"name": "web-1", "namespace": "shop", "uid": "u1", {labels}}}"#);
    let found = format!(r#"{{"metadata": {of}, "spec": {{"containers": []}}, "status": {{}}}}"#);
    let (desk, sink, (api, open)) = (Desk::new(), Sink::of_records(), api("200 OK", list(&found)));
    let other = "{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}";
    let to = format!("{{type: otlp_http, endpoint: 'http://{}'}}", sink.address());
    desk.config(&format!("inputs: [{}, {other}]\nsinks: [{to}]\n", input(api)));
    desk.append("logs/a.log", "of no pod\n");
    pod(&desk, 1_500);
    let agent = desk.start();
    sink.until(1);
    open.send(()).unwrap();
    sink.until(1_501);
    assert_eq!(agent.stop(), 0);
    let known = |resource: &str| resource.contains("k8s.pod.label.team");
    let records = sink.0.records();
    let count = records.iter().filter(|one| known(&format!("{:?}", one.resource))).count();
    assert_eq!((records.len(), count), (1_501, 1_500));
}

#[test]
fn r27_an_api_that_knows_no_pod_of_the_node_or_refuses_is_told_and_shown() {
    for (status, body, said, shown) in [
        ("200 OK", list(""), "lists no pod of this node", "pods 0, lists 1, failures 0, "),
        ("403 Forbidden", String::new(), "cannot list the pods", "/api/v1/pods answered 403"),
    ] {
        let (desk, (api, open)) = (Desk::new(), api(status, body));
        drop(open);
        desk.config(&format!("inputs: [{}]\n{TO_FILE}", input(api)));
        pod(&desk, 1);
        let agent = desk.start();
        desk.until_said(said);
        let state = desk.path("state");
        let status = agent.until_status(&state, |status| status["pods"]["late_files"] == 1);
        assert_eq!(status["pods"]["known"], 0);
        assert_eq!(status["pods"]["listed"], status["pods"]["failing"].is_null(), "{status}");
        let (_, page, _) = ran(&["status", "--state-dir", state.to_str().unwrap()]);
        assert!(page.contains(shown), "{page}");
        assert_eq!(agent.stop(), 0);
        let log = std::fs::read_to_string(desk.path("agent.log")).unwrap();
        assert_eq!(log.matches("lists no pod").count(), usize::from(said.starts_with("lists")));
    }
}
