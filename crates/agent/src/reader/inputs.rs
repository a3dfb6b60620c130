//! What the reader knows of its inputs: the plan for their lines, and what their files have in
//! common.

use crate::AgentError;
use crate::block::Origin;
use crate::config::{Config, Input, InputKind, Kubernetes, StartAt};
use crate::pods::{Pod, Table};
use host::tail::{self, PodLog};
use lines::{Chunk, File, Flags, Intake, Plan, PlanError, Records, Streams};
use model::chain;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the first lines of a pod wait for what is known of it.
pub(crate) const METADATA_WAIT: Duration = Duration::from_secs(2);

/// The variable with the UID of the agent's own pod.
pub(crate) const POD_UID: &str = "POD_UID";

/// One input, ready to be read.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub(crate) name: String,
    pub(crate) plan: Arc<Plan>,
    /// Attributes of all its files.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) pods: Option<Arc<Table>>,
    /// What nobody may see of what users write about a pod.
    hides: Option<Arc<Plan>>,
    /// Whether the files are those of pods.
    pub(crate) kubernetes: bool,
    pub(crate) tail: tail::Input,
    /// Whether compressed files are read, too.
    pub(crate) compressed: bool,
}

/// All inputs that are files, ready to be read; `table` finds the pods of a Kubernetes input.
pub(crate) fn intents(
    config: &Config,
    host_name: &str,
    table: impl Fn(&Kubernetes) -> Option<Arc<Table>>,
) -> Result<Vec<Intent>, AgentError> {
    let redaction = redaction(config)?;
    let hides = redaction.clone().map(hides).transpose();
    let hides = hides.map_err(|error| AgentError::Input {
        input: "redaction".to_owned(),
        reason: chain(&error),
    })?;
    let own = Arc::new(own(config));
    let mut intents = Vec::new();
    for input in &config.inputs {
        let failed = |reason: String| AgentError::Input { input: input.name.clone(), reason };
        let plan = input.reading.plan(redaction.clone());
        let plan = Arc::new(plan.map_err(|error| failed(chain(&error)))?);
        let attributes = attributes(config, input, host_name);
        let base = |tail: tail::Input, pods, kubernetes| Intent {
            name: input.name.clone(),
            plan: plan.clone(),
            attributes: attributes.clone(),
            pods,
            hides: hides.clone(),
            kubernetes,
            tail: tail::Input { own: own.clone(), ..tail },
            compressed: false,
        };
        match &input.kind {
            InputKind::Files { paths, exclude, follow_links, compressed } => {
                let mut tail = globs(&input.name, paths, exclude).map_err(failed)?;
                tail.start_at = start_at(input.reading.start_at);
                if !follow_links {
                    tail.symlinks = tail::Symlinks::Refused;
                }
                let made = base(tail, None, false);
                intents.push(Intent { compressed: *compressed, ..made });
            }
            InputKind::Kubernetes(kubernetes) => {
                let root = kubernetes.root.to_string_lossy();
                let root = root.trim_end_matches('/');
                // What is not read of other namespaces is not opened either, and a reload ends it.
                let paths = |name: &str| {
                    let live = format!("{root}/{name}_*_*/*/[0-9]*.log");
                    [format!("{live}.[0-9]*-[0-9]*"), live]
                };
                let only = kubernetes.namespaces.iter().flat_map(|name| paths(name));
                let paths = if kubernetes.namespaces.is_empty() {
                    paths("*").into()
                } else {
                    only.collect::<Vec<_>>()
                };
                let mut exclude = kubernetes.exclude.clone();
                exclude.extend(
                    kubernetes
                        .exclude_namespaces
                        .iter()
                        .map(|name| format!("{root}/{name}_*_*/**")),
                );
                exclude.extend(own_pod().map(|uid| format!("{root}/*_*_{uid}/**")));
                let mut tail = globs(&input.name, &paths, &exclude).map_err(failed)?;
                tail.directory_is_source = true;
                tail.start_at = start_at(input.reading.start_at);
                intents.push(base(tail, table(kubernetes), true));
            }
            InputKind::Journald(_) => {}
        }
    }
    Ok(intents)
}

/// The UID of the pod that we run in, when our manifest says so. What we write there we must not
/// read: each line of it would make the next one (R31).
fn own_pod() -> Option<String> {
    let uid = std::env::var(POD_UID).ok()?;
    let is_plain = uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_plain && !uid.is_empty()).then_some(uid)
}

