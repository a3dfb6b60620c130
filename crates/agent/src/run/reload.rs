//! Another config for a running agent (R30): read, check, compare, change what differs.
//!
//! What is the same goes on untouched: files keep descriptor and offset, sinks keep what is under
//! way. A config that is wrong changes nothing and is told, and so does one without the inputs or
//! sinks that the one in use has. What cannot change while running (state folder, address, memory)
//! is told and stays as it is.

use super::{Shared, Spawner, load, seed};
use crate::AgentError;
use crate::config::fit::{misfits, within_memory};
use crate::config::{Config, ConfigError};
use crate::options::RunOptions;
use crate::reader::inputs::intents;
use crate::reader::{Order, SinkHandle, Stage};
use model::Explain;

/// What runs now, and how it was asked for.
pub(crate) struct Running {
    pub(crate) options: RunOptions,
    pub(crate) config: Config,
    pub(crate) shared: Shared,
}

impl Running {
    /// Loads the config again.
    pub(crate) fn reload(&mut self, spawner: &Spawner) {
        let numbers = &self.shared.numbers;
        let fresh = match load(&self.options).and_then(|fresh| self.whole(fresh)) {
            Ok(fresh) => fresh,
            Err(error) => {
                numbers.reload_failures.add(1);
                let text = model::report(&error, error.hint()).to_string();
                tracing::error!("the new config is not used, the old one goes on: {text}");
                return;
            }
        };
        let kept = self.keep_what_cannot_change(&fresh);
        if kept == self.config {
            tracing::info!("the config is as before");
            return;
        }
        match self.orders(&kept, spawner) {
            Ok(orders) => {
                numbers.reloads.add(1);
                self.shared.control.set_shutdown_timeout(kept.shutdown_timeout);
                self.shared.watches.keep(&kept);
                self.shared.control.order(orders);
                self.config = kept;
                tracing::info!("the new config is in use");
            }
            Err(error) => {
                numbers.reload_failures.add(1);
                let text = model::report(&error, error.hint()).to_string();
                tracing::error!("the new config is not used, the old one goes on: {text}");
            }
        }
    }

    /// A config that lacks nothing of the one in use.
    fn whole(&self, fresh: Config) -> Result<Config, AgentError> {
        let mistakes = fresh.lost(&self.config);
        if mistakes.is_empty() {
            return Ok(fresh);
        }
        let path = self.options.place.config.clone().unwrap_or_default();
        Err(AgentError::Config(ConfigError::Wrong { path, mistakes }))
    }

    fn keep_what_cannot_change(&self, fresh: &Config) -> Config {
        let old = &self.config;
        let mut kept = fresh.clone();
        let pairs = [
            ("state_dir", fresh.state_dir != old.state_dir),
            ("listen", fresh.listen != old.listen),
            ("memory_max_bytes", fresh.memory_max_bytes != old.memory_max_bytes),
            ("dead_letter_bytes", fresh.dead_letter_bytes != old.dead_letter_bytes),
            ("spill_bytes", fresh.spill_bytes != old.spill_bytes),
            ("checkpoint_interval", fresh.checkpoint_interval != old.checkpoint_interval),
            (
                "backfill_bytes_per_second",
                fresh.backfill_bytes_per_second != old.backfill_bytes_per_second,
            ),
            ("the journald inputs", journals(fresh) != journals(old)),
        ];
        for (field, _) in pairs.iter().filter(|(_, differs)| *differs) {
            tracing::warn!("{field} cannot change while the agent runs: start it again");
        }
        kept.state_dir.clone_from(&old.state_dir);
        kept.listen = old.listen;
        kept.memory_max_bytes = old.memory_max_bytes;
        kept.dead_letter_bytes = old.dead_letter_bytes;
        kept.spill_bytes = old.spill_bytes;
        kept.checkpoint_interval = old.checkpoint_interval;
        kept.backfill_bytes_per_second = old.backfill_bytes_per_second;
        kept
    }

    /// What the reader has to change.
    fn orders(&self, fresh: &Config, spawner: &Spawner) -> Result<Vec<Order>, AgentError> {
        let shared = &self.shared;
        // The memory that is in use, which may be another than the file has by now.
        if let Some(misfit) = misfits(fresh).into_iter().next() {
            let (sink, reason) = (misfit.sink, misfit.reason);
            return Err(AgentError::Sink { sink, reason });
        }
        let wanted =
            intents(fresh, &shared.host_name, |input| shared.watches.table(input, shared))?;
        let stage = (fresh.sampling != self.config.sampling)
            .then(|| Box::new(Stage::new(&fresh.sampling, seed(&shared.host_name))));
        let mut orders = vec![Order::Inputs { intents: wanted, stage }];
        if fresh.sinks != self.config.sinks {
            for sink in &fresh.sinks {
                crate::sink::check(sink)
                    .map_err(|reason| AgentError::Sink { sink: sink.name.clone(), reason })?;
            }
            let (spawner, fresh) = (spawner.clone(), fresh.clone());
            let make = Box::new(move |running: &mut Vec<SinkHandle>| {
                change(running, &fresh, &spawner);
            });
            orders.push(Order::Sinks { make });
        }
        Ok(orders)
    }
}

fn journals(config: &Config) -> Vec<&crate::config::Input> {
    let is_journal =
        |input: &&crate::config::Input| matches!(input.kind, crate::config::InputKind::Journald(_));
    config.inputs.iter().filter(is_journal).collect()
}

/// Ends the sinks that are gone or differ, and starts those that are new.
fn change(running: &mut Vec<SinkHandle>, fresh: &Config, spawner: &Spawner) {
    let wanted: Vec<_> = fresh.sinks.iter().map(|sink| within_memory(sink, fresh)).collect();
    // A sink that keeps its name and format goes on with another server: what is under way is
    // not lost, and not delivered twice.
    let differs =
        |known: &&mut SinkHandle| known.retired.is_none() && !wanted.contains(&known.sink);
    for known in running.iter_mut().filter(differs) {
        let heir = wanted.iter().find(|sink| {
            sink.name == known.sink.name && crate::sink::same_format(&sink.kind, &known.sink.kind)
        });
        if let Some(heir) = heir {
            known.swap.set(heir.clone());
            known.sink = heir.clone();
        }
    }
    for known in running.iter_mut().filter(differs) {
        // What it was given is delivered first, but a dead sink must not hold the others up for
        // ever.
        known.retire(fresh.shutdown_timeout);
        tracing::info!(
            sink = known.sink.name,
            "a sink is removed once it has taken what it was given"
        );
    }
    spawner.letterbox.letters().serve(wanted.iter().map(|sink| &*sink.name));
    for sink in &wanted {
        if running.iter().any(|known| known.retired.is_none() && known.sink == *sink) {
            continue;
        }
        match spawner.one(sink) {
            Ok(handle) => running.push(handle),
            Err(error) => tracing::error!(%error, "a sink cannot be started"),
        }
    }
    spawner.list(running);
}
