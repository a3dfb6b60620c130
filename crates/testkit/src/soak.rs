//! Tests that have a long form, which `cargo xtask soak` asks for.

use std::time::Duration;

/// How long a soak goes on (`ORLOP_SOAK_SECONDS`); none for the short form.
#[must_use]
pub fn length() -> Option<Duration> {
    let seconds = std::env::var("ORLOP_SOAK_SECONDS").ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
