//! The file of `orlop sync run --config FILE`: `GitSync` documents, the same that a cluster
//! takes, and at most one `AgentConfig` that says how the agent runs on this host.
//!
//! It is read strictly: an unknown field is refused with what was meant, and everything that is
//! wrong is told at once, with file, line and field. Relative paths in it are for the caller, who
//! knows where the file is. Limits: [`FILE_BYTES_MAX`], [`SYNCS_MAX`].

use crate::crd;
use crate::spec::{API_VERSION, GitSync, KIND, SpecProblem, SyncKey, Tenancy, Valid};
use crate::strict;
use model::{Explain, Hint, nearest};
use objects::{Manifest, Origin, yaml};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The kind of the document that says how the agent runs.
pub const AGENT_KIND: &str = "AgentConfig";
/// Bytes of a file.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// GitSyncs in one file.
pub const SYNCS_MAX: usize = 1000;
/// The namespace of a GitSync that names none.
pub const NAMESPACE_DEFAULT: &str = "default";

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// How the agent runs.
    pub agent: AgentSpec,
    /// What it delivers, in the order of the file.
    pub syncs: Vec<Valid>,
}

/// How the agent runs on a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentSpec {
    /// The address of webhooks, probes and metrics: `HOST:PORT`; none when absent.
    pub listen: Option<String>,
    /// The file that audit lines are appended to; none when absent.
    pub audit_path: Option<String>,
    /// The folder with Secrets as files, `NAMESPACE/NAME/KEY`; those without a folder there, and
    /// all when absent, are read from the cluster.
    pub secrets_path: Option<String>,
    /// Path of the kubeconfig; the usual ones when absent.
    pub kubeconfig: Option<String>,
    /// A context of it; its current one when absent.
    pub context: Option<String>,
    /// Where single GitSyncs are delivered to instead.
    pub targets: Vec<Target>,
}

/// Where one GitSync is delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its namespace; [`NAMESPACE_DEFAULT`] when absent.
    pub namespace: Option<String>,
    /// Path of the kubeconfig; that of the agent when absent.
    pub kubeconfig: Option<String>,
    /// A context of it; that of the agent when absent, if the kubeconfig is the agent's.
    pub context: Option<String>,
}

impl AgentSpec {
    /// Kubeconfig and context that a GitSync is delivered with.
    #[must_use]
    pub fn connection(&self, sync: &SyncKey) -> (Option<&str>, Option<&str>) {
        let target = self.targets.iter().find(|target| target.key() == *sync);
        let own = (self.kubeconfig.as_deref(), self.context.as_deref());
        match target {
            None => own,
            Some(Target { kubeconfig: Some(path), context, .. }) => {
                (Some(path), context.as_deref())
            }
            Some(target) => (own.0, target.context.as_deref().or(own.1)),
        }
    }
}

impl Target {
    /// The GitSync it speaks of.
    #[must_use]
    pub fn key(&self) -> SyncKey {
        let namespace = self.namespace.as_deref().unwrap_or(NAMESPACE_DEFAULT);
        SyncKey::new(namespace, self.name.clone())
    }
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// It is no YAML, or a document of it is no object.
    #[error("{file}:{line}:{column}: {problem}")]
    Parse {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: Option<Hint>,
    },
    /// A field of a document.
    #[error("{place}: {kind} {problem}")]
    Field {
        /// File and line of the document.
        place: Origin,
        /// Its kind.
        kind: String,
        /// The field and what is wrong with it.
        problem: SpecProblem,
    },
    /// A document as a whole.
    #[error("{place}: {problem}")]
    Document {
        /// File and line of the document.
        place: Origin,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: Option<Hint>,
    },
    /// The file as a whole.
    #[error("{file} {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Explain for FileProblem {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Parse { hint, .. } | Self::Document { hint, .. } => hint.clone(),
            Self::Field { problem, .. } => problem.hint.clone(),
            Self::File { .. } => None,
        }
    }
}

/// Reads a file; `file` is its name for messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(file: &str, bytes: &[u8]) -> Result<Config, Vec<FileProblem>> {
    let whole = |problem| vec![FileProblem::File { file: file.to_owned(), problem }];
    if bytes.len() > FILE_BYTES_MAX {
        return Err(whole("is larger than 4 MiB"));
    }
    let parsed = yaml::parse(file, bytes);
    let mut problems: Vec<FileProblem> = parsed.diagnostics.iter().map(unparsed).collect();
    if parsed.manifests.len() > SYNCS_MAX + 1 {
        return Err(whole("has more than 1,000 documents"));
    }
    let mut reader = Reader::default();
    for manifest in parsed.manifests {
        reader.document(manifest, &mut problems);
    }
    reader.targets(&mut problems);
    if reader.syncs.is_empty() && problems.is_empty() {
        return Err(whole("has no GitSync in it"));
    }
    let agent = reader.agent.map(|(_, agent)| agent).unwrap_or_default();
    if problems.is_empty() { Ok(Config { agent, syncs: reader.syncs }) } else { Err(problems) }
}

fn unparsed(diagnostic: &yaml::Diagnostic) -> FileProblem {
    FileProblem::Parse {
        file: diagnostic.file.to_string(),
        line: diagnostic.line,
        column: diagnostic.column,
        problem: diagnostic.fault.to_string(),
        hint: diagnostic.hint(),
    }
}

