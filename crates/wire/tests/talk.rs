//! Client and server against each other and against rude partners, on the loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use http::{Method, StatusCode};
use model::{Explain, Retry};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testbed::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::{
    ANSWER_BYTES_MAX, Client, ClientOptions, Credential, Handler, Outgoing, Reply, Request,
    WireError,
};

const LIMIT: usize = 1_000;

#[derive(Default)]
struct Echo {
    answered: AtomicUsize,
}

impl Handler for Echo {
    fn body_bytes_max(&self, method: &Method, path: &str) -> usize {
        if method == Method::POST && path == "/echo" { LIMIT } else { 0 }
    }

    fn answer(&self, request: &Request) -> Reply {
        self.answered.fetch_add(1, Ordering::Relaxed);
        match request.path.as_str() {
            "/echo" => {
                let proof = request.header("authorization").unwrap_or("nobody");
                let body = String::from_utf8_lossy(&request.body);
                Reply::text(StatusCode::OK, format!("{proof}:{body}"))
            }
            "/large" => Reply::text(StatusCode::OK, "x".repeat(ANSWER_BYTES_MAX)),
            "/larger" => Reply::text(StatusCode::OK, "x".repeat(ANSWER_BYTES_MAX + 1)),
            "/busy" => Reply::text(StatusCode::TOO_MANY_REQUESTS, ""),
            _ => Reply::text(StatusCode::NOT_FOUND, ""),
        }
    }
}

async fn server() -> (SocketAddr, Arc<Echo>, DropGuard) {
    let listener = wire::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, echo) = (CancellationToken::new(), Arc::new(Echo::default()));
    tokio::spawn(wire::serve(listener, echo.clone(), stop.clone()));
    (address, echo, stop.drop_guard())
}

/// A server that answers one connection with fixed bytes.
async fn fixed(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = [0_u8; 4096];
        let _ = stream.read(&mut seen).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        // Held open: the reader decides when it has enough.
        let _ = stream.read(&mut seen).await;
    });
    address
}

async fn raw(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn client() -> Client {
    Client::new(ClientOptions::default())
}

#[tokio::test]
async fn a_request_arrives_with_its_credential_and_its_answer_comes_back() {
    let (address, _, _guard) = server().await;
    let mut outgoing = Outgoing::post(format!("http://{address}/echo"), b"{}".to_vec());
    let header = http::header::AUTHORIZATION;
    outgoing.credential = Some(Credential::new(address.to_string(), header, "Bearer t"));
    let answer = client().send(&outgoing).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"Bearer t:{}".as_slice()));
}

#[tokio::test]
async fn gitops_14_a_body_is_taken_up_to_the_limit_and_not_beyond() {
    let (address, echo, _guard) = server().await;
    let send = async |bytes: usize| {
        let outgoing = Outgoing::post(format!("http://{address}/echo"), vec![b'x'; bytes]);
        client().send(&outgoing).await
    };
    assert_eq!(send(LIMIT).await.unwrap().body.len(), "nobody:".len() + LIMIT);
    let Err(WireError::Status { status: 413, .. }) = send(LIMIT + 1).await else { panic!() };
    // Without a length it is counted while it comes, and without a right to a body none is read.
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", LIMIT + 1, "x".repeat(LIMIT + 1));
    let head = "HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(raw(address, &format!("POST /echo {head}{chunk}")).await.contains(" 413 "));
    assert!(
        raw(address, &format!("POST /other {head}1\r\nx\r\n0\r\n\r\n")).await.contains(" 413 ")
    );
    assert_eq!(echo.answered.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_header_is_taken_up_to_the_limit_and_not_beyond() {
    let (address, _, _guard) = server().await;
    let long = "x".repeat(wire::HEADER_BYTES_MAX + 1);
    let answer =
        raw(address, &format!("GET /echo HTTP/1.1\r\nHost: h\r\nX-Long: {long}\r\n\r\n")).await;
    assert!(answer.is_empty() || answer.contains(" 431 "), "{answer}");
}

#[tokio::test]
async fn an_answer_is_read_up_to_the_limit_and_not_beyond() {
    let (address, _, _guard) = server().await;
    let get =
        async |path: &str| client().send(&Outgoing::get(format!("http://{address}{path}"))).await;
    assert_eq!(get("/large").await.unwrap().body.len(), ANSWER_BYTES_MAX);
    assert!(matches!(get("/larger").await, Err(WireError::TooLarge { .. })));
}

#[tokio::test]
async fn gitops_15_a_redirect_is_refused_and_named_without_what_may_be_secret() {
    let address =
        fixed("HTTP/1.1 302 Found\r\nLocation: https://evil.example/?t=CANARY\r\n\r\n").await;
    let outgoing = Outgoing::post(format!("http://{address}/x?t=CANARY"), Vec::new());
    let error = client().send(&outgoing).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("http://{address}/x redirects to evil.example, which is not followed")
    );
    assert!(!format!("{error:?}").contains("CANARY"));
}

#[tokio::test]
async fn a_refusal_says_when_another_try_may_help() {
    let (address, _, _guard) = server().await;
    let get = async |path: &str| {
        client().send(&Outgoing::get(format!("http://{address}{path}"))).await.unwrap_err().retry()
    };
    assert_eq!(get("/busy").await, Retry::After(Duration::from_secs(1)));
    assert_eq!(get("/nothing").await, Retry::Never);
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_given_up() {
    let address = fixed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx").await;
    let timeout = Duration::from_millis(50);
    let client = Client::new(ClientOptions { timeout, ..ClientOptions::default() });
    let error = client.send(&Outgoing::get(format!("http://{address}/"))).await.unwrap_err();
    assert!(matches!(error, WireError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_certificate_is_trusted_by_the_given_file_only() {
    let authority = Authority::new("test authority").unwrap();
    let made = authority.issue("test server", "", &["localhost"], &[]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let leaf = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut seen = [0_u8; 4096];
            let _ = stream.read(&mut seen).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    });
    let outgoing = Outgoing::get(format!("https://localhost:{port}/"));
    let error = client().send(&outgoing).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let trusting =
        Client::new(ClientOptions { ca_file: Some(file.clone()), ..ClientOptions::default() });
    assert_eq!(trusting.send(&outgoing).await.unwrap().status, 204);
    std::fs::write(&file, "nothing").unwrap();
    let broken = Client::new(ClientOptions { ca_file: Some(file), ..ClientOptions::default() });
    assert!(matches!(broken.send(&outgoing).await, Err(WireError::Certificates { .. })));
    // The same without a file.
    let given = |pem: &str| {
        Client::new(ClientOptions { ca_pem: pem.as_bytes().to_vec(), ..ClientOptions::default() })
    };
    assert_eq!(given(authority.pem()).send(&outgoing).await.unwrap().status, 204);
    let other = Authority::new("another authority").unwrap();
    let error = given(other.pem()).send(&outgoing).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let error = given("nothing").send(&outgoing).await.unwrap_err();
    assert!(matches!(error, WireError::Certificates { .. }), "{error:?}");
}
