//! Counts log records that are posted to it, for `cargo xtask bench logs`.
//!
//! Prints one line of JSON with its URL and serves until it is killed; `GET /stats` tells what it
//! counted.

use std::io::Write as _;
use testkit::log_sink::LogSink;

fn main() -> std::io::Result<()> {
    let sink = LogSink::start()?;
    let mut output = std::io::stdout();
    writeln!(output, "{}", serde_json::json!({"url": sink.url()}))?;
    output.flush()?;
    loop {
        std::thread::park();
    }
}
