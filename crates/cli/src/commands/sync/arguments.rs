//! The flags that the verbs of `orlop sync` share, and how flags, config file and environment
//! become what the delivery floor takes. A secret can come from the environment or a file only.

use crate::config::{Concurrency, Config, Force, PruneLimit};
use crate::host::Host;
use crate::terminal::OutputFormat;
use crate::{CliError, environment};
use clap::{Args, ValueHint};
use delivery::{DeliveryOptions, ServiceAccountName, Source};
use model::Span;
use objects::GroupKind;
use repo::{Credentials, Fetch, Reference, RepoUrl, Secret};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use sync::plan::PlanOptions;
use sync::{DeliveryName, IgnoreRule};

/// Where fetched repositories are kept, below `$XDG_CACHE_HOME` or `~/.cache`.
const CACHE_PATH: &str = "orlop/git";

/// In which form the result is printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Form of the output
    #[arg(short = 'o', long = "output", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: OutputFormat,
}

/// Which tree.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceArgs {
    /// Folder or file with manifests
    #[arg(
        value_name = "DIR",
        value_hint = ValueHint::AnyPath,
        required_unless_present = "git",
        help_heading = None
    )]
    dir: Option<PathBuf>,
    /// Git repository: https, http, ssh or a local path; never with a password in it
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    git: Option<String>,
    /// Branch, tag or commit [default: the repository's default branch]
    #[arg(long = "ref", value_name = "REF", conflicts_with = "dir")]
    reference: Option<String>,
    /// Folder inside the repository
    #[arg(long, value_name = "DIR", conflicts_with = "dir")]
    path: Option<String>,
    /// Private key for ssh
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "dir")]
    git_ssh_key: Option<PathBuf>,
    /// Known host keys for ssh
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "dir")]
    known_hosts: Option<PathBuf>,
    /// Certificate authorities for https, in PEM, beside the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "dir")]
    git_ca: Option<PathBuf>,
}

/// Which cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod's service account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Longest time for one request [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<Span>,
    /// Requests under way at once, 1 to 256 [default: 16]
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<Concurrency>,
}

/// Which delivery.
#[derive(Debug, Args)]
#[command(next_help_heading = "Delivery")]
pub(crate) struct DeliveryArgs {
    /// Name of the delivery [default: the name of the folder or of the repository]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Namespace of objects that name none [default: the context's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Namespace of the inventory [default: as --namespace]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) inventory_namespace: Option<String>,
    /// Act as this service account: everything that is read and written
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(crate) as_service_account: Option<ServiceAccountName>,
}

/// What may be changed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Changes")]
pub(crate) struct ChangeArgs {
    /// Take fields that other field managers own
    #[arg(long)]
    pub(crate) force_conflicts: bool,
    /// Leave fields to others, as in Deployment.apps:/spec/replicas or *:manager=NAME: neither
    /// shown nor overwritten; may be repeated
    #[arg(long, value_name = "KIND[.GROUP][/NAMESPACE/NAME]:POINTER")]
    pub(crate) ignore: Vec<IgnoreRule>,
    /// Whether an object that cannot be changed in place is deleted and made again; annotated is
    /// one with orlop.dev/force: recreate. Never a Namespace, a definition, a volume or its claim
    /// [default: annotated]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) force_recreate: Option<Force>,
    /// Delete objects that left the tree
    #[arg(long)]
    pub(crate) prune: bool,
    /// Prune at most so many objects, or such a share of the inventory; may be given for each
    /// [default: 100 and 50%]
    #[arg(long, value_name = "N|N%")]
    pub(crate) prune_limit: Vec<PruneLimit>,
    /// Prune also when the tree is empty
    #[arg(long)]
    pub(crate) prune_empty: bool,
    /// Prune last, when what was delivered is healthy
    #[arg(long)]
    pub(crate) prune_last: bool,
    /// Prune objects of this guarded kind, as in Namespace; may be repeated
    #[arg(long, value_name = "KIND[.GROUP]")]
    pub(crate) prune_kind: Vec<String>,
}

