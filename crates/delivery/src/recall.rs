//! What the cluster has of a kind, from memory: the observer's first choice when it has one.

use crate::desired;
use crate::error::DeliveryError;
use crate::live::Recalled;
use crate::look::Verdict;
use crate::observe::{Group, LOOKUPS_MAX, Left, Observation, Observer, Question};
use objects::Packed;
use sync::decide::{self, Step};

impl Observer<'_> {
    /// Fills in what is remembered of a kind; what has to be asked for is left for the look-ups.
    /// False when the memory cannot speak of the kind, or too much would have to be looked up.
    pub(crate) async fn recall(
        &self,
        group: &Group,
        found: &mut Observation,
    ) -> Result<bool, DeliveryError> {
        let Some(live) = self.live else { return Ok(false) };
        if !live.watches().is_in_sync(&group.resource.gvk, &group.namespaces) {
            return Ok(false);
        }
        let (mut kept, mut unknown) = (Vec::new(), 0);
        for index in &group.desired {
            unknown += usize::from(!self.recall_one(*index, found, &mut kept));
        }
        if unknown > LOOKUPS_MAX {
            return Ok(false);
        }
        for id in &group.left {
            let name = self.options.name.as_str();
            if let Some(facts) = live.memory().recall_left(id, name) {
                found.left.insert(id.clone(), Left::Live(Box::new(facts)));
            }
        }
        let mut questions: Vec<Question> = Vec::new();
        for packed in kept {
            self.meet(&group.resource, &desired::unpack(&packed)?, found, &mut questions)?;
        }
        if !questions.is_empty() {
            self.ask(&group.resource, questions, found).await?;
        }
        Ok(true)
    }

    /// False when the object is there and has to be read.
    fn recall_one(&self, index: usize, found: &mut Observation, kept: &mut Vec<Packed>) -> bool {
        let (Some(live), Some(desired)) = (self.live, self.set.objects.get(index)) else {
            return true;
        };
        match live.memory().recall(desired) {
            // Absent, or without the label: looked up by name as ever.
            Recalled::Unseen => true,
            Recalled::Clean(facts, health) => {
                found.put(index, self.seen(facts, Verdict::Unchanged, health));
                true
            }
            Recalled::Differs { live: facts, health, takes, object } => {
                let recorded = self.recorded.get(&desired.id);
                let step =
                    decide::step(self.mode, desired.digest, recorded, Some(&facts), false, false);
                if step == Step::Write && !takes && !self.leaves(desired) {
                    let verdict = Verdict::Write { takes_over_from: Vec::new() };
                    found.put(index, self.seen(facts, verdict, health));
                    return true;
                }
                match object {
                    Some(packed) => {
                        kept.push(packed);
                        true
                    }
                    None => {
                        found.to_ask.extend((step == Step::DryRun).then_some(index));
                        false
                    }
                }
            }
        }
    }
}
