//! Channels against servers that are kind, rude, and of TLS with certificates on both sides.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use http::{HeaderName, HeaderValue, Method, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use testbed::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use wire::{
    Bytes, Channel, ChannelOptions, Message, Protocol, RETRY_AFTER_SECONDS_MAX, TlsFiles,
    WireError, grpc_call, grpc_prefix,
};

fn post(path: &str, body: &'static [u8]) -> Message {
    Message {
        method: Method::POST,
        path: path.to_owned(),
        headers: vec![(HeaderName::from_static("x-test"), HeaderValue::from_static("yes"))],
        body: Bytes::from_static(body).into(),
    }
}

/// Does this with every connection, and counts them.
async fn serving<F>(
    handle: impl Fn(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(handle(stream));
        }
    });
    (address, connections)
}

/// Counts connections; answers each request with its path, its header and its body.
async fn echo() -> (SocketAddr, Arc<AtomicUsize>) {
    serving(|stream| async move {
        let service = service_fn(|request: http::Request<hyper::body::Incoming>| async {
            let path = request.uri().path().to_owned();
            let proof = request.headers().get("x-test").is_some();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            let body = format!("{path} {proof} {body}");
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
        });
        let server = hyper::server::conn::http1::Builder::new();
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    })
    .await
}

/// Answers every connection with fixed bytes and closes it.
async fn fixed(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    address
}

fn channel(address: SocketAddr) -> Channel {
    Channel::new(ChannelOptions::to(format!("http://{address}/base/"))).unwrap()
}

