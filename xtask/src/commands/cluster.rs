//! `cargo xtask cluster`: the single-host Kubernetes of tests and demos.

use super::{Command, UsageError};
use crate::{terminal, workspace};
use anyhow::Context as _;
use lexopt::prelude::{Long, Short, Value, ValueExt as _};
use model::{ByteSize, Exit, Explain, Hint, Span};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use testbed::cluster::{NODES_LIMIT, Status};
use testbed::packages::{self, Outcome, Scope};
use testbed::{Cluster, Spec, TestbedError, Tier};

/// The cluster that is meant when no name is given.
const DEFAULT_NAME: &str = "orlop";
/// The words behind `cluster`.
const VERBS: [&str; 6] = ["up", "down", "status", "env", "load", "logs"];

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "cluster",
    about: "Raise, show and clear a real Kubernetes on this host",
    help: "\
Verbs:
  up                 raise it; what is there already stays
  down               end it and remove every trace (--all: every cluster)
  status             components with pid, uptime, memory (all clusters without --name)
  env                shell lines that set KUBECONFIG and PATH
  load FILE...       import OCI image archives into every node
  logs [COMPONENT]   print a component's log, or list the logs

Flags:
  --name NAME        which cluster (default `orlop`)
  --control-plane    etcd, API server, controller manager only: no root needed
  --nodes N          nodes with pods, 1 to 3 (default 1)
  --audit            write an audit log
  --all              with down: every cluster of this user
  -o, --output json  with up and status: JSON

Examples:
  cargo xtask cluster up --control-plane --name dev
  eval \"$(cargo xtask cluster env --name dev)\" && kubectl get namespaces
  cargo xtask cluster down --all
",
    run,
};

/// What the command line says.
struct Asked {
    verb: String,
    name: Option<String>,
    control_plane: bool,
    nodes: Option<u8>,
    audit: bool,
    all: bool,
    json: bool,
    words: Vec<OsString>,
}

impl Asked {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(DEFAULT_NAME)
    }
}

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let asked = parse(words)?;
    match asked.verb.as_str() {
        "up" => up(&asked),
        "down" => down(&asked),
        "status" => status(&asked),
        "env" => environment(&asked),
        "load" => load(&asked),
        _ => logs(&asked),
    }
}

fn parse(words: &[OsString]) -> anyhow::Result<Asked> {
    let mut asked = Asked {
        verb: String::new(),
        name: None,
        control_plane: false,
        nodes: None,
        audit: false,
        all: false,
        json: false,
        words: Vec::new(),
    };
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) if asked.verb.is_empty() => asked.verb = word.string()?,
            Value(word) => asked.words.push(word),
            Long("name") => asked.name = Some(parser.value()?.string()?),
            Long("control-plane") => asked.control_plane = true,
            Long("nodes") => asked.nodes = Some(parser.value()?.parse()?),
            Long("audit") => asked.audit = true,
            Long("all") => asked.all = true,
            Short('o') | Long("output") => match parser.value()?.string()?.as_str() {
                "json" => asked.json = true,
                "text" => asked.json = false,
                other => {
                    let text = format!("the output can be `text` or `json`, not `{other}`");
                    return Err(UsageError::new(text).into());
                }
            },
            other => return Err(other.unexpected().into()),
        }
    }
    check(&asked)?;
    Ok(asked)
}

/// Refuses what would otherwise be ignored.
fn check(asked: &Asked) -> Result<(), UsageError> {
    let verb = asked.verb.as_str();
    if !VERBS.contains(&verb) {
        let near = model::nearest(verb, VERBS);
        let meant = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
        let text = if verb.is_empty() {
            format!("cluster needs a verb: {}", VERBS.join(", "))
        } else {
            format!("cluster has no verb `{verb}`{meant}")
        };
        return Err(UsageError::new(text));
    }
    let refuse = |given: bool, flag: &str, verbs: &[&str]| {
        if given && !verbs.contains(&verb) {
            return Err(UsageError::new(format!("`cluster {verb}` takes no {flag}")));
        }
        Ok(())
    };
    refuse(asked.control_plane, "--control-plane", &["up"])?;
    refuse(asked.nodes.is_some(), "--nodes", &["up"])?;
    refuse(asked.audit, "--audit", &["up"])?;
    refuse(asked.all, "--all", &["down"])?;
    refuse(asked.json, "--output json", &["up", "status"])?;
    refuse(!asked.words.is_empty(), "further words", &["load", "logs"])?;
    if asked.control_plane && asked.nodes.is_some() {
        return Err(UsageError::new("--control-plane has no nodes: leave out --nodes"));
    }
    if asked.nodes.is_some_and(|nodes| nodes == 0 || nodes > NODES_LIMIT) {
        return Err(UsageError::new(format!("--nodes can be 1 to {NODES_LIMIT}")));
    }
    if verb == "load" && asked.words.is_empty() {
        return Err(UsageError::new("`cluster load` needs the archive of an image"));
    }
    if asked.all && asked.name.is_some() {
        return Err(UsageError::new("--all means every cluster: leave out --name"));
    }
    Ok(())
}