impl SourceArgs {
    /// The source, with credentials from the environment.
    pub(crate) fn source(&self, host: &Host) -> Result<Source, CliError> {
        let Some(url) = &self.git else {
            return Ok(Source::Directory(self.dir.clone().unwrap_or_default()));
        };
        if holds_credentials(url) {
            return Err(CliError::usage(
                "--git holds credentials, which every user of this machine can read",
                "leave them out of the URL and set ORLOP_GIT_USERNAME and ORLOP_GIT_PASSWORD",
            ));
        }
        let usage = |error: &repo::RepoError| CliError::Usage {
            message: error.to_string(),
            hint: model::Explain::hint(error),
        };
        let url = RepoUrl::parse(url).map_err(|error| usage(&error))?;
        let reference = Reference::parse(self.reference.as_deref().unwrap_or_default())
            .map_err(|error| usage(&error))?;
        let mut fetch = Fetch::new(url, reference);
        fetch.path = self.path.clone().unwrap_or_default();
        fetch.credentials = credentials(host)?;
        fetch.ca_file = self.git_ca.clone();
        fetch.ssh.identity_file = self.git_ssh_key.clone();
        fetch.ssh.known_hosts = self.known_hosts.clone();
        Ok(Source::Git { fetch: Box::new(fetch), cache: cache_dir(host)? })
    }

    /// The last part of the folder's or repository's path, as a delivery's name.
    fn base_name(&self) -> Option<DeliveryName> {
        let base = match (&self.git, &self.dir) {
            (Some(url), _) => {
                let path = url.trim_end_matches('/');
                let last = path.rsplit(['/', ':']).next().unwrap_or_default();
                last.strip_suffix(".git").unwrap_or(last).to_owned()
            }
            (None, Some(dir)) => {
                let whole = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
                let stem = if whole.is_file() { whole.file_stem() } else { whole.file_name() };
                stem?.to_string_lossy().into_owned()
            }
            (None, None) => return None,
        };
        let usable = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = base.chars().map(usable).take(sync::name::NAME_CHARS_MAX).collect();
        name.trim_matches('-').parse().ok()
    }
}

/// User names are fine for ssh; for http and https even a user name may be a token.
fn holds_credentials(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) => scheme.to_ascii_lowercase().starts_with("http") || user.contains(':'),
        None => false,
    }
}

fn credentials(host: &Host) -> Result<Option<Credentials>, CliError> {
    let file = host.environment.path(environment::GIT_PASSWORD_FILE);
    let secret = match file {
        Some(path) => {
            Some(Secret::from_file(&path).map_err(|error| CliError::Credential(Box::new(error)))?)
        }
        None => host.environment.get(environment::GIT_PASSWORD).map(Secret::new),
    };
    Ok(secret.map(|secret| match host.environment.get(environment::GIT_USERNAME) {
        Some(user) => Credentials::new(user, secret),
        None => Credentials::token(secret),
    }))
}

pub(super) fn cache_dir(host: &Host) -> Result<PathBuf, CliError> {
    let variables = &host.environment;
    variables
        .path(environment::CACHE_DIR)
        .or_else(|| Some(variables.path("XDG_CACHE_HOME")?.join(CACHE_PATH)))
        .or_else(|| Some(variables.path("HOME")?.join(".cache").join(CACHE_PATH)))
        .ok_or_else(|| {
            CliError::usage("there is no folder for fetched repositories", "set ORLOP_CACHE_DIR")
        })
}

/// Puts flags over the config file over the defaults.
pub(crate) struct Settings {
    /// For the connection.
    pub(crate) connect: cluster::ConnectOptions,
    /// The namespace that flags or config name; else the context's.
    pub(crate) namespace: Option<String>,
    /// The inventory's namespace, when it is another.
    pub(crate) inventory_namespace: Option<String>,
    /// The name that flags or config give.
    pub(crate) name: Option<DeliveryName>,
    /// Who is acted as.
    pub(crate) act_as: Option<ServiceAccountName>,
}

