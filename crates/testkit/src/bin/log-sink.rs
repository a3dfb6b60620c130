//! Counts log records that are posted to it, for `cargo xtask bench logs`.
//!
//! Prints one line of JSON with its URL, one with TLS and the authority of that, and serves until
//! it is killed; `GET /stats` tells what came over either.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use testkit::certificates::Authority;
use testkit::log_sink::{LogSink, LogSinkOptions, Way};

fn main() -> std::io::Result<()> {
    let sink = LogSink::start()?;
    let authority = Authority::new("log-sink").map_err(std::io::Error::other)?;
    let options = LogSinkOptions { way: Way::Tls(&authority), ..LogSinkOptions::default() };
    let safe = sink.also(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, &options)?;
    let mut output = std::io::stdout();
    let urls = serde_json::json!({
        "url": sink.url(),
        "tls": format!("https://{}", safe.address()),
        "authority": authority.pem(),
    });
    writeln!(output, "{urls}")?;
    output.flush()?;
    loop {
        std::thread::park();
    }
}