fn up(asked: &Asked) -> anyhow::Result<ExitCode> {
    let mut say = |line: &str| terminal::warn(line);
    let tier = if asked.control_plane {
        Tier::ControlPlane
    } else {
        if let Outcome::Without { reason, .. } = packages::ensure(Scope::Nodes, &mut say)? {
            terminal::warn(reason);
        }
        Tier::Full { nodes: asked.nodes.unwrap_or(1) }
    };
    let spec = Spec { name: asked.name().to_owned(), tier, audit: asked.audit };
    let Some((cluster, timings)) = told(Cluster::up(&spec, &mut say)) else {
        return Ok(Exit::CouldNot.into());
    };
    for (what, took) in &timings {
        terminal::warn(format_args!("  {what:<26}{}", Span(*took)));
    }
    if asked.json {
        terminal::say(serde_json::to_string_pretty(&cluster.status())?);
    } else {
        let name = cluster.name();
        terminal::say(format_args!("cluster {name} is ready at {}", cluster.server()));
        terminal::say(format_args!("  eval \"$(cargo xtask cluster env --name {name})\""));
    }
    Ok(Exit::Clean.into())
}

fn down(asked: &Asked) -> anyhow::Result<ExitCode> {
    let names = if asked.all { Cluster::names() } else { vec![asked.name().to_owned()] };
    for name in names {
        let Some(there) = told(Cluster::down(&name, &mut |line| terminal::warn(line))) else {
            return Ok(Exit::CouldNot.into());
        };
        let what = if there { "is gone" } else { "was not there" };
        terminal::say(format_args!("cluster {name} {what}"));
    }
    Ok(Exit::Clean.into())
}

fn status(asked: &Asked) -> anyhow::Result<ExitCode> {
    let names = asked.name.clone().map_or_else(Cluster::names, |name| vec![name]);
    let mut all = Vec::new();
    for name in &names {
        match Cluster::attach(name)? {
            Some(cluster) => all.push(cluster.status()),
            None => terminal::warn(format_args!("cluster {name} is not up")),
        }
    }
    if asked.json {
        terminal::say(serde_json::to_string_pretty(&all)?);
    } else {
        all.iter().for_each(|status| terminal::say(table(status)));
    }
    let clean = all.len() == names.len()
        && all.iter().all(|status| status.components.iter().all(|one| one.pid.is_some()));
    Ok(if clean { Exit::Clean } else { Exit::Findings }.into())
}

fn table(status: &Status) -> String {
    let mut rows = vec![["PLACE", "COMPONENT", "PID", "UP", "MEMORY"].map(str::to_owned).to_vec()];
    for one in &status.components {
        let pid = one.pid.map_or_else(|| "not running".to_owned(), |pid| pid.to_string());
        let up = one.uptime_seconds.and_then(|up| Duration::try_from_secs_f64(up).ok());
        let up = up.map_or(String::new(), |up| Span(up).to_string());
        let memory = one.resident_bytes.map_or(String::new(), |size| ByteSize(size).to_string());
        rows.push(vec![one.place.clone(), one.component.clone(), pid, up, memory]);
    }
    let versions: Vec<String> =
        status.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "cluster {} at {} ({})\n{}",
        status.name,
        status.server,
        versions.join(", "),
        terminal::columns(&rows)
    )
}