#[tokio::test]
async fn a_connection_is_kept_and_the_path_of_the_address_is_put_before_every_path() {
    let (address, connections) = echo().await;
    let channel = channel(address);
    for _ in 0..5 {
        let received = channel.exchange(post("/v1/logs", b"hello")).await.unwrap();
        assert_eq!(&received.body[..], b"/base/v1/logs true hello");
        assert_eq!((received.status, received.cut), (200, false));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    channel.forget();
    channel.exchange(post("/", b"")).await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn any_status_is_an_answer_and_its_pause_is_read_and_bounded() {
    let text = "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno";
    let received = channel(fixed(text.into()).await).exchange(post("/", b"x")).await.unwrap();
    assert_eq!((received.status, &received.body[..]), (503, &b"no"[..]));
    assert_eq!(received.retry_after(SystemTime::now()), Some(Duration::from_secs(7)));
    let text = "HTTP/1.1 429 Busy\r\nretry-after: 999999\r\ncontent-length: 0\r\n\r\n";
    let received = channel(fixed(text.into()).await).exchange(post("/", b"x")).await.unwrap();
    let longest = Duration::from_secs(RETRY_AFTER_SECONDS_MAX);
    assert_eq!(received.retry_after(SystemTime::now()), Some(longest));
}

#[tokio::test]
async fn an_answer_is_cut_at_the_bound_and_garbage_is_no_answer() {
    let mut long = b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n".to_vec();
    long.resize(long.len() + 200_000, b'x');
    let received = channel(fixed(long).await).exchange(post("/", b"x")).await.unwrap();
    assert_eq!((received.body.len(), received.cut), (wire::CHANNEL_ANSWER_BYTES_MAX, true));
    for garbage in
        [&b"\0\xff\xfe nonsense\r\n\r\n"[..], b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"]
    {
        let address = fixed(garbage.to_vec()).await;
        let error = channel(address).exchange(post("/", b"x")).await.unwrap_err();
        assert!(matches!(error, WireError::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_silent_server_costs_the_timeout_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = ChannelOptions {
        timeout: Duration::from_millis(50),
        ..ChannelOptions::to(format!("http://{address}"))
    };
    let error = Channel::new(options).unwrap().exchange(post("/", b"x")).await.unwrap_err();
    assert!(matches!(error, WireError::TimedOut { .. }), "{error:?}");
}

/// More than sockets and windows hold.
const LARGE_BYTES: usize = 32 << 20;

#[tokio::test]
async fn a_connection_whose_server_does_not_read_the_body_is_closed_with_its_exchange() {
    for answer in [&b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"[..], b""] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = ChannelOptions {
            timeout: Duration::from_millis(200),
            ..ChannelOptions::to(format!("http://{}", listener.local_addr().unwrap()))
        };
        let channel = Channel::new(options).unwrap();
        let message = Message { body: Bytes::from(vec![0; LARGE_BYTES]).into(), ..post("/", b"") };
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1_024]).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream
        };
        let (answered, mut stream) = tokio::join!(channel.exchange(message), answering);
        assert_eq!(
            answered.map(|received| received.status).ok(),
            (!answer.is_empty()).then_some(503)
        );
        // Only what lay in the sockets comes, and an end.
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it stays open");
        assert!(rest.len() < LARGE_BYTES / 2, "{}", rest.len());
    }
}

/// A body that tells when nobody has it any more.
struct Told(Vec<u8>, tokio::sync::mpsc::UnboundedSender<()>);

impl AsRef<[u8]> for Told {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.1.send(());
    }
}

#[tokio::test]
async fn a_connection_of_http_2_with_a_body_half_sent_is_not_used_again_and_lets_go_of_it() {
    let (address, connections) = serving(|stream| async move {
        // A body that is dropped would be refused, and make room for others.
        let unread = std::sync::Mutex::new(Vec::new());
        let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
            let reads = request.uri().path() == "/read";
            let body = request.into_body();
            let read = if reads {
                Some(body)
            } else {
                unread.lock().unwrap().push(body);
                None
            };
            async move {
                if let Some(body) = read {
                    body.collect().await.unwrap();
                }
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
            }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    })
    .await;
    let options = ChannelOptions {
        protocol: Protocol::Http2,
        ..ChannelOptions::to(format!("http://{address}"))
    };
    let channel = Channel::new(options).unwrap();
    let (told, mut gone) = tokio::sync::mpsc::unbounded_channel();
    let send = async |path: &str| {
        let body = Bytes::from_owner(Told(vec![0; LARGE_BYTES], told.clone())).into();
        let received = channel.exchange(Message { body, ..post(path, b"") }).await.unwrap();
        assert_eq!(received.status, 200);
        connections.load(Ordering::SeqCst)
    };
    for (path, wanted) in
        [("/read", 1), ("/read", 1), ("/read", 1), ("/", 1), ("/", 2), ("/", 3), ("/read", 4)]
    {
        assert_eq!(send(path).await, wanted, "{path}");
    }
    for _ in 0..7 {
        let told = tokio::time::timeout(Duration::from_secs(10), gone.recv()).await;
        told.expect("a body is held");
    }
}

struct Pki {
    dir: tempfile::TempDir,
    acceptor: TlsAcceptor,
}

/// A server that wants a client's certificate.
fn pki(protocol: &[u8]) -> Pki {
    let authority = Authority::new("test").unwrap();
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let server = authority.issue("server", "", &["localhost"], &loopback).unwrap();
    let client = authority.issue("client", "", &["client"], &[]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(dir.path().join("client.pem"), &client.certificate).unwrap();
    std::fs::write(dir.path().join("client.key"), &client.key).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let chain = vec![CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    Pki { dir, acceptor: TlsAcceptor::from(Arc::new(config)) }
}

/// A gRPC server that answers with the length of what it got, in trailers of HTTP/2.
async fn grpc_server(acceptor: TlsAcceptor) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(|request: http::Request<hyper::body::Incoming>| async {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", HeaderValue::from_static("0"));
                    let text = body.len().to_string();
                    trailers.insert("grpc-message", HeaderValue::from_str(&text).unwrap());
                    let frames: Vec<Result<Frame<Bytes>, Infallible>> = vec![
                        Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0"))),
                        Ok(Frame::trailers(trailers)),
                    ];
                    let stream = futures_util::stream::iter(frames);
                    Ok::<_, Infallible>(Response::new(StreamBody::new(stream)))
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn grpc_goes_over_mutual_tls_and_without_our_certificate_there_is_no_answer() {
    let Pki { dir, acceptor } = pki(b"h2");
    let address = grpc_server(acceptor).await;
    let file = |name: &str| Some(dir.path().join(name));
    let options = |certificate, key| ChannelOptions {
        protocol: Protocol::Http2,
        tls: TlsFiles { ca: file("ca.pem"), certificate, key, server_name: None },
        ..ChannelOptions::to(format!("https://{address}"))
    };
    let known = Channel::new(options(file("client.pem"), file("client.key"))).unwrap();
    let mut framed = grpc_prefix(false, 3).to_vec();
    framed.extend(b"abc");
    for _ in 0..3 {
        let framed = Bytes::from(framed.clone()).into();
        let answer = grpc_call(&known, "/a.B/C", None, Vec::new(), framed).await.unwrap();
        assert_eq!((&answer.status[..], &answer.message[..]), (&b"0"[..], &b"8"[..]));
    }
    let unknown = Channel::new(options(None, None)).unwrap();
    let framed = Bytes::from(framed).into();
    let error = grpc_call(&unknown, "/a.B/C", None, Vec::new(), framed).await.unwrap_err();
    assert!(matches!(error, WireError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_wrong_with_certificates_is_said() {
    let Pki { dir, .. } = pki(b"http/1.1");
    let (address, _) = echo().await;
    let file = |name: &str| dir.path().join(name);
    let other = Authority::new("other").unwrap().issue("other", "", &["other"], &[]).unwrap();
    std::fs::write(file("other.key"), other.key).unwrap();
    std::fs::write(file("empty"), "").unwrap();
    for (ca, certificate, key, subject, reason) in [
        ("empty", "client.pem", "client.key", "empty", "there is no certificate in it"),
        ("none", "client.pem", "client.key", "none", "No such file or directory"),
        ("ca.pem", "empty", "client.key", "empty", "there is no certificate in it"),
        ("ca.pem", "client.pem", "empty", "empty", "there is no key in it"),
        ("ca.pem", "client.pem", "none", "none", "No such file or directory"),
        ("ca.pem", "client.pem", "other.key", "client.pem", "it does not belong to the key in"),
    ] {
        let (ca, certificate, key) = (Some(file(ca)), Some(file(certificate)), Some(file(key)));
        let tls = TlsFiles { ca, certificate, key, server_name: None };
        let options = ChannelOptions { tls, ..ChannelOptions::to(format!("https://{address}")) };
        let error = Channel::new(options).unwrap().exchange(post("/", b"x")).await.unwrap_err();
        let said = error.to_string();
        let wanted = format!("cannot use {} for TLS: ", file(subject).display());
        assert!(said.starts_with(&wanted) && said.contains(reason), "{said}");
    }
}

#[tokio::test]
async fn certificates_are_read_again_when_they_change() {
    let Pki { dir, acceptor } = pki(b"h2");
    let address = grpc_server(acceptor).await;
    let file = |name: &str| Some(dir.path().join(name));
    let right = std::fs::read(dir.path().join("ca.pem")).unwrap();
    std::fs::write(dir.path().join("ca.pem"), Authority::new("other").unwrap().pem()).unwrap();
    let channel = Channel::new(ChannelOptions {
        protocol: Protocol::Http2,
        tls: TlsFiles {
            ca: file("ca.pem"),
            certificate: file("client.pem"),
            key: file("client.key"),
            server_name: None,
        },
        ..ChannelOptions::to(format!("https://{address}"))
    })
    .unwrap();
    let call = || {
        grpc_call(&channel, "/a.B/C", None, Vec::new(), Bytes::from_static(b"\0\0\0\0\0").into())
    };
    assert!(call().await.is_err());
    std::fs::write(dir.path().join("ca.pem"), [&right[..], b"\n"].concat()).unwrap();
    assert_eq!(call().await.unwrap().status, b"0");
}

#[tokio::test]
async fn a_local_socket_is_for_its_owner_only_and_a_dead_one_is_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let first = wire::listen_local(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(wire::listen_local(&path), Err(WireError::ListenLocal { .. })));
    drop(first);
    wire::listen_local(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "a file of somebody").unwrap();
    if let Ok(listener) = wire::listen_local(&path) {
        drop(listener);
        panic!("a file that is no socket was replaced");
    }
}
