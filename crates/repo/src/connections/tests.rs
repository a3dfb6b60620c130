use super::*;
use crate::{Credentials, Reference, RepoUrl, Secret};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};

const CANARY: &str = "canary-7f3a";
static GO: AtomicBool = AtomicBool::new(false);

/// Answers every request with 503 and tells its head.
fn proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = channel();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let reader = BufReader::new(stream.try_clone().unwrap());
            let lines = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let head: Vec<String> = lines.collect();
            let _ =
                stream.write_all(b"HTTP/1.1 503 x\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
            if sender.send(head.join("\n")).is_err() {
                return;
            }
        }
    });
    (address.to_string(), heads)
}

fn through(proxy: &str) -> Connections {
    let proxies = connector::Proxies::all(proxy);
    Connections { shared: Arc::new(Shared { proxies, ..Shared::default() }) }
}

fn spec(url: &str) -> Fetch {
    Fetch::new(RepoUrl::parse(url).unwrap(), Reference::Head)
}

#[test]
fn a_proxy_is_asked_for_http_with_its_own_credentials_only() {
    let (address, heads) = proxy();
    let connections = through(&format!("http://me:secret@{address}"));
    let error = connections.poll(&spec("http://git.invalid/a.git"), &GO).unwrap_err();
    assert!(matches!(error, RepoError::Server { status: 503, .. }), "{error:?}");
    let head = heads.recv().unwrap();
    let first = "GET http://git.invalid/a.git/info/refs?service=git-upload-pack HTTP/1.1";
    assert!(head.starts_with(first), "{head}");
    assert!(head.contains("proxy-authorization: Basic bWU6c2VjcmV0"), "{head}");
    assert!(!head.contains("\nauthorization"), "{head}");
}

#[test]
fn gitops_15_a_proxy_for_https_gets_a_tunnel_to_make_and_no_credentials() {
    let (address, heads) = proxy();
    let connections = through(&address);
    let mut spec = spec("https://git.invalid/a.git");
    spec.credentials = Some(Credentials::new("me", Secret::new(CANARY)));
    let error = connections.poll(&spec, &GO).unwrap_err();
    assert!(matches!(error, RepoError::Connect { .. }), "{error:?}");
    let head = heads.recv().unwrap();
    assert!(head.starts_with("CONNECT git.invalid:443 HTTP/1.1"), "{head}");
    assert!(!head.to_lowercase().contains("authorization"), "{head}");
}

#[test]
fn a_host_that_the_environment_excludes_is_reached_without_the_proxy() {
    let (address, heads) = proxy();
    let connections = through(&address);
    let error = connections.poll(&spec("http://direct.invalid/a.git"), &GO).unwrap_err();
    assert!(matches!(error, RepoError::Resolve { .. }), "{error:?}");
    assert!(heads.try_recv().is_err());
}

#[test]
fn greetings_are_remembered_up_to_the_bound_and_then_forgotten() {
    let connections = Connections::new();
    let base = HttpUrl::parse("https://h/a").unwrap().url;
    for number in 0..GREETINGS_MAX {
        connections.remember(&number.to_string(), base.clone(), Greeting::default());
    }
    assert!(connections.greeting("0").is_some());
    connections.remember("one more", base, Greeting::default());
    assert!(connections.greeting("0").is_none());
    assert!(connections.greeting("one more").is_some());
    connections.forget("one more");
    assert!(connections.greeting("one more").is_none());
}

#[test]
fn another_certificate_file_is_another_client_and_their_number_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let connections = Connections::new();
    let certificate = any_certificate();
    let mut spec = spec("https://h/a");
    let url = HttpUrl::parse("https://h/a").unwrap().url;
    for number in 0..=CLIENTS_MAX {
        let path = dir.path().join(format!("{number}.pem"));
        std::fs::write(&path, &certificate).unwrap();
        spec.ca_file = Some(path);
        connections.client(&url, &spec).unwrap();
        connections.client(&url, &spec).unwrap();
        assert_eq!(lock(&connections.shared.clients).len(), (number + 1).min(CLIENTS_MAX));
    }
    // The same name with another content is read again, and the old one forgotten.
    let path = spec.ca_file.clone().unwrap();
    std::fs::write(&path, format!("{certificate}\n{certificate}")).unwrap();
    connections.client(&url, &spec).unwrap();
    assert_eq!(lock(&connections.shared.clients).len(), CLIENTS_MAX);
    std::fs::write(&path, "nothing").unwrap();
    assert!(matches!(connections.client(&url, &spec), Err(RepoError::Certificates { .. })));
}

/// Any certificate; the test server's is one.
fn any_certificate() -> String {
    let options =
        testkit::git::GitServerOptions { tls: true, ..testkit::git::GitServerOptions::default() };
    let server = testkit::git::GitServer::start_with(&options).unwrap();
    std::fs::read_to_string(server.ca_file().unwrap()).unwrap()
}

#[test]
fn trees_and_connections_may_be_used_by_any_thread() {
    fn check<T: Send + Sync>() {}
    check::<Connections>();
    check::<crate::Tree>();
}
