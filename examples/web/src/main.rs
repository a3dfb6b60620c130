//! The demo's web service: a small HTTP/1.1 server that behaves well in a pod.
//!
//! It shows what a delivered workload should do: answer its probe, log one JSON line a request
//! on stdout, drain on SIGTERM (also as PID 1, where the kernel has no default action) and exit
//! 0, and run without root, without a writable file and without a shell.
//!
//! Input: the environment (README.md). Limits are constants in [`server`] and [`http`].

mod http;
mod log;
mod pages;
mod server;

use pages::Pages;
use server::Server;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write as _;
use std::process::ExitCode;

/// Where it listens unless `PORT` says otherwise.
const PORT: u16 = 8080;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let line = format!("error: {message}\n");
            // Nobody is left to tell when stderr is gone.
            let _ = std::io::stderr().write_all(line.as_bytes());
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let port = match std::env::var("PORT") {
        Ok(text) => text.parse().map_err(|_| format!("PORT is `{text}`, expected 0 to 65535"))?,
        Err(_) => PORT,
    };
    let mut signals =
        Signals::new([SIGTERM, SIGINT]).map_err(|error| format!("cannot take signals: {error}"))?;
    let server = Server::bind(port, Pages::from_environment())
        .map_err(|error| format!("cannot listen on port {port}: {error}"))?;
    log::line(&[
        ("level", "info"),
        ("msg", "listening"),
        ("address", &server.address().to_string()),
    ]);
    let stop = server.stopper();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            stop.stop();
        }
    });
    let drained = server.run();
    let message = if drained { "drained" } else { "stopped with requests left" };
    log::line(&[("level", "info"), ("msg", message)]);
    Ok(())
}
