//! Accepts connections, serves them on a fixed number of threads, and drains when told to stop.

use crate::http::{Connection, NoRequest, Request};
use crate::log;
use crate::pages::Pages;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Threads that serve connections: as many requests at once.
pub(crate) const WORKERS: usize = 16;
/// Connections that may wait for a thread; the next is answered 503.
pub(crate) const WAITING_CONNECTIONS_MAX: usize = 64;
/// Requests on one connection; then it is closed, so that clients spread again.
pub(crate) const REQUESTS_PER_CONNECTION_MAX: usize = 100;
/// Requests that are still running after this are given up.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A bound server that does not serve yet.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    pages: Pages,
    stopping: AtomicBool,
    /// Connections that wait for a request, so that a stop can end the wait.
    idle: Mutex<HashMap<u64, TcpStream>>,
}

/// Stops a server from another thread.
pub(crate) struct Stopper {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Stopper {
    /// No new connections; running requests are finished; idle connections end at once.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for stream in self.shared.idle().values() {
            let _ = stream.shutdown(Shutdown::Read);
        }
        // Wakes the thread that waits in accept.
        let loopback: SocketAddr = match self.address {
            SocketAddr::V4(address) => (Ipv4Addr::LOCALHOST, address.port()).into(),
            SocketAddr::V6(address) => (Ipv6Addr::LOCALHOST, address.port()).into(),
        };
        let _ = TcpStream::connect_timeout(&loopback, Duration::from_secs(1));
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl Server {
    /// Binds all addresses, IPv6 first where the host has it.
    pub(crate) fn bind(port: u16, pages: Pages) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))?;
        let address = listener.local_addr()?;
        let stopping = AtomicBool::new(false);
        let shared = Arc::new(Shared { pages, stopping, idle: Mutex::default() });
        Ok(Self { listener, address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn stopper(&self) -> Stopper {
        Stopper { shared: self.shared.clone(), address: self.address }
    }

    /// Serves until stopped. False when requests were left behind at the end of the drain.
    pub(crate) fn run(self) -> bool {
        let (sender, receiver) = mpsc::sync_channel(WAITING_CONNECTIONS_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        let (done, all_done) = mpsc::channel();
        for _ in 0..WORKERS {
            let (receiver, shared, done) = (receiver.clone(), self.shared.clone(), done.clone());
            std::thread::spawn(move || {
                work(&receiver, &shared);
                let _ = done.send(());
            });
        }
        drop((receiver, done));
        self.accept(&sender);
        drop(sender);
        drop(self.listener);
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        (0..WORKERS).all(|_| {
            let left = deadline.saturating_duration_since(Instant::now());
            all_done.recv_timeout(left).is_ok()
        })
    }

    fn accept(&self, sender: &mpsc::SyncSender<(u64, TcpStream)>) {
        for (id, stream) in (0..).zip(self.listener.incoming()) {
            if self.shared.stopping() {
                return;
            }
            // A client that hung up before it was accepted is no reason to stop.
            let Ok(stream) = stream else { continue };
            if let Err(mpsc::TrySendError::Full((_, stream))) = sender.try_send((id, stream)) {
                refuse(stream, &self.shared.pages);
            }
        }
    }
}

fn refuse(stream: TcpStream, pages: &Pages) {
    if let Ok(mut connection) = Connection::new(stream) {
        pages.count(503);
        let response = crate::http::Response::text(503, "too many connections\n");
        let _ = connection.respond(&response, true, true);
    }
}

fn work(receiver: &Mutex<mpsc::Receiver<(u64, TcpStream)>>, shared: &Shared) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((id, stream)) = next else { return };
        serve(id, stream, shared);
        shared.idle().remove(&id);
    }
}

fn serve(id: u64, stream: TcpStream, shared: &Shared) {
    let Ok(twin) = stream.try_clone() else { return };
    let Ok(mut connection) = Connection::new(stream) else { return };
    shared.idle().insert(id, twin);
    for number in 1..=REQUESTS_PER_CONNECTION_MAX {
        // Stopped between two requests: the client tries elsewhere.
        if shared.stopping() && number > 1 {
            return;
        }
        let request = connection.request();
        let began = Instant::now();
        let (request, response) = match request {
            Ok(request) => {
                let response = shared.pages.answer(&request);
                (request, response)
            }
            Err(NoRequest::Refused(response)) => (refused(), response),
            Err(NoRequest::Gone) => return,
        };
        let last = number == REQUESTS_PER_CONNECTION_MAX;
        let close = !request.keep_alive || last || shared.stopping();
        shared.pages.count(response.status);
        let sent = connection.respond(&response, request.method != "HEAD", close);
        log::line(&[
            ("level", if response.status < 500 { "info" } else { "error" }),
            ("msg", "request"),
            ("method", &request.method),
            ("path", &request.path),
            ("status", &response.status.to_string()),
            ("micros", &began.elapsed().as_micros().to_string()),
        ]);
        if close || sent.is_err() {
            return;
        }
    }
}

/// Stands in the log for a request that could not be read.
fn refused() -> Request {
    let (method, path, query) = ("-".to_owned(), "-".to_owned(), String::new());
    Request { method, path, query, keep_alive: false }
}
