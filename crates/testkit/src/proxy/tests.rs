use super::*;
use crate::serve::full_body;
use hyper_util::rt::TokioIo;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

/// A target and its authorization.
type Seen = (String, Option<String>);

/// An API server of our own: it tells what it was asked, and its watches give three events and
/// then stay open.
struct Server {
    serve: Serve,
    dir: TempDir,
    seen: Arc<Mutex<Vec<Seen>>>,
}

fn server() -> Server {
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let log = seen.clone();
    let handler: Handler = Arc::new(move |request: Request<Incoming>| {
        let token = request.headers().get("authorization");
        let token = token.map(|value| value.to_str().unwrap().to_owned());
        log.lock().unwrap().push((request.uri().to_string(), token));
        Box::pin(async move {
            if !request.uri().to_string().contains("watch") {
                return Ok(Response::new(full_body("{\"kind\":\"PodList\"}")));
            }
            let (sender, body) = channel_body();
            tokio::spawn(async move {
                for kind in ["ADDED", "BOOKMARK", "DELETED"] {
                    let line = format!("{{\"type\":\"{kind}\"}}\n");
                    let _ = sender.send(Ok(line.into())).await;
                }
                sender.closed().await;
            });
            Ok(Response::new(body))
        })
    });
    let serve = Serve::start(handler, None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{{name: c, context: {{cluster: k, user: u, namespace: ns}}}}]\n\
         clusters: [{{name: k, cluster: {{server: 'http://{}/'}}}}]\n\
         users: [{{name: u, user: {{token: t0ken}}}}]\n",
        serve.address
    );
    std::fs::write(dir.path().join("kubeconfig"), config).unwrap();
    Server { serve, dir, seen }
}

fn proxy(server: &Server) -> Proxy {
    Proxy::start(&server.dir.path().join("kubeconfig")).unwrap()
}

/// Sends a request; gives the connection to read from.
fn send(proxy: &Proxy, method: &str, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn ask(proxy: &Proxy, method: &str, target: &str) -> String {
    let mut text = String::new();
    let _ = send(proxy, method, target).read_to_string(&mut text);
    text
}

fn read_until(stream: &mut TcpStream, words: &str) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&bytes).contains(words) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&bytes));
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

const PODS: &str = "/api/v1/namespaces/n/pods";
const WATCH: &str = "/api/v1/namespaces/n/pods?watch=true";

#[test]
fn requests_reach_the_server_with_its_credentials_and_are_counted() {
    let server = server();
    let proxy = proxy(&server);
    assert!(ask(&proxy, "GET", PODS).contains("PodList"));
    assert!(ask(&proxy, "DELETE", &format!("{PODS}/p")).contains("200 OK"));
    assert_eq!(proxy.recorder().count("list", "pods"), 1);
    assert_eq!(proxy.recorder().count("delete", "pods"), 1);
    assert_eq!((proxy.recorder().writes(), proxy.recorder().total()), (1, 2));
    let seen = server.seen.lock().unwrap().clone();
    assert_eq!(seen[0], (PODS.to_owned(), Some("Bearer t0ken".to_owned())));
    proxy.recorder().reset();
    assert_eq!(proxy.recorder().total(), 0);
    assert!(server.serve.address.ip().is_loopback());
}

#[test]
fn a_watch_is_streamed_and_can_be_cut_from_outside() {
    let server = server();
    let proxy = proxy(&server);
    let mut watch = send(&proxy, "GET", WATCH);
    read_until(&mut watch, "DELETED");
    proxy.cut_watches();
    let mut rest = Vec::new();
    let _ = watch.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("0\r\n\r\n"), "no clean end");
    assert!(ask(&proxy, "GET", PODS).contains("PodList"), "only watches are cut");
}

#[test]
fn a_watch_can_be_cut_after_events_lose_bookmarks_or_end_with_410() {
    let server = server();
    let proxy = proxy(&server);
    proxy.fault(Rule::new("watch", "pods", Fault::CutAfterEvents(1)));
    let text = ask(&proxy, "GET", WATCH);
    assert!(text.contains("ADDED") && !text.contains("BOOKMARK"), "{text}");
    proxy.fault(Rule::new("watch", "pods", Fault::GoneAfterEvents(1)));
    let text = ask(&proxy, "GET", WATCH);
    assert!(text.contains("ADDED") && text.contains("\"ERROR\"") && text.contains("410"), "{text}");
    proxy.fault(Rule::new("watch", "pods", Fault::DropBookmarks));
    let text = read_until(&mut send(&proxy, "GET", WATCH), "DELETED");
    assert!(!text.contains("BOOKMARK"), "{text}");
}

#[test]
fn statuses_come_as_the_api_server_words_them() {
    let server = server();
    let proxy = proxy(&server);
    let fault = Fault::Status { code: 429, retry_after_seconds: Some(3) };
    proxy.fault(Rule::new("list", "pods", fault).from_nth(2));
    assert!(ask(&proxy, "GET", PODS).contains("200 OK"));
    let text = ask(&proxy, "GET", PODS).to_lowercase();
    assert!(text.contains("429 too many") && text.contains("retry-after: 3"), "{text}");
    assert!(text.contains("\"kind\":\"status\""), "{text}");
    let gone = Fault::Status { code: 410, retry_after_seconds: None };
    proxy.fault(Rule::new("list", "*", gone));
    assert!(ask(&proxy, "GET", PODS).contains("Expired"));
    assert_eq!(server.seen.lock().unwrap().len(), 1);
}

#[test]
fn connections_can_be_cut_and_the_server_can_go_away() {
    let server = server();
    let proxy = proxy(&server);
    proxy.fault(Rule::new("*", "*", Fault::Cut));
    assert_eq!(ask(&proxy, "GET", PODS), "");
    proxy.down();
    assert_eq!(ask(&proxy, "GET", PODS), "");
    proxy.up();
    assert!(ask(&proxy, "GET", PODS).contains("200 OK"));
}

#[test]
fn a_request_waits_until_the_test_lets_it_go() {
    let server = server();
    let proxy = proxy(&server);
    let (fault, release) = Fault::delay();
    proxy.fault(Rule::new("list", "pods", fault));
    let mut waiting = send(&proxy, "GET", PODS);
    assert!(proxy.recorder().wait_for("list", "pods", 1, LONG));
    assert!(ask(&proxy, "GET", PODS).contains("200 OK"), "others go on");
    assert_eq!(server.seen.lock().unwrap().len(), 1);
    release.open();
    read_until(&mut waiting, "PodList");
    assert_eq!(server.seen.lock().unwrap().len(), 2);
}

#[test]
fn over_tls_the_clients_kubeconfig_has_the_authority_to_trust() {
    let server = server();
    let proxy = Proxy::start_tls(&server.dir.path().join("kubeconfig")).unwrap();
    let client = Upstream::read(proxy.kubeconfig()).unwrap();
    assert_eq!((client.server(), client.namespace()), (proxy.url(), Some("ns")));
    let config = Arc::new(client.tls().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = runtime.block_on(async {
        let address = proxy.url().trim_start_matches("https://").to_owned();
        let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = TokioIo::new(connector.connect(name, stream).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(PODS).header("host", "x").body(full_body("")).unwrap();
        sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes()
    });
    assert_eq!(&body[..], b"{\"kind\":\"PodList\"}");
}
