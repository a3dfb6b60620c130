//! A small HTTP/1.1 server on loopback, in a thread of its own, which both the Git server and the
//! API proxy are built on. It ends, with all its connections, when it is dropped.

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

/// Frames of an answer that wait for the connection.
const FRAMES_WAITING_MAX: usize = 16;

/// Turns that other tasks get to write what they were given.
const YIELDS_PER_FLUSH: usize = 4;

/// What a handler gives back; an error closes the connection without an answer.
pub(crate) type Answer = Result<Response<AnswerBody>, Cut>;

/// The body of an answer.
pub(crate) type AnswerBody = BoxBody<Bytes, Cut>;

/// The connection is closed in the middle.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
pub(crate) struct Cut;

/// What answers a request.
pub(crate) type Handler =
    Arc<dyn Fn(Request<Incoming>) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// Where servers listen unless told otherwise.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A running server.
#[derive(Debug)]
pub(crate) struct Serve {
    pub(crate) address: SocketAddr,
    /// Connections that were accepted so far.
    pub(crate) accepted: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Serve {
    /// Listens on a free port of loopback and answers with `handler`, over TLS when given.
    pub(crate) fn start(handler: Handler, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        Self::start_on(LOOPBACK, handler, tls)
    }

    /// The same on another address of this host.
    pub(crate) fn start_on(
        host: IpAddr,
        handler: Handler,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((host, 0)))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let thread =
            std::thread::Builder::new().name("testkit-server".into()).spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, handler, tls, &count) => {}
                        _ = stopped => {}
                    }
                });
                runtime.shutdown_background();
            })?;
        Ok(Self { address, accepted, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: TcpListener,
    handler: Handler,
    tls: Option<TlsAcceptor>,
    accepted: &AtomicUsize,
) {
    while let Ok((stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let (handler, tls) = (handler.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, handler).await,
                Some(tls) => {
                    // A client that does not trust us ends here, which is its right.
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, handler).await;
                    }
                }
            }
        });
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    handler: Handler,
) {
    let service = hyper::service::service_fn(move |request| handler(request));
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A body whose frames come from a channel; a `Cut` in it closes the connection.
pub(crate) struct ChannelBody(mpsc::Receiver<Result<Bytes, Cut>>);

/// A body and the end to write it with.
pub(crate) fn channel_body() -> (mpsc::Sender<Result<Bytes, Cut>>, AnswerBody) {
    let (sender, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
    (sender, ChannelBody(receiver).boxed())
}

/// Cuts the connection after all that was sent before has left; an error that comes together with
/// bytes would make the server throw them away.
pub(crate) async fn cut(body: &mpsc::Sender<Result<Bytes, Cut>>) {
    while body.capacity() < body.max_capacity() && !body.is_closed() {
        tokio::task::yield_now().await;
    }
    // The connection's task, on this same thread, writes when it finds nothing more to take.
    for _ in 0..YIELDS_PER_FLUSH {
        tokio::task::yield_now().await;
    }
    let _ = body.send(Err(Cut)).await;
}

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.0.poll_recv(context).map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }
}

/// A body that is here already.
pub(crate) fn full_body(bytes: impl Into<Bytes>) -> AnswerBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// An answer with a status and a text.
pub(crate) fn plain(status: u16, text: &str) -> Response<AnswerBody> {
    let mut response = Response::new(full_body(text.to_owned()));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
}