/// What this process writes: what comes of a line must not be read as another one (R31).
fn own(config: &Config) -> tail::Own {
    let mut own = tail::Own::default();
    own.add_open(&std::io::stdout());
    own.add_open(&std::io::stderr());
    own.add_folder(&config.state_dir);
    for path in config.sinks.iter().filter_map(|sink| sink.kind.file()) {
        own.add_file(path);
    }
    own
}

fn redaction(config: &Config) -> Result<Option<lines::Redaction>, AgentError> {
    let failed = |reason: String| AgentError::Input { input: "redaction".to_owned(), reason };
    let key = match &config.redaction.key_file {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|error| {
            failed(format!("cannot read the key in {}: {error}", path.display()))
        })?),
    };
    let key = key.as_deref().map(<[u8]>::trim_ascii);
    config.redaction.compiled(key).map_err(|error| failed(chain(&error)))
}

/// The plan for a text of several lines that is one record, and nothing but redacted.
fn hides(redaction: lines::Redaction) -> Result<Arc<Plan>, PlanError> {
    let never = r"[^\s\S]";
    let multiline = Some(lines::Multiline::starting_with(never)?);
    let redaction = Some(redaction);
    Plan::new(lines::Settings { multiline, redaction, ..lines::Settings::default() }).map(Arc::new)
}

/// The text without what nobody may see.
fn redacted(plan: &Plan, text: &str) -> String {
    let (mut intake, mut out) = (Intake::new(), Records::new());
    let (mut file, mut streams) = (File::default(), Streams::default());
    let chunk = Chunk { bytes: text.as_bytes(), last: true, ..Chunk::default() };
    intake.feed(plan, &mut file, &mut streams, &chunk, &mut out);
    intake.close(plan, &mut streams, 0, &mut out);
    let found = out.records().first().filter(|one| one.flags.has(Flags::REDACTED));
    found.map_or(text, |one| out.body(one)).to_owned()
}

/// The plan for the journal, whose lines are JSON.
pub(crate) fn journal_plan(config: &Config, input: &Input) -> Result<Arc<Plan>, AgentError> {
    let failed = |reason: String| AgentError::Input { input: input.name.clone(), reason };
    let plan = input.reading.plan(redaction(config)?);
    plan.map(Arc::new).map_err(|error| failed(chain(&error)))
}

fn globs(name: &str, paths: &[String], exclude: &[String]) -> Result<tail::Input, String> {
    let include: Vec<&str> = paths.iter().map(String::as_str).collect();
    let exclude: Vec<&str> = exclude.iter().map(String::as_str).collect();
    tail::Input::globs(name, &include, &exclude).map_err(|error| chain(&error))
}

fn start_at(start: StartAt) -> tail::StartAt {
    match start {
        StartAt::Beginning => tail::StartAt::Beginning,
        StartAt::End => tail::StartAt::End,
    }
}

/// Attributes of all records of an input.
pub(crate) fn attributes(config: &Config, input: &Input, host_name: &str) -> Vec<(String, String)> {
    let mut attributes = common(config, host_name);
    attributes.extend(input.resource.iter().cloned());
    attributes
}

/// Attributes of all records, also of our own.
pub(crate) fn common(config: &Config, host_name: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    if !host_name.is_empty() {
        attributes.push(("host.name".to_owned(), host_name.to_owned()));
    }
    attributes.extend(config.resource.iter().cloned());
    attributes
}

/// The input whose patterns mean this path: the first one, as for the tailer.
pub(crate) fn meant(intents: &[Intent], path: &Path) -> Option<usize> {
    intents.iter().position(|one| one.tail.means(path))
}

impl Intent {
    /// The one of other inputs that reads what this one read: with its name, or else with one of
    /// its patterns.
    pub(crate) fn successor(&self, others: &[Self]) -> Option<usize> {
        let shares = |other: &Self| {
            other.tail.include.iter().any(|pattern| self.tail.include.contains(pattern))
        };
        let named = others.iter().position(|other| other.name == self.name);
        named.or_else(|| others.iter().position(shares))
    }

