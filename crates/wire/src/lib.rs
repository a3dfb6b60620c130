//! The port to HTTP: a bounded server, and a small client for notifications.
//!
//! The server answers webhooks, metrics and probes; the client posts notifications and commit
//! statuses. Both have a bound on everything that another machine decides: sizes, times, counts.

mod client;
mod error;
mod roots;
mod server;

pub use client::{
    ANSWER_BYTES_MAX, Answer, CONNECT_TIMEOUT_SECONDS, Client, ClientOptions, Credential, Outgoing,
    REQUEST_TIMEOUT_SECONDS,
};
pub use error::WireError;
pub use server::{
    BODIES_MAX, BODY_READ_SECONDS, BODY_WAIT_SECONDS, CONNECTIONS_MAX, HEADER_BYTES_MAX,
    HEADER_READ_SECONDS, Handler, Reply, Request, listen, serve,
};