impl Settings {
    /// For verbs that look at a cluster.
    pub(crate) fn new(
        cluster: &ClusterArgs,
        delivery: Option<&DeliveryArgs>,
        config: &Config,
    ) -> Result<Self, CliError> {
        let defaults = &config.sync;
        let mut connect = cluster::ConnectOptions {
            kubeconfig: cluster.kubeconfig.clone().or_else(|| defaults.kubeconfig.clone()),
            context: cluster.context.clone().or_else(|| defaults.context.clone()),
            ..cluster::ConnectOptions::default()
        };
        if let Some(Span(timeout)) = cluster.timeout.or(defaults.timeout) {
            connect.request_timeout = timeout;
            connect.connect_timeout = connect.connect_timeout.min(timeout);
            connect.tries_total = connect.tries_total.min(timeout * 2);
        }
        if let Some(Concurrency(requests)) = cluster.concurrency.or(defaults.concurrency) {
            connect.in_flight_max = requests;
        }
        let name = match delivery.and_then(|args| args.name.as_deref()) {
            Some(text) => Some(parse_name(text)?),
            None => defaults.name.clone(),
        };
        Ok(Self {
            connect,
            namespace: delivery
                .and_then(|args| args.namespace.clone())
                .or_else(|| defaults.namespace.clone()),
            inventory_namespace: delivery.and_then(|args| args.inventory_namespace.clone()),
            name,
            act_as: delivery
                .and_then(|args| args.as_service_account.clone())
                .or_else(|| defaults.as_service_account.clone()),
        })
    }

    /// The name that was given, else one made of the source's; the flag says which.
    pub(crate) fn name_for(&self, source: &SourceArgs) -> Result<(DeliveryName, bool), CliError> {
        if let Some(name) = &self.name {
            return Ok((name.clone(), false));
        }
        let made = source.base_name().ok_or_else(|| {
            CliError::usage(
                "the source's path does not make a name for the delivery",
                "give one with --name",
            )
        })?;
        Ok((made, true))
    }

    /// The options of the delivery floor.
    pub(crate) fn options(&self, name: DeliveryName, context_namespace: &str) -> DeliveryOptions {
        let mut options = DeliveryOptions::new(name);
        options.namespace = self.namespace.clone().unwrap_or_else(|| context_namespace.to_owned());
        options.inventory_namespace = self.inventory_namespace.clone();
        options.concurrency = self.connect.in_flight_max;
        options.act_as = self.act_as.clone();
        options
    }
}

/// A name from the command line.
pub(crate) fn parse_name(text: &str) -> Result<DeliveryName, CliError> {
    text.parse().map_err(|error: sync::name::NameError| CliError::Usage {
        message: error.to_string(),
        hint: model::Explain::hint(&error),
    })
}

impl ChangeArgs {
    /// Writes what may be changed into the options.
    pub(crate) fn put(&self, options: &mut DeliveryOptions, config: &Config) {
        options.force_conflicts = self.force_conflicts;
        options.prune = self.prune || config.sync.prune.unwrap_or(false);
        options.prune_last = self.prune_last;
        options.ignore = config.sync.ignore.iter().flatten().chain(&self.ignore).cloned().collect();
        if let Some(force) = self.force_recreate.or(config.sync.force_recreate) {
            options.force_recreate = force.into();
        }
        options.guards.allow_empty = self.prune_empty;
        options.guards.kinds = kinds(&self.prune_kind);
        for limit in config.sync.prune_limit.iter().chain(&self.prune_limit) {
            match *limit {
                PruneLimit::Objects(objects) => options.guards.objects_max = objects,
                PruneLimit::Percent(percent) => options.guards.percent_max = percent,
            }
        }
    }
}

/// Writes the options that a saved plan was made with, so that it is executed with the same.
pub(crate) fn put_saved(options: &mut DeliveryOptions, saved: &PlanOptions) {
    options.namespace = saved.namespace.clone();
    options.inventory_namespace = Some(saved.inventory_namespace.clone());
    options.prune = saved.prune;
    options.prune_last = saved.prune_last;
    // What this program wrote it can read again; an edited plan is refused by comparison.
    options.ignore = saved.ignore.iter().filter_map(|rule| rule.parse().ok()).collect();
    options.force_recreate = saved.force_recreate;
    options.act_as = saved.service_account.parse().ok();
    options.force_conflicts = saved.force_conflicts;
    options.guards.objects_max = saved.prune_objects_max;
    options.guards.percent_max = saved.prune_percent_max;
    options.guards.allow_empty = saved.prune_allow_empty;
    options.guards.kinds = kinds(&saved.prune_kinds);
}

/// `Kind` or `Kind.group`; the group of a guarded kind need not be written.
pub(crate) fn kinds(texts: &[String]) -> BTreeSet<GroupKind> {
    let kind = |text: &String| {
        let (kind, group) = text.split_once('.').unwrap_or((text, ""));
        let guarded = sync::guard::GUARDED_KINDS.iter().find(|(_, name)| *name == kind);
        let group = if group.is_empty() { guarded.map_or("", |(group, _)| group) } else { group };
        GroupKind::new(group, kind)
    };
    texts.iter().map(kind).collect()
}

