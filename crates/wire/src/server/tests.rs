//! Many connections and rude ones, without sockets.

use super::*;
use futures_util::FutureExt;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Notify, mpsc};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

#[derive(Default)]
struct Hello {
    asked: Notify,
}

impl Handler for Hello {
    fn body_bytes_max(&self, _: &Method, _: &str) -> usize {
        self.asked.notify_one();
        2
    }

    fn answer(&self, _: &Request) -> Reply {
        Reply::text(StatusCode::OK, "hello")
    }
}

/// Streams instead of sockets: a process may have fewer files than a server has connections.
struct Streams(Mutex<mpsc::UnboundedReceiver<DuplexStream>>);

impl Door for Streams {
    type Stream = DuplexStream;
    fn poll(&self, context: &mut Context<'_>) -> Poll<std::io::Result<DuplexStream>> {
        let one = self.0.lock().unwrap().poll_recv(context);
        one.map(|one| one.ok_or_else(|| std::io::ErrorKind::BrokenPipe.into()))
    }
}

async fn read(mut stream: DuplexStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn a_probe_is_answered_however_many_connections_wait_and_who_is_being_answered_stays() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let hello = Arc::new(Hello::default());
    let door = Streams(Mutex::new(receiver));
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve_all(door, hello.clone(), stop.clone()));
    let connect = async |bytes: &[u8]| {
        let (mut ours, theirs) = duplex(1024);
        ours.write_all(bytes).await.unwrap();
        sender.send(theirs).unwrap();
        ours
    };
    let head = b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 2\r\n\r\n1";
    let mut slow = connect(head).await;
    hello.asked.notified().await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX + 100 {
        idle.push(connect(b"G").await);
    }
    let mut probe = connect(GET).await;
    let mut answer = [0; 15];
    probe.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // The oldest made room for the newest, one for one.
    let newer = idle.split_off(102);
    for stream in idle {
        assert_eq!(read(stream).await, "");
    }
    for stream in newer {
        assert!(read(stream).now_or_never().is_none());
    }
    slow.write_all(b"2").await.unwrap();
    assert!(read(slow).await.ends_with("hello"));
    stop.cancel();
    serving.await.unwrap();
    probe.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn who_asks_and_never_reads_is_closed_in_the_end() {
    let (mut ours, theirs) = duplex(GET.len());
    let bodies = Arc::new(Semaphore::new(BODIES_MAX));
    let desk = Desk { handler: Arc::new(Hello::default()), bodies };
    let moment = Duration::from_millis(1);
    let serving = connection(theirs, desk, Arc::default(), (moment, moment));
    let asking = async { while ours.write_all(GET).await.is_ok() {} };
    tokio::join!(serving, asking);
}
