//! A small HTTP server on loopback, in a thread of its own, which the Git server, the API proxy and
//! the log sink are built on: HTTP/1.1, or HTTP/2 for gRPC. It ends, with all its connections, when
//! it is dropped.

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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

/// What kind of server.
#[derive(Clone, Default)]
pub(crate) struct Speech {
    pub(crate) tls: Option<TlsAcceptor>,
    /// HTTP/2 and nothing else, as gRPC needs it.
    pub(crate) http2: bool,
}

/// In the extensions of each request: what its connection says instead of HTTP, before it is
/// closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Instead(Arc<Mutex<Option<&'static [u8]>>>);

impl Instead {
    /// From the next written byte on.
    pub(crate) fn say(&self, bytes: &'static [u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }

    fn said(&self) -> Option<&'static [u8]> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        let listener = std::net::TcpListener::bind((host, 0))?;
        Self::start_with(listener, handler, Speech { tls, http2: false })
    }

    /// The same on a port that is listened on already.
    pub(crate) fn start_with(
        listener: std::net::TcpListener,
        handler: Handler,
        speech: Speech,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let thread =
            std::thread::Builder::new().name("testkit-server".into()).spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, handler, speech, &count) => {}
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

async fn accept(listener: TcpListener, handler: Handler, speech: Speech, accepted: &AtomicUsize) {
    while let Ok((stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let (handler, speech) = (handler.clone(), speech.clone());
        tokio::spawn(async move {
            match speech.tls {
                None => connection(stream, handler, speech.http2).await,
                Some(tls) => {
                    // A client that does not trust us ends here, which is its right.
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, handler, speech.http2).await;
                    }
                }
            }
        });
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    handler: Handler,
    http2: bool,
) {
    let instead = Instead::default();
    let stream = TokioIo::new(Replaceable { stream, instead: instead.clone(), said: 0 });
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(instead.clone());
        handler(request)
    });
    if http2 {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(stream, service).await;
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.timer(TokioTimer::new()).serve_connection(stream, service).await;
    }
}

/// A connection that can be made to say something else.
struct Replaceable<S> {
    stream: S,
    instead: Instead,
    /// How many of these bytes were written.
    said: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Replaceable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replaceable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(instead) = self.instead.said() else {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        };
        while let Some(rest) = instead.get(self.said..).filter(|rest| !rest.is_empty()) {
            self.said += ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
        }
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
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