/// How long to wait for health.
#[derive(Debug, Args)]
#[command(next_help_heading = "Waiting")]
pub(crate) struct WaitArgs {
    /// Do not wait until everything is healthy
    #[arg(long)]
    no_wait: bool,
    /// Longest wait for readiness and for health [default: 5m]
    #[arg(long, value_name = "DURATION", conflicts_with = "no_wait")]
    wait_timeout: Option<Span>,
}

impl WaitArgs {
    /// Writes the wait into the options.
    pub(crate) fn put(&self, options: &mut DeliveryOptions, config: &Config) {
        options.wait = !self.no_wait && config.sync.wait.unwrap_or(true);
        if let Some(Span(timeout)) = self.wait_timeout.or(config.sync.wait_timeout) {
            options.timeout = timeout.max(Duration::from_millis(1));
        }
    }
}

/// Reads a file that a flag named.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|source| CliError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::host;

    fn source(dir: Option<&str>, git: Option<&str>) -> SourceArgs {
        SourceArgs {
            dir: dir.map(PathBuf::from),
            git: git.map(str::to_owned),
            reference: None,
            path: None,
            git_ssh_key: None,
            known_hosts: None,
            git_ca: None,
        }
    }

    #[test]
    fn gitops_15_credentials_in_a_url_are_refused_without_repeating_them() {
        let host = host(&[("HOME", "/nonexistent")]);
        for url in [
            "https://user:canary@git.example/x.git",
            "https://canary@git.example/x.git",
            "HTTP://canary@git.example",
            "ssh://git:canary@git.example/x.git",
        ] {
            let error = source(None, Some(url)).source(&host).unwrap_err();
            assert_eq!(error.exit(), model::Exit::Usage, "{url}");
            assert!(!format!("{error:?} {error}").contains("canary"), "{url}");
        }
        for url in ["https://git.example/a@b.git", "ssh://git@git.example/x.git", "git@host:x.git"]
        {
            assert!(!holds_credentials(url), "{url}");
        }
    }

    #[test]
    fn a_delivery_is_named_after_its_folder_or_repository() {
        let name = |source: SourceArgs| source.base_name().map(|name| name.as_str().to_owned());
        let of_url = |url: &str| name(source(None, Some(url)));
        assert_eq!(of_url("https://git.example/team/Shop.git").as_deref(), Some("shop"));
        assert_eq!(of_url("git@host:my_web/").as_deref(), Some("my-web"));
        assert_eq!(of_url("https://git.example/---/"), None);
        assert_eq!(name(source(Some("/no/where/demo.d"), None)).as_deref(), Some("demo-d"));
    }

    #[test]
    fn a_saved_plan_brings_every_option_that_it_was_made_with() {
        let mut made = DeliveryOptions::new("shop".parse().unwrap());
        made.namespace = "a".to_owned();
        made.inventory_namespace = Some("b".to_owned());
        made.prune = true;
        made.force_conflicts = true;
        made.prune_last = true;
        made.ignore = vec!["Pod:/spec/x".parse().unwrap(), "*:manager=y".parse().unwrap()];
        made.force_recreate = sync::ForceRecreate::Always;
        made.act_as = Some("a/b".parse().unwrap());
        made.guards.objects_max = 3;
        made.guards.percent_max = 4;
        made.guards.allow_empty = true;
        made.guards.kinds = kinds(&["Namespace".to_owned(), "CustomResourceDefinition".to_owned()]);
        let mut later = DeliveryOptions::new("shop".parse().unwrap());
        put_saved(&mut later, &made.describe());
        assert_eq!(later, made);
    }

    #[test]
    fn a_password_file_wins_over_the_password_and_a_lone_password_is_a_token() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "from-file\n").unwrap();
        let variables = [
            (environment::GIT_PASSWORD, "from-variable"),
            (environment::GIT_PASSWORD_FILE, file.to_str().unwrap()),
        ];
        let found = credentials(&host(&variables)).unwrap().unwrap();
        assert_eq!(found.password.reveal(), "from-file");
        assert_eq!(found.username, repo::TOKEN_USERNAME);
        assert!(credentials(&host(&[])).unwrap().is_none());
    }
}
