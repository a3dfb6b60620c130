//! Who is told what happens to a GitSync: receivers of signed webhooks, and forges that show the
//! status of a commit.

use super::LocalRef;
use super::valid::{SpecProblem, Tenancy, URL_BYTES_MAX, is_object_name};
use serde::{Deserialize, Serialize};

/// Receivers of one GitSync.
pub const NOTIFY_MAX: usize = 8;
/// Bytes of a repository's path.
pub const REPOSITORY_BYTES_MAX: usize = 1024;
/// The key of a receiver's Secret: the token of a forge, or the key that a webhook is signed with.
pub const NOTIFY_KEY: &str = "token";
/// The key of the certificates, in PEM, that a receiver's own must be of instead of the system's.
pub const NOTIFY_CA_KEY: &str = "ca.crt";
/// Bytes of these certificates.
pub const NOTIFY_CA_BYTES_MAX: usize = 64 * 1024;
/// The API of GitHub unless told otherwise.
pub const GITHUB_URL_DEFAULT: &str = "https://api.github.com";
/// GitLab unless told otherwise.
pub const GITLAB_URL_DEFAULT: &str = "https://gitlab.com";

/// What kind of receiver it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyKind {
    /// Anything that takes a POST signed as Standard Webhooks say.
    #[default]
    Webhook,
    /// The status of a commit at GitHub.
    GitHub,
    /// The status of a commit at GitLab.
    GitLab,
    /// The status of a commit at Gitea or Forgejo.
    Gitea,
}

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyEvent {
    /// A revision is being applied, or it is applied and not healthy yet.
    Progressing,
    /// A revision is applied, and everything is healthy.
    Succeeded,
    /// A revision was refused, or could not be applied.
    Failed,
    /// A revision is applied, and objects of it are degraded or late.
    Degraded,
    /// Live objects differ from the tree.
    Drift,
}

impl NotifyEvent {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Progressing, Self::Succeeded, Self::Failed, Self::Degraded, Self::Drift];

    /// Its name, as specs and receivers see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Progressing => "progressing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Degraded => "degraded",
            Self::Drift => "drift",
        }
    }
}

/// One receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Notify {
    /// What kind of receiver it is.
    pub kind: NotifyKind,
    /// The receiver of a webhook, or the base of a forge's API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The Secret that holds token or signing key, under [`NOTIFY_KEY`], and, for a receiver that
    /// the system does not trust, its authority under [`NOTIFY_CA_KEY`].
    pub secret_ref: LocalRef,
    /// The repository at the forge, `owner/name`; that of `source.url` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// What is told; everything when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<NotifyEvent>,
}

impl Notify {
    /// Whether an event is told. A forge has no word for drift: it is about the cluster, not
    /// about the commit.
    #[must_use]
    pub fn wants(&self, event: NotifyEvent) -> bool {
        let known = self.kind == NotifyKind::Webhook || event != NotifyEvent::Drift;
        known && (self.events.is_empty() || self.events.contains(&event))
    }

    /// Where requests go: the receiver itself, or the base of a forge's API without a slash at
    /// its end.
    #[must_use]
    pub fn base(&self) -> &str {
        let default = match self.kind {
            NotifyKind::GitHub => GITHUB_URL_DEFAULT,
            NotifyKind::GitLab => GITLAB_URL_DEFAULT,
            NotifyKind::Webhook | NotifyKind::Gitea => "",
        };
        let url = self.url.as_deref().unwrap_or(default);
        if self.kind == NotifyKind::Webhook { url } else { url.trim_end_matches('/') }
    }

    /// The repository's path at the forge, with the URL of the source as the default.
    #[must_use]
    pub fn repository(&self, source: &str) -> Option<String> {
        let named = self.repository.as_deref();
        let path = named.or_else(|| path_of(source))?.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        (!path.is_empty()).then(|| path.to_owned())
    }
}

/// The path of a repository's URL.
fn path_of(url: &str) -> Option<&str> {
    match url.split_once("://") {
        Some((_, rest)) => Some(rest.split(['?', '#']).next()?.split_once('/')?.1),
        None => Some(url.split_once(':')?.1),
    }
}

/// What is wrong with the receivers of a spec; `source` is the URL of its tree.
pub(super) fn check(
    list: &[Notify],
    source: &str,
    tenancy: Tenancy,
    problems: &mut Vec<SpecProblem>,
) {
    if list.len() > NOTIFY_MAX {
        problems.push(SpecProblem::new("spec.notify", "has more than 8 entries"));
    }
    for (index, one) in list.iter().enumerate() {
        let field = |name: &str| format!("spec.notify[{index}].{name}");
        if one.base().is_empty() {
            let problem = "is missing: only GitHub and GitLab have a usual address";
            problems.push(SpecProblem::new(field("url"), problem));
        } else if let Err(problem) = address(one.base(), tenancy) {
            problems.push(SpecProblem::new(field("url"), problem));
        }
        if !is_object_name(&one.secret_ref.name) {
            problems.push(SpecProblem::new(field("secretRef.name"), "is no name of an object"));
        }
        if one.kind == NotifyKind::Webhook {
            if one.repository.is_some() {
                let problem = "is for the status of a commit; a webhook has none";
                problems.push(SpecProblem::new(field("repository"), problem));
            }
            continue;
        }
        let deep = one.kind == NotifyKind::GitLab;
        let path = one.repository(source).unwrap_or_default();
        let parts = path.split('/').count();
        let empty = path.split('/').any(|part| ["", ".", ".."].contains(&part));
        let fits = if deep { parts >= 2 } else { parts == 2 };
        if empty || !fits || path.len() > REPOSITORY_BYTES_MAX || path.contains(char::is_control) {
            let problem = SpecProblem::new(field("repository"), "must be `owner/name`");
            problems.push(problem.hint("without one, the path of `source.url` is taken"));
        }
    }
}

