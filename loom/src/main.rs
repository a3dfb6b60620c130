//! The ring of `pipeline` under a model checker. The modules are the product's own files; only
//! `sync` is another one. Input: nothing. Output: a line for each model; a model that fails ends
//! the run with the interleaving that broke it. Limits: three threads and a few blocks for each
//! model, because the number of interleavings grows with every step.

mod models;
#[expect(dead_code, reason = "a model uses a part of the ring")]
#[path = "../../crates/pipeline/src/ring.rs"]
mod ring;
#[path = "../../crates/pipeline/src/signal.rs"]
mod signal;
#[path = "../../crates/pipeline/src/spsc.rs"]
mod spsc;
mod sync;

fn main() {
    for (name, model) in models::MODELS {
        println!("{name}");
        model();
    }
}
