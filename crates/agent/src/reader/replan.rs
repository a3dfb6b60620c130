//! Other inputs while files are open (R30): each file goes on as the input says that means it now.

use super::feed::Core;
use super::inputs::{self, Intent};
use super::sampling::Stage;
use super::sources::SourceState;
use super::spill;
use host::tail::Tailer;
use std::sync::Arc;

impl Core {
    /// Other inputs, which the tailer has already: files keep their state, and are read as the
    /// new ones say.
    pub(crate) fn replan(
        &mut self,
        intents: Vec<Intent>,
        stage: Option<Box<Stage>>,
        tailer: &Tailer,
    ) {
        let old = std::mem::replace(&mut self.intents, intents);
        for slot in self.sources.slots() {
            let Some(source) = self.sources.get_mut(slot) else { continue };
            let before = old.get(source.input);
            let place = place(source, before, &self.intents, tailer);
            source.input = place.unwrap_or(usize::MAX);
            let origin = if let Some(intent) = place.and_then(|at| self.intents.get(at)) {
                source.plan = intent.plan.clone();
                hold_pod(source, before, intent);
                source.origin().map(|_| render(source, intent))
            } else {
                // A file that is not meant any more is ended by the tailer, and drained as it was.
                source.origin().or_else(|| before.map(|before| render(source, before)))
            };
            if let Some(origin) = origin {
                self.sources.set_origin(slot, &origin);
            }
        }
        if let Some(mut stage) = stage {
            stage.own = self.stage.own;
            self.stage = stage;
        }
    }
}

/// Which of the inputs has a file now; none when it is not meant any more.
fn place(
    source: &SourceState,
    before: Option<&Intent>,
    intents: &[Intent],
    tailer: &Tailer,
) -> Option<usize> {
    let file = tailer.file_stat(source.key);
    // A file that was renamed is still what it was called at first. What is made here stays with
    // its input, but for what was kept aside.
    let is_file = !source.is_made_here() || source.key.slot == spill::OWN_SLOT;
    let now = file.as_ref().map(|file| file.path);
    let mut paths = now.into_iter().chain([&*source.path]).filter(|_| is_file);
    let meant = paths.find_map(|path| inputs::meant(intents, path));
    // A path over a link may be known to the tailer alone. It leaves the number of a file as it
    // was when it ends it.
    let moved = file.as_ref().map(|file| file.input as usize);
    let moved = moved.filter(|at| *at != source.input && *at < intents.len());
    meant.or(moved).or_else(|| before?.successor(intents))
}

/// The pod of a file is held in the table of its input.
fn hold_pod(source: &mut SourceState, before: Option<&Intent>, intent: &Intent) {
    let (old, new) = (before.and_then(|before| before.pods.as_ref()), intent.pods.as_ref());
    if source.is_made_here() || old.map(Arc::as_ptr) == new.map(Arc::as_ptr) {
        return;
    }
    if let (Some(table), Some(folder)) = (old, source.pod()) {
        table.release(folder);
    }
    let held = new.zip(crate::pods::folder(&source.path));
    if let Some((table, folder)) = held {
        table.hold(folder);
    }
    source.holds_pod = held.is_some();
}

fn render(source: &SourceState, intent: &Intent) -> Arc<crate::block::Origin> {
    let pod = intent.pods.as_ref().zip(source.pod()).and_then(|(table, folder)| table.get(folder));
    Arc::new(intent.origin(&source.path, pod.as_ref()))
}