fn environment(asked: &Asked) -> anyhow::Result<ExitCode> {
    let Some(cluster) = attached(asked)? else { return Ok(Exit::CouldNot.into()) };
    let folders = [cluster.program_dir(), newest_build(&workspace::target()?)];
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"));
    terminal::say(format_args!("export KUBECONFIG={}", quoted(&cluster.kubeconfig())));
    let [programs, own] = folders;
    terminal::say(format_args!("export PATH={}:{}:\"$PATH\"", quoted(&programs), quoted(&own)));
    Ok(Exit::Clean.into())
}

/// The profile's folder with the `orlop` that was built last; `debug` when there is none yet.
fn newest_build(target: &Path) -> PathBuf {
    let built = ["dist", "release", "debug"].map(|profile| target.join(profile));
    let age = |folder: &PathBuf| folder.join("orlop").metadata().and_then(|it| it.modified()).ok();
    let newest = built.into_iter().max_by_key(age).filter(|folder| age(folder).is_some());
    newest.unwrap_or_else(|| target.join("debug"))
}

fn load(asked: &Asked) -> anyhow::Result<ExitCode> {
    let Some(cluster) = attached(asked)? else { return Ok(Exit::CouldNot.into()) };
    for word in &asked.words {
        let archive = Path::new(word);
        let archive = archive.canonicalize().with_context(|| format!("cannot read {word:?}"))?;
        if told(cluster.load(&archive)).is_none() {
            return Ok(Exit::CouldNot.into());
        }
        let (nodes, path) = (cluster.nodes(), archive.display());
        terminal::say(format_args!("{path} is on {nodes} node(s) of {}", cluster.name()));
    }
    Ok(Exit::Clean.into())
}

fn logs(asked: &Asked) -> anyhow::Result<ExitCode> {
    let folder = testbed::cluster::state_dir().join(asked.name());
    let logs = testbed::cluster::logs(&folder);
    if logs.is_empty() {
        let error = TestbedError::NoCluster { name: asked.name().to_owned() };
        return Ok(told::<()>(Err(error)).map_or(Exit::CouldNot, |()| Exit::Clean).into());
    }
    let Some(word) = asked.words.first() else {
        for (component, path) in logs {
            terminal::say(format_args!("{component:<28}{}", path.display()));
        }
        return Ok(Exit::Clean.into());
    };
    let wanted = word.to_string_lossy();
    let Some((_, path)) = logs.iter().find(|(component, _)| *component == wanted) else {
        let known: Vec<&str> = logs.iter().map(|(component, _)| component.as_str()).collect();
        let near = model::nearest(&wanted, known.iter().copied());
        let meant = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
        return Err(UsageError::new(format!("there is no log `{wanted}`{meant}")).into());
    };
    let mut file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    std::io::copy(&mut file, &mut std::io::stdout()).context("cannot print the log")?;
    Ok(Exit::Clean.into())
}

fn attached(asked: &Asked) -> anyhow::Result<Option<Cluster>> {
    let cluster = Cluster::attach(asked.name())?;
    if cluster.is_none() {
        told::<()>(Err(TestbedError::NoCluster { name: asked.name().to_owned() }));
    }
    Ok(cluster)
}

/// The value, or nothing after the error was printed with its hint.
fn told<T>(result: Result<T, TestbedError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let hint: Option<Hint> = error.hint();
            terminal::warn(model::report(&error, hint));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_flag_that_the_verb_would_ignore_is_refused() {
        assert_eq!(refused(&["down", "--audit"]), "`cluster down` takes no --audit");
        assert_eq!(refused(&["up", "file.tar"]), "`cluster up` takes no further words");
        assert_eq!(refused(&["env", "-o", "json"]), "`cluster env` takes no --output json");
        assert_eq!(refused(&["up", "--nodes", "4"]), "--nodes can be 1 to 3");
        assert!(refused(&["up", "--nodes", "1", "--control-plane"]).contains("no nodes"));
        assert_eq!(refused(&["up", "--nodes", "3", "--audit", "--name", "a"]), "");
    }

    #[test]
    fn an_unknown_verb_names_the_nearest_one() {
        assert_eq!(refused(&["dwon"]), "cluster has no verb `dwon`: did you mean `down`?");
        assert!(refused(&[]).starts_with("cluster needs a verb: up, down"));
    }
}
