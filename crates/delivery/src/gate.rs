//! The gate before apply: every object that would be written is checked against its schema first.
//!
//! Schemas come from the cluster's own OpenAPI documents, and from the CustomResourceDefinitions
//! of the same tree for the kinds that these define. What the server has already looked at (an
//! object that is proven equal, a dry run that it accepted) is not checked again, so an unchanged
//! tree costs no request here and no time. An object that does not fit becomes a refusal with all
//! its findings; the others go on.
//!
//! The gate refuses only what the server would refuse. Where it cannot know, it says so once and
//! leaves the verdict to the server, which validates strictly anyway.

use crate::desired::{Desired, DesiredSet};
use crate::error::DeliveryError;
use crate::look::Verdict;
use crate::observe::Observation;
use crate::source::problem;
use cluster::Client;
use objects::GroupVersionKind;
use schema::{Checked, Schema};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync::Problem;

/// Objects that are checked before others get their turn: some milliseconds.
const OBJECTS_PER_TURN: usize = 256;
/// At most so many findings of one object are told.
const FINDINGS_TOLD_MAX: usize = 20;

/// What the gate knows.
struct Gate {
    schemas: BTreeMap<GroupVersionKind, Schema>,
    /// Told once each.
    warnings: BTreeSet<String>,
}

/// Checks what would be written; refusals go into what was found. Gives what has to be said.
///
/// # Errors
/// [`DeliveryError::Internal`]; a cluster that does not tell its schemas is a warning.
pub(crate) async fn check(
    client: &Client,
    set: &DesiredSet,
    found: &mut Observation,
) -> Result<Vec<Problem>, DeliveryError> {
    let open: Vec<usize> = (0..set.objects.len()).filter(|index| is_open(*index, found)).collect();
    let kinds: BTreeSet<&GroupVersionKind> = open
        .iter()
        .filter_map(|index| set.objects.get(*index))
        .map(|desired| desired.gvk.as_ref())
        .collect();
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let mut gate = Gate { schemas: BTreeMap::new(), warnings: BTreeSet::new() };
    gate.read_tree(set, &kinds)?;
    let kinds: Vec<GroupVersionKind> =
        kinds.into_iter().filter(|gvk| !gate.schemas.contains_key(*gvk)).cloned().collect();
    let remembered = client.remembered_schemas(&kinds).found;
    let from_memory = remembered.len() == kinds.len();
    gate.schemas.extend(remembered);
    let mut warnings =
        if from_memory { Vec::new() } else { gate.read_cluster(client, &kinds).await };
    let mut invalid = gate.check_all(set, &open).await?;
    if from_memory && !invalid.is_empty() {
        // What was read last may be out of date, and then it is no reason to refuse anything.
        gate.warnings.clear();
        warnings = gate.read_cluster(client, &kinds).await;
        invalid = gate.check_all(set, &open).await?;
    }
    for (index, checked) in invalid {
        refuse(index, &checked, found);
    }
    let told = gate.warnings.into_iter();
    warnings.extend(told.map(|message| Problem { origin: None, message, hint: None }));
    Ok(warnings)
}

/// Whether nobody has a verdict on the object yet that is the server's own "yes".
fn is_open(index: usize, found: &Observation) -> bool {
    let verdict = match found.seen.get(index).and_then(Option::as_ref) {
        Some(seen) => Some(&seen.verdict),
        None => found.creates.get(&index),
    };
    matches!(verdict, None | Some(Verdict::Write { .. } | Verdict::Refused(_)))
}

/// Puts the findings in the place of the verdict; what the server said stays as the hint.
fn refuse(index: usize, checked: &Checked, found: &mut Observation) {
    let slot = match found.seen.get_mut(index).and_then(Option::as_mut) {
        Some(seen) => &mut seen.verdict,
        None => found.creates.entry(index).or_insert(Verdict::Unchanged),
    };
    let hint = match slot {
        Verdict::Refused(server) => Some(format!("the API server says: {}", server.message)),
        _ => None,
    };
    *slot = Verdict::Refused(Problem { origin: None, message: told(checked), hint });
}

fn told(checked: &Checked) -> String {
    let findings = checked.violations.iter().take(FINDINGS_TOLD_MAX);
    let mut lines: Vec<String> = findings.map(ToString::to_string).collect();
    let rest = checked.violations.len().saturating_sub(FINDINGS_TOLD_MAX);
    if rest > 0 {
        lines.push(format!("and {rest} findings more"));
    }
    match lines.as_slice() {
        [only] => format!("does not fit its schema: {only}"),
        _ => format!("does not fit its schema:\n{}", lines.join("\n")),
    }
}

impl Gate {
    /// The definitions of the tree are the schemas of their kinds, also where the cluster still
    /// has older ones: they are applied first.
    fn read_tree(
        &mut self,
        set: &DesiredSet,
        kinds: &BTreeSet<&GroupVersionKind>,
    ) -> Result<(), DeliveryError> {
        let defines = |desired: &&Arc<Desired>| {
            let kind = desired.defines.as_ref();
            kind.is_some_and(|kind| kinds.iter().any(|gvk| gvk.group_kind() == *kind))
        };
        for desired in set.objects.iter().filter(defines) {
            match schema::of_definition(&desired.object()?) {
                Ok(found) => {
                    let found = found.into_iter().map(|schema| (schema.gvk().clone(), schema));
                    self.schemas.extend(found);
                }
                Err(error) => {
                    let reason = problem(None, &error).message;
                    let id = &desired.id;
                    self.warnings.insert(format!("{id} cannot be used to check objects: {reason}"));
                }
            }
        }
        Ok(())
    }

    /// Those objects that do not fit, with what is wrong.
    async fn check_all(
        &mut self,
        set: &DesiredSet,
        open: &[usize],
    ) -> Result<Vec<(usize, Checked)>, DeliveryError> {
        let mut invalid = Vec::new();
        for (count, index) in open.iter().enumerate() {
            if count.is_multiple_of(OBJECTS_PER_TURN) {
                // Ten thousand checks take a moment in which a stop must be heard.
                tokio::task::yield_now().await;
            }
            let Some(desired) = set.objects.get(*index) else { continue };
            let Some(schema) = self.schemas.get(desired.gvk.as_ref()) else { continue };
            let checked = schema.check(&desired.object()?);
            let about = |sentence: &String| format!("{}: {sentence}", desired.gvk);
            self.warnings.extend(checked.unchecked.iter().map(about));
            if !checked.is_valid() {
                invalid.push((*index, checked));
            }
        }
        Ok(invalid)
    }

    async fn read_cluster(&mut self, client: &Client, kinds: &[GroupVersionKind]) -> Vec<Problem> {
        for gvk in kinds {
            self.schemas.remove(gvk);
        }
        match client.schemas(kinds).await {
            Ok(schemas) => {
                self.schemas.extend(schemas.found);
                for (gvk, reason) in schemas.unreadable {
                    let sentence = format!("the schema of {gvk} cannot be read: {reason}");
                    self.warnings.insert(sentence);
                }
                Vec::new()
            }
            Err(error) => {
                let mut problem = problem(None, &error);
                problem.message = format!(
                    "the cluster does not tell its schemas, so only the API server checks the \
                     objects: {}",
                    problem.message
                );
                vec![problem]
            }
        }
    }
}
