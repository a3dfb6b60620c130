//! Another config for a running agent (R30): read, check, compare, change what differs.
//!
//! What is the same goes on untouched: files keep descriptor and offset, sinks keep what is under
//! way. A config that is wrong changes nothing and is told, and so does one without the inputs or
//! sinks that the one in use has. What cannot change while running (state folder, address, memory,
//! of a journal all but redaction and resource) is told and stays as it is.

use super::sinks::prepare;
use super::{Shared, Spawner, load, seed};
use crate::AgentError;
use crate::config::fit::{misfits, within_memory};
use crate::config::{Config, ConfigError, Input, Sink};
use crate::journal::Meaning;
use crate::options::RunOptions;
use crate::reader::inputs::{common, intents};
use crate::reader::{Order, SinkHandle, Stage};
use crate::sink::Ready;
use model::Explain;

/// What runs now, and how it was asked for.
pub(crate) struct Running {
    pub(crate) options: RunOptions,
    pub(crate) config: Config,
    pub(crate) shared: Shared,
    /// What starts sinks; none while nobody reads.
    pub(crate) spawner: Option<Spawner>,
}

impl Running {
    /// The config in use, for another reader: what was asked of the old one is in it. There is no
    /// reload until that reader is there.
    pub(crate) fn suspend(&mut self) -> Config {
        self.spawner = None;
        while self.shared.control.take_order().is_some() {}
        self.config.clone()
    }

    /// Loads the config again; false when nobody reads now.
    pub(crate) fn reload(&mut self) -> bool {
        let Some(spawner) = self.spawner.clone() else { return false };
        self.use_fresh(&spawner);
        true
    }

    fn use_fresh(&mut self, spawner: &Spawner) {
        let refused = self.change_to_fresh(spawner).err();
        let refused = refused.map(|error| model::report(&error, error.hint()).to_string());
        let numbers = &self.shared.numbers;
        if let Some(text) = &refused {
            numbers.reload_failures.add(1);
            tracing::error!("the new config is not used, the old one goes on: {text}");
        }
        numbers.set_refused(refused);
    }

    fn change_to_fresh(&mut self, spawner: &Spawner) -> Result<(), AgentError> {
        let fresh = self.whole(load(&self.options)?)?;
        let kept = self.keep_what_cannot_change(&fresh);
        if kept == self.config {
            tracing::info!("the config is as before");
            return Ok(());
        }
        let orders = self.orders(&kept, spawner).inspect_err(|_| {
            // It may have begun some.
            self.shared.watches.keep(&self.config, &self.shared);
        })?;
        self.shared.control.set_shutdown_timeout(kept.shutdown_timeout);
        self.shared.watches.keep(&kept, &self.shared);
        self.shared.control.order(orders);
        self.shared.numbers.reloads.add(1);
        self.config = kept;
        tracing::info!("the new config is in use");
        Ok(())
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
        kept.inputs = with_running_journals(&fresh.inputs, &old.inputs);
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
            ("the journald inputs, but for `resource`,", kept.inputs != fresh.inputs),
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
        let journals = Meaning::all(fresh, &shared.host_name)?;
        let common = common(fresh, &shared.host_name);
        let mut orders = vec![Order::Inputs { intents: wanted, common, journals, stage }];
        if fresh.sinks != self.config.sinks {
            for sink in &fresh.sinks {
                crate::sink::check(sink)
                    .map_err(|reason| AgentError::Sink { sink: sink.name.clone(), reason })?;
            }
            // What can fail does so here, while the old sinks are all there.
            let is_new = |sink: &&Sink| !self.config.sinks.iter().any(|old| goes_on(old, sink));
            let new = fresh.sinks.iter().filter(is_new);
            let ready = new.map(|sink| prepare(&within_memory(sink, fresh)));
            let ready = ready.collect::<Result<Vec<_>, _>>()?;
            let (spawner, fresh) = (spawner.clone(), fresh.clone());
            let make = Box::new(move |running: &mut Vec<SinkHandle>| {
                change(running, &fresh, ready, &spawner);
            });
            orders.push(Order::Sinks { make });
        }
        Ok(orders)
    }
}

/// The inputs of a fresh config, with the journals that are read now in the place of its own: of
/// those, only the resource changes.
fn with_running_journals(fresh: &[Input], running: &[Input]) -> Vec<Input> {
    let of = |inputs: &[Input], name: &str| {
        inputs.iter().find(|input| input.kind.is_journal() && input.name == name).cloned()
    };
    let known = |input: &Input| {
        let resource = input.resource.clone();
        of(running, &input.name).map(|running| Input { resource, ..running })
    };
    let kept = fresh.iter().filter_map(|input| {
        if input.kind.is_journal() { known(input) } else { Some(input.clone()) }
    });
    let is_missing = |input: &&Input| input.kind.is_journal() && of(fresh, &input.name).is_none();
    kept.chain(running.iter().filter(is_missing).cloned()).collect()
}

/// Whether a sink is the other one with another server: what is under way is not lost, and not
/// delivered twice.
fn goes_on(old: &Sink, new: &Sink) -> bool {
    old.name == new.name && crate::sink::same_format(&old.kind, &new.kind)
}

/// Ends the sinks that are gone or differ, and starts those that are new. When none stays that has
/// all that those were given, reading waits for them, and what they do not take is read again. So
/// it is when one that goes on elsewhere hangs in a write for as long as a removed one may take.
fn change(running: &mut Vec<SinkHandle>, fresh: &Config, ready: Vec<Ready>, spawner: &Spawner) {
    let wanted: Vec<_> = fresh.sinks.iter().map(|sink| within_memory(sink, fresh)).collect();
    let differs =
        |known: &&mut SinkHandle| known.retired.is_none() && !wanted.contains(&known.sink);
    for known in running.iter_mut().filter(differs) {
        if let Some(heir) = wanted.iter().find(|sink| goes_on(&known.sink, sink)) {
            known.redirect(heir, fresh.shutdown_timeout);
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
    running.extend(ready.into_iter().map(|sink| spawner.start(sink)));
    spawner.list(running);
}
