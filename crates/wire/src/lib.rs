//! The port to HTTP: a bounded server, a small client for notifications, kept connections for
//! what is sent all the time.
//!
//! The server answers webhooks, metrics and probes; the client posts notifications and commit
//! statuses; a [`Channel`] carries batches to one server, over HTTP/1.1, HTTP/2 or gRPC. All have
//! a bound on everything that another machine decides: sizes, times, counts.

mod body;
mod channel;
mod client;
mod date;
mod dial;
mod error;
mod grpc;
mod roots;
mod server;

pub use body::Body;
pub use channel::{
    CHANNEL_ANSWER_BYTES_MAX, CHANNEL_CONNECT_SECONDS, CHANNEL_TIMEOUT_SECONDS, Channel,
    ChannelOptions, IDLE_CONNECTION_SECONDS, IDLE_CONNECTIONS_MAX, Message, Protocol,
    RETRY_AFTER_SECONDS_MAX, Received, Streamed, TlsFiles,
};
pub use client::{
    ANSWER_BYTES_MAX, Answer, CONNECT_TIMEOUT_SECONDS, Client, ClientOptions, Credential, Outgoing,
    REQUEST_TIMEOUT_SECONDS,
};
pub use dial::{ADDRESSES_MAX, NEXT_ADDRESS_MILLISECONDS};
pub use error::WireError;
pub use grpc::{GRPC_PREFIX_BYTES, GrpcAnswer, grpc_call, grpc_prefix};
pub use hyper::body::Bytes;
pub use roots::is_server_name;
pub use server::{
    BODIES_MAX, BODY_READ_SECONDS, BODY_WAIT_SECONDS, CONNECTION_END_SECONDS, CONNECTION_SECONDS,
    CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADER_READ_SECONDS, Handler, Reply, Request, listen,
    listen_local, serve, serve_local,
};
