//! Starting sinks, and dividing the memory among them.
//!
//! Half of `memory_max_bytes` is for blocks, the other half for batches ([`crate::config::fit`]).

use crate::AgentError;
use crate::block::Block;
use crate::config::fit::within_memory;
use crate::config::{Config, Sink};
use crate::numbers::{Numbers, SinkNumbers};
use crate::reader::SinkHandle;
use crate::say::Say;
use crate::sink::{self, Letterbox, Ready, SinkTask, Swap};
use pipeline::ring::{Mode, Subscriber};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use tokio_util::sync::CancellationToken;

/// Starts sinks.
#[derive(Clone)]
pub(crate) struct Spawner {
    pub(crate) subscriber: Subscriber<Block>,
    pub(crate) letterbox: Arc<Letterbox>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) closed_output: CancellationToken,
    pub(crate) say: Say,
}

/// Bytes for blocks.
pub(crate) fn ring_bytes(config: &Config) -> u64 {
    config.memory_max_bytes / 2
}

/// Makes the thread of a sink, which waits until it is started.
///
/// # Errors
/// When the sink cannot be used, or there is no thread or descriptor left for it.
pub(crate) fn prepare(sink: &Sink) -> Result<Ready, AgentError> {
    sink::prepare(sink).map_err(|reason| AgentError::Sink { sink: sink.name.clone(), reason })
}

impl Spawner {
    /// Starts every sink of the config.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(crate) fn all(&self, config: &Config) -> Result<Vec<SinkHandle>, AgentError> {
        let sinks = config.sinks.iter().map(|sink| prepare(&within_memory(sink, config)));
        let ready: Vec<Ready> = sinks.collect::<Result<_, _>>()?;
        Ok(ready.into_iter().map(|sink| self.start(sink)).collect())
    }

    /// Starts a sink.
    pub(crate) fn start(&self, ready: Ready) -> SinkHandle {
        let sink = ready.sink.clone();
        let numbers = Arc::new(SinkNumbers::new(&sink.name));
        let (moves, abandon) = (Arc::default(), CancellationToken::new());
        let (swap, last_call) = (Arc::<Swap>::default(), CancellationToken::new());
        let consumer = self.subscriber.subscribe(Mode::Lossless);
        let retirement = consumer.retirement();
        ready.start(SinkTask {
            consumer,
            moves: Arc::clone(&moves),
            numbers: numbers.clone(),
            letterbox: self.letterbox.clone(),
            swap: swap.clone(),
            last_call: last_call.clone(),
            abandon: abandon.clone(),
            closed_output: self.closed_output.clone(),
            say: self.say.clone(),
        });
        SinkHandle {
            sink,
            moves,
            numbers,
            swap,
            redirected: None,
            last_call,
            abandon,
            retirement,
            retired: None,
            begins: HashMap::new(),
        }
    }

    /// Makes the sinks known to those who ask for numbers. One that is not wanted any more and
    /// whose name another one has is left out, because numbers go by names.
    pub(crate) fn list(&self, running: &[SinkHandle]) {
        let is_listed = |sink: &&SinkHandle| {
            let has_heir = |other: &SinkHandle| {
                other.retired.is_none() && other.numbers.name == sink.numbers.name
            };
            sink.retired.is_none() || !running.iter().any(has_heir)
        };
        let all = running.iter().filter(is_listed).map(|sink| sink.numbers.clone()).collect();
        *self.numbers.sinks.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}