#[derive(Default)]
struct Reader {
    agent: Option<(Origin, AgentSpec)>,
    syncs: Vec<Valid>,
    /// All names, also of those that are not valid.
    seen: BTreeMap<SyncKey, Origin>,
}

impl Reader {
    fn document(&mut self, manifest: Manifest, problems: &mut Vec<FileProblem>) {
        let Manifest { object, origin } = manifest;
        let (version, kind) = (object.api_version().to_owned(), object.kind().to_owned());
        match (version.as_str(), kind.as_str()) {
            (API_VERSION, KIND) => self.sync(object.into_value(), &origin, problems),
            (API_VERSION, AGENT_KIND) => self.agent(object.into_value(), origin, problems),
            _ => {
                let kinds = [KIND, AGENT_KIND];
                let meant =
                    nearest(&kind, kinds).or(kinds.contains(&kind.as_str()).then_some(KIND));
                let hint = meant.map_or_else(
                    || "only GitSync and AgentConfig belong into this file".to_owned(),
                    |meant| format!("did you mean `{meant}` of `{API_VERSION}`?"),
                );
                let problem = format!("`{kind}` of `{version}` is not known here");
                let hint = Some(Hint::new(hint));
                problems.push(FileProblem::Document { place: origin, problem, hint });
            }
        }
    }

    fn sync(&mut self, mut value: Value, place: &Origin, problems: &mut Vec<FileProblem>) {
        let mut found = strict::check(&value, &crd::openapi(), "");
        // The metadata of an object may have more than is used of it; status is the agent's.
        if value.get("status").is_some() {
            found.push(SpecProblem::new("status", "is written by the agent, not by people"));
        }
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.entry("namespace").or_insert_with(|| NAMESPACE_DEFAULT.into());
        }
        let key = key(&value);
        match self.seen.get(&key) {
            Some(first) => {
                let problem = format!("`{key}` is there twice, first at {first}");
                let place = place.clone();
                problems.push(FileProblem::Document { place, problem, hint: None });
            }
            None => drop(self.seen.insert(key, place.clone())),
        }
        let read = GitSync::from_value(value);
        match read {
            Ok(sync) if found.is_empty() => match Valid::new(sync, Tenancy::Single) {
                Ok(valid) => self.syncs.push(valid),
                Err(invalid) => found = invalid,
            },
            Err(error) if found.is_empty() => {
                found.push(SpecProblem::new("spec", format!("cannot be read: {error}")));
            }
            _ => {}
        }
        problems.extend(found.into_iter().map(|problem| FileProblem::Field {
            place: place.clone(),
            kind: KIND.to_owned(),
            problem,
        }));
    }

    fn agent(&mut self, mut value: Value, place: Origin, problems: &mut Vec<FileProblem>) {
        if let Some((first, _)) = &self.agent {
            let problem = format!("there is another AgentConfig at {first}");
            problems.push(FileProblem::Document { place, problem, hint: None });
            return;
        }
        let known = ["apiVersion", "kind", "metadata", "spec"];
        let mut found = Vec::new();
        for field in value.as_object().into_iter().flat_map(|fields| fields.keys()) {
            if !known.contains(&field.as_str()) {
                found.push(SpecProblem::new(field.as_str(), "is not a known field"));
            }
        }
        let spec = value.get_mut("spec").map_or(Value::Object(serde_json::Map::new()), Value::take);
        found.extend(strict::check(&spec, &crd::agent_spec(), "spec"));
        match serde_json::from_value::<AgentSpec>(spec) {
            Ok(agent) => self.agent = Some((place.clone(), agent)),
            Err(error) if found.is_empty() => {
                found.push(SpecProblem::new("spec", format!("cannot be read: {error}")));
            }
            Err(_) => {}
        }
        problems.extend(found.into_iter().map(|problem| FileProblem::Field {
            place: place.clone(),
            kind: AGENT_KIND.to_owned(),
            problem,
        }));
    }

    /// Every target must be one of the file's own.
    fn targets(&self, problems: &mut Vec<FileProblem>) {
        let Some((place, agent)) = &self.agent else { return };
        let names: Vec<String> = self.seen.keys().map(ToString::to_string).collect();
        for (index, target) in agent.targets.iter().enumerate() {
            let key = target.key();
            if self.seen.contains_key(&key) {
                continue;
            }
            let field = format!("spec.targets[{index}]");
            let problem =
                SpecProblem::new(field, format!("names `{key}`, which is not in the file"));
            let problem = match nearest(&key.to_string(), names.iter().map(String::as_str)) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem,
            };
            let (place, kind) = (place.clone(), AGENT_KIND.to_owned());
            problems.push(FileProblem::Field { place, kind, problem });
        }
    }
}

/// Namespace and name of a document that may not be readable otherwise.
fn key(value: &Value) -> SyncKey {
    let text = |field| {
        let text = value.get("metadata").and_then(|metadata| metadata.get(field));
        text.and_then(Value::as_str).unwrap_or_default()
    };
    SyncKey::new(text("namespace"), text("name"))
}

#[cfg(test)]
mod tests;