/// Why an address cannot be told anything.
fn address(url: &str, tenancy: Tenancy) -> Result<(), &'static str> {
    if url.len() > URL_BYTES_MAX {
        return Err("is longer than 2,048 bytes");
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("has a space or a control character in it");
    }
    let (scheme, rest) = url.split_once("://").ok_or("is no URL of http or https")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("has credentials in it: put them into the Secret of `secretRef`");
    }
    match scheme {
        _ if authority.is_empty() => Err("names no host"),
        "http" if tenancy == Tenancy::Multi => Err("must be https"),
        "http" | "https" => Ok(()),
        _ => Err("is no URL of http or https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Valid;

    fn one(kind: NotifyKind, url: Option<&str>) -> Notify {
        Notify {
            kind,
            url: url.map(str::to_owned),
            secret_ref: LocalRef { name: "s".to_owned() },
            ..Notify::default()
        }
    }

    fn wrong(list: Vec<Notify>) -> Vec<String> {
        let valid = Valid::for_test().with(|spec| {
            spec.source.url = "https://git.example/team/shop.git".to_owned();
            spec.notify = list;
        });
        let problems = valid.err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_receiver_has_an_address_a_secret_and_a_repository_that_its_kind_can_use() {
        let hook = || one(NotifyKind::Webhook, Some("https://chat.example/hook"));
        assert_eq!(wrong(vec![hook(); NOTIFY_MAX]), [""; 0]);
        assert_eq!(wrong(vec![hook(); NOTIFY_MAX + 1]).len(), 1);
        assert_eq!(wrong(vec![one(NotifyKind::GitHub, None)]), [""; 0]);
        assert_eq!(wrong(vec![one(NotifyKind::GitLab, None)]), [""; 0]);
        for bad in [
            one(NotifyKind::Webhook, None),
            one(NotifyKind::Gitea, None),
            one(NotifyKind::Webhook, Some("ftp://chat.example/")),
            one(NotifyKind::Webhook, Some("https:///hook")),
            one(NotifyKind::Webhook, Some("https://a b/")),
            Notify { secret_ref: LocalRef::default(), ..hook() },
            Notify { repository: Some("a/b".into()), ..hook() },
            Notify { repository: Some("a/b/c".into()), ..one(NotifyKind::GitHub, None) },
            Notify { repository: Some("../b".into()), ..one(NotifyKind::GitLab, None) },
        ] {
            assert_eq!(wrong(vec![bad.clone()]).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn gitops_15_an_address_with_credentials_is_refused_and_not_repeated() {
        let problems = wrong(vec![one(NotifyKind::Webhook, Some("https://u:hunter2@h/"))]);
        assert_eq!(problems.len(), 1);
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }

    #[test]
    fn teams_may_tell_over_https_only() {
        assert!(address("http://127.0.0.1:1/", Tenancy::Single).is_ok());
        assert!(address("http://127.0.0.1:1/", Tenancy::Multi).is_err());
        assert!(address("https://h/", Tenancy::Multi).is_ok());
    }

    #[test]
    fn the_repository_is_that_of_the_source_unless_told_otherwise() {
        let hub = one(NotifyKind::GitHub, None);
        for url in [
            "https://git.example/team/shop.git",
            "ssh://git@git.example:22/team/shop",
            "git@git.example:team/shop.git",
        ] {
            assert_eq!(hub.repository(url).as_deref(), Some("team/shop"), "{url}");
        }
        let other = Notify { repository: Some("a/b".into()), ..hub };
        assert_eq!(other.repository("https://h/team/shop").as_deref(), Some("a/b"));
    }

    #[test]
    fn a_forge_is_told_no_drift_and_a_list_of_events_limits_both() {
        let hub = one(NotifyKind::GitHub, None);
        assert!(!hub.wants(NotifyEvent::Drift) && hub.wants(NotifyEvent::Failed));
        let mut hook = one(NotifyKind::Webhook, Some("https://h/"));
        assert!(NotifyEvent::ALL.into_iter().all(|event| hook.wants(event)));
        hook.events = vec![NotifyEvent::Drift];
        assert!(hook.wants(NotifyEvent::Drift) && !hook.wants(NotifyEvent::Failed));
    }
}
