//! What is set once per process, before a plane starts: the log and the crypto provider.

use crate::tell;
use model::Exit;
use std::io::IsTerminal;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

/// Names the log's filter.
const LOG_VARIABLE: &str = "ORLOP_LOG";
/// A library that logs each failed attempt; ours are retried, and the last one is told as an error.
const QUIET: &str = "kube_client::client::builder=off";

/// Logging to stderr and the one crypto provider. Costs less than a millisecond.
pub(crate) fn prepare(level: &str, json: bool) -> Result<(), Exit> {
    let wanted = std::env::var(LOG_VARIABLE).ok().filter(|text| !text.is_empty());
    let wanted = wanted.unwrap_or_else(|| format!("{level},{QUIET}"));
    let filter: Targets = wanted.parse().map_err(|error| {
        tell(&format!(
            "error: cannot use {LOG_VARIABLE}: {error}\n  hint: write for example `debug` or `cluster=debug,warn`"
        ));
        Exit::Usage
    })?;
    let log = fmt::layer().with_writer(std::io::stderr);
    // Both calls fail only when somebody was here before, which is as good.
    let _ = if json {
        registry().with(log.json().flatten_event(true).with_filter(filter)).try_init()
    } else {
        let ansi = std::io::stderr().is_terminal();
        registry().with(log.with_ansi(ansi).with_filter(filter)).try_init()
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(())
}
