//! An SSH client as a state machine: bytes in, bytes out. Pure.
//!
//! A [`Client`] is fed with what comes from a server and says what is to be sent. It exchanges
//! keys, believes only a host whose key is in its [`KnownHosts`], logs in with the keys it is given
//! and runs commands in channels. Sockets, time and files are its owner's, and so is the source of
//! random numbers.
//!
//! All cryptography is `ring`'s. Limits are constants such as [`PACKET_BYTES_MAX`]; errors are
//! [`SshError`] and [`KeyError`].

pub mod agent;
mod auth;
mod channels;
mod cipher;
mod client;
mod error;
mod exchange;
pub mod fuzzing;
mod identification;
mod known_hosts;
mod limits;
mod negotiate;
mod private;
mod transport;
mod wire;

pub use agent::AgentKey;
pub use auth::{Identity, SignRequest};
pub use channels::{Channel, ChannelId, Exit};
pub use client::{Client, Config, Phase};
pub use error::{Host, PORT, SshError};
pub use known_hosts::KnownHosts;
pub use limits::{
    AGENT_KEYS_MAX, AGENT_MESSAGE_BYTES_MAX, BANNER_BYTES_MAX, CHANNELS_MAX, COMMAND_BYTES_MAX,
    DATA_BYTES_MAX, HOST_BYTES_MAX, IDENTIFICATION_BYTES_MAX, IDENTITIES_MAX, KEY_PACKETS_MAX,
    KNOWN_HOSTS_BYTES_MAX, KNOWN_HOSTS_LINE_BYTES_MAX, KNOWN_HOSTS_LINES_MAX,
    LINE_BEFORE_IDENTIFICATION_BYTES_MAX, LINES_BEFORE_IDENTIFICATION_MAX, OUTGOING_BYTES_MAX,
    PACKET_BYTES_MAX, PRIVATE_KEY_BYTES_MAX, REKEY_BYTES, REKEY_PACKETS, STDERR_BYTES_MAX,
    TEXT_CHARS_MAX, WINDOW_BYTES,
};
pub use private::{KeyError, PrivateKey};
pub use transport::{Algorithms, Random};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