    /// What the records of a file have in common. A pod is what is known of the file's pod now.
    pub(crate) fn origin(&self, path: &Path, pod: Option<&Arc<Pod>>) -> Origin {
        let shown = path.to_string_lossy().into_owned();
        let log = if self.kubernetes { PodLog::parse(path) } else { None };
        let mut all = self.attributes.clone();
        let mut put = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
        put("log.file.path", &shown);
        let Some(log) = log else { return Origin::new(all, &shown, None) };
        put("k8s.namespace.name", log.namespace);
        put("k8s.pod.name", log.pod);
        put("k8s.pod.uid", log.uid);
        put("k8s.container.name", log.container);
        put("k8s.container.restart_count", &log.restart.to_string());
        let mut service = log.container.to_owned();
        if let Some(pod) = pod {
            for (of, pairs) in [("label", &pod.labels), ("annotation", &pod.annotations)] {
                for (name, value) in pairs {
                    let hidden = self.hides.as_ref().map(|plan| redacted(plan, value));
                    put(&format!("k8s.pod.{of}.{name}"), hidden.as_ref().unwrap_or(value));
                }
            }
            if let Some((key, name)) = &pod.owner {
                put(key, name);
                service.clone_from(name);
            }
            if let Some(app) = &pod.app {
                service.clone_from(app);
            }
            let container = pod.containers.iter().find(|one| one.name == log.container);
            if let Some(container) = container {
                put("container.image.name", &container.image);
                if let Some(id) = container.id(log.restart) {
                    put("container.id", id);
                }
            }
        }
        if !all.iter().any(|(name, _)| name == "service.name") {
            all.push(("service.name".to_owned(), service));
        }
        let name = format!("{}/{}", log.namespace, log.pod);
        Origin::new(all, &shown, Some(name)).of(pod)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::pods::{Wanted, read};
    use serde_json::json;

    #[test]
    fn r29_what_users_write_about_a_pod_is_redacted_and_names_are_not() {
        let text = "inputs: [{type: kubernetes}]\nredaction: {rules: [email, ipv4]}\n";
        let intent = intents(&parse(text).unwrap(), "", |_| None).unwrap().remove(0);
        let pod = json!({
            "metadata": {
                "name": "cart-10.1.2.3", "namespace": "shop", "uid": "u",
                "labels": {"app": "cart", "peer": "10.1.2.3"},
                "annotations": {
                    "owner": "ask bob@example.com,\n\n or 10.1.2.3\n", "team": "a\n",
                },
            },
        });
        let wanted =
            Wanted { labels: vec!["*".into()], annotations: vec!["owner".into(), "team".into()] };
        let pod = read(&pod, &wanted).map(Arc::new);
        let path = Path::new("/var/log/pods/shop_cart-10.1.2.3_u/app/0.log");
        let origin = intent.origin(path, pod.as_ref());
        let value = |wanted: &str| {
            let found = origin.attributes.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| &**value).unwrap()
        };
        assert_eq!(value("k8s.pod.label.app"), "cart");
        assert_eq!(value("k8s.pod.label.peer"), "[ipv4]");
        assert_eq!(value("k8s.pod.annotation.owner").trim_end(), "ask [email],\n\n or [ipv4]");
        assert_eq!(value("k8s.pod.annotation.team"), "a\n");
        assert_eq!(value("k8s.pod.name"), "cart-10.1.2.3");
        assert_eq!(value("log.file.path"), path.to_str().unwrap());
    }

    #[test]
    fn r27_the_name_of_a_service_does_not_hang_on_the_labels_that_are_kept() {
        let config = parse("inputs: [{type: kubernetes}]").unwrap();
        let intent = intents(&config, "", |_| None).unwrap().remove(0);
        let pod = json!({
            "metadata": {
                "name": "cart-x", "namespace": "shop", "uid": "u",
                "labels": {"app.kubernetes.io/name": "cart", "team": "a"},
                "ownerReferences": [{"kind": "DaemonSet", "name": "carts", "controller": true}],
            },
        });
        for labels in [&["*"][..], &["team"], &[]] {
            let labels = labels.iter().map(|&name| name.to_owned()).collect();
            let pod = read(&pod, &Wanted { labels, ..Wanted::default() }).map(Arc::new);
            let path = Path::new("/var/log/pods/shop_cart-x_u/app/0.log");
            let origin = intent.origin(path, pod.as_ref());
            let service = origin.attributes.iter().find(|(name, _)| name == "service.name");
            assert_eq!(service.unwrap().1, "cart");
        }
    }
}
