//! A watch that is believed: it says that it is in sync only when nothing can be missing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cluster::{Client, ConnectOptions, ListOptions, Resource, Watch, WatchEvent};
use objects::GroupVersionKind;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long something that is certain to happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One answer of the scripted server.
enum Reply {
    /// A whole answer.
    Json(Value),
    /// The lines of a watch and the proper end of the stream.
    Ended(Vec<Value>),
    /// The lines of a watch and a cut.
    Cut(Vec<Value>),
    /// The lines of a watch and nothing more.
    Open(Vec<Value>),
}

struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    _task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (seen, mut script) = (requests.clone(), VecDeque::from(script));
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                let Some(reply) = script.pop_front() else { return };
                open.extend(answer(socket, reply, &seen).await);
            }
        });
        Self { address, requests, _task: task }
    }

    async fn client(&self) -> Client {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let address = &self.address;
        let text = json!({"apiVersion": "v1", "kind": "Config", "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "users": [{"name": "u", "user": {}}]});
        write!(file, "{text}").unwrap();
        Client::connect(&ConnectOptions::from_kubeconfig(file.path())).await.unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers one request; gives the socket back when it stays open.
async fn answer(
    mut socket: TcpStream,
    reply: Reply,
    seen: &Mutex<Vec<String>>,
) -> Option<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    seen.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
    let (lines, end) = match &reply {
        Reply::Json(value) => {
            let body = value.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(answer.as_bytes()).await.ok()?;
            return None;
        }
        Reply::Ended(lines) => (lines, "0\r\n\r\n"),
        Reply::Cut(lines) | Reply::Open(lines) => (lines, ""),
    };
    let mut text =
        "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for line in lines {
        let line = format!("{line}\n");
        text.push_str(&format!("{:x}\r\n{line}\r\n", line.len()));
    }
    socket.write_all((text + end).as_bytes()).await.ok()?;
    matches!(reply, Reply::Open(_)).then_some(socket)
}

fn pods() -> Resource {
    Resource {
        gvk: GroupVersionKind::from_api_version("v1", "Pod"),
        plural: "pods".to_owned(),
        singular: "pod".to_owned(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: vec!["list".to_owned(), "watch".to_owned()],
        subresources: Vec::new(),
    }
}

fn pod(name: &str, version: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata":
        {"name": name, "namespace": "a", "uid": name, "resourceVersion": version}})
}

fn list(version: &str, items: &[Value]) -> Reply {
    Reply::Json(json!({"metadata": {"resourceVersion": version}, "items": items}))
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

async fn told(watch: &mut Watch) -> String {
    match tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap() {
        WatchEvent::Added(object) => format!("+{}", object.name()),
        WatchEvent::Modified(object) => format!("~{}", object.name()),
        WatchEvent::Deleted(gone) => format!("-{}", gone.id.name),
        WatchEvent::Synced => "=".to_owned(),
    }
}

#[tokio::test]
async fn gitops_20_a_watch_that_the_server_ended_in_good_order_stays_in_sync() {
    let server = Server::start(vec![
        list("10", &[pod("a", "1")]),
        Reply::Ended(vec![event("MODIFIED", &pod("a", "11"))]),
        Reply::Open(vec![event("MODIFIED", &pod("a", "12"))]),
    ])
    .await;
    let mut watch = server.client().await.watch_exact(&pods(), ListOptions::default());
    let position = watch.position();
    assert!(!position.is_in_sync(), "nothing was listed yet");
    assert_eq!(told(&mut watch).await, "+a");
    assert!(!position.is_in_sync(), "the list is not over");
    assert_eq!(told(&mut watch).await, "=");
    assert!(position.is_in_sync());
    assert_eq!(told(&mut watch).await, "~a");
    assert_eq!(told(&mut watch).await, "~a");
    assert!(position.is_in_sync());
    assert!(server.requests()[2].contains("resourceVersion=11"), "{:?}", server.requests());
}

#[tokio::test]
async fn gitops_20_a_watch_that_was_cut_is_out_of_sync_until_it_has_listed_again() {
    let gone = json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
        "metadata": {}, "message": "too old"});
    for cut in [Reply::Cut(vec![]), Reply::Open(vec![event("ERROR", &gone)])] {
        let server = Server::start(vec![
            list("10", &[pod("a", "1")]),
            cut,
            list("20", &[pod("b", "19")]),
            Reply::Open(vec![]),
        ])
        .await;
        let mut watch = server.client().await.watch_exact(&pods(), ListOptions::default());
        let position = watch.position();
        assert_eq!((told(&mut watch).await, told(&mut watch).await), ("+a".into(), "=".into()));
        assert_eq!(told(&mut watch).await, "+b");
        assert!(!position.is_in_sync() && !position.is_listed(), "it is listing");
        assert_eq!((told(&mut watch).await, told(&mut watch).await), ("-a".into(), "=".into()));
        assert!(position.is_in_sync());
        let requests = server.requests();
        assert!(!requests[2].contains("watch=true"), "{requests:?}");
    }
}

#[tokio::test]
async fn gitops_20_a_watch_that_is_silent_is_not_believed() {
    let server = Server::start(vec![list("10", &[pod("a", "1")]), Reply::Open(vec![])]).await;
    let mut watch = server.client().await.watch_exact(&pods(), ListOptions::default());
    let position = watch.position();
    while told(&mut watch).await != "=" {}
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    let quiet = Duration::from_secs(cluster::WATCH_QUIET_SECONDS);
    while since.elapsed() + Duration::from_secs(1) < quiet {
        assert!(position.is_in_sync(), "{:?}", since.elapsed());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    tokio::time::advance(Duration::from_secs(3)).await;
    assert!(!position.is_in_sync() && position.is_listed());
}
