//! What is set once per process, before a plane starts: the log and the crypto provider.

use crate::tell;
use model::Exit;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Names the log's filter.
const LOG_VARIABLE: &str = "ORLOP_LOG";
/// A library that logs each failed attempt; ours are retried, and the last one is told as an error.
const QUIET: &str = "kube_client::client::builder=off";

/// Logging to stderr and the one crypto provider. Costs less than a millisecond.
pub(crate) fn prepare(level: &str, json: bool) -> Result<(), Exit> {
    let wanted = std::env::var(LOG_VARIABLE).ok().filter(|text| !text.is_empty());
    let wanted = wanted.unwrap_or_else(|| format!("{level},{QUIET}"));
    let filter = EnvFilter::try_new(&wanted).map_err(|error| {
        tell(&format!(
            "error: cannot use {LOG_VARIABLE}: {error}\n  hint: write for example `debug` or `cluster=debug,warn`"
        ));
        Exit::Usage
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Both calls fail only when somebody was here before, which is as good.
    let _ = if json {
        log.json().flatten_event(true).try_init()
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(())
}
