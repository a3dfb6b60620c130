//! The lower bound for a first delivery: Server-Side Apply of every line of a file, through the
//! same client with the same number of requests under way, and nothing else. Used by
//! `cargo xtask bench sync`; `patch_loop KUBECONFIG OBJECTS.jsonl`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use cluster::{ApplyOptions, Client, ConnectOptions, Resource};
use futures_util::{StreamExt, TryStreamExt, stream};
use objects::Object;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let (Some(kubeconfig), Some(file)) = (words.next(), words.next()) else {
        return Err("usage: patch_loop KUBECONFIG OBJECTS.jsonl".into());
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::connect(&ConnectOptions::from_kubeconfig(kubeconfig)).await?;
    let text = std::fs::read_to_string(file)?;
    let start = Instant::now();
    let mut work: Vec<(Arc<Resource>, Object)> = Vec::new();
    for line in text.lines() {
        let object = Object::from_value(serde_json::from_str(line)?)?;
        work.push((client.resolve(&object.gvk()).await?, object));
    }
    let options = ApplyOptions::new("patch-loop");
    // Everything else lives in the first line's namespace.
    let rest = work.split_off(work.len().min(1));
    for (resource, object) in &work {
        client.apply(resource, object, &options).await?;
    }
    let requests = rest.iter().map(|(resource, object)| client.apply(resource, object, &options));
    let under_way = client.in_flight_max();
    let applied = stream::iter(requests).buffer_unordered(under_way).map_ok(|_| 1_usize);
    let count = applied.try_fold(1, |sum, one| async move { Ok(sum + one) }).await?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} objects in {seconds:.2} s, {under_way} requests under way");
    Ok(())
}
