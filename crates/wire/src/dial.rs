//! A connection to the first of a name's addresses that takes one.
//!
//! An address that drops what is sent to it says nothing. So the next one is begun before that is
//! known, beside it (RFC 8305, in the order that the resolver gives).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Addresses of a name that are tried.
pub const ADDRESSES_MAX: usize = 16;
/// The next address is begun after this time, also when nothing was heard of the one before.
pub const NEXT_ADDRESS_MILLISECONDS: u64 = 300;

/// Connects to a name or an address. The caller sets a bound on time.
pub(crate) async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    first(lookup_host((host, port)).await?.collect()).await
}

/// The first connection that is made; else why the last one was not.
async fn first(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let next = Duration::from_millis(NEXT_ADDRESS_MILLISECONDS);
    let mut addresses = addresses.into_iter().take(ADDRESSES_MAX);
    let mut begun = JoinSet::new();
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    loop {
        if let Some(address) = addresses.next() {
            begun.spawn(TcpStream::connect(address));
        } else if begun.is_empty() {
            return Err(failed);
        }
        match timeout(next, begun.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => failed = error,
            // Silence, or the runtime ends.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    async fn open() -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (listener.local_addr().unwrap(), listener)
    }

    /// An address that drops what is sent to it: its queue of connections is full.
    async fn silent() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) =
            timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        {
            queue.push(stream.unwrap());
        }
        (address, (listener, queue))
    }

    async fn reached(addresses: Vec<SocketAddr>) -> io::Result<SocketAddr> {
        let time = Duration::from_secs(crate::CHANNEL_CONNECT_SECONDS);
        timeout(time, first(addresses)).await?.and_then(|stream| stream.peer_addr())
    }

    #[tokio::test]
    async fn addresses_that_are_silent_or_refuse_keep_nobody_from_the_next() {
        let ((silent, _queue), (open, _listener)) = (silent().await, open().await);
        let refusing = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(reached(vec![silent, refusing, silent, open]).await.unwrap(), open);
        assert_eq!(reached(vec![open, silent]).await.unwrap(), open);
        let refused = reached(vec![refusing; 2]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(reached(Vec::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn no_more_addresses_are_tried_than_the_bound() {
        let (open, _listener) = open().await;
        let refusing = SocketAddr::from(([127, 0, 0, 1], 1));
        let behind = |number| [vec![refusing; number], vec![open]].concat();
        assert_eq!(reached(behind(ADDRESSES_MAX - 1)).await.unwrap(), open);
        assert!(reached(behind(ADDRESSES_MAX)).await.is_err());
    }
}
