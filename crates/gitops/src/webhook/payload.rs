//! What an authentic body says: which repository, which references, from which commit to which.
//!
//! Only the fields that are needed are kept; everything else is skipped while reading. Texts are
//! bounded, commits are checked, and what does not fit is left out rather than believed.

use super::{Address, Authentic, CHANGES_MAX, WebhookError};
use crate::spec::{Reference, WebhookProvider};
use serde::Deserialize;

/// Bytes of a reference's name.
const REFERENCE_BYTES_MAX: usize = 255;
/// Bytes of a pusher's name.
const PUSHER_BYTES_MAX: usize = 128;
/// Bytes of an error of the JSON reader.
const ERROR_BYTES_MAX: usize = 200;

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// References changed.
    Push(Push),
    /// The sender tries out whether we are there.
    Ping,
    /// A generic sender says that there is news, and not where.
    Nudge,
    /// Something that is not about references.
    Other(String),
}

/// References of one repository changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Who told.
    pub provider: WebhookProvider,
    /// Which repository.
    pub repository: Repository,
    /// What changed, at most [`CHANGES_MAX`].
    pub changes: Vec<RefChange>,
    /// Whether there were more changes; then any reference may have changed.
    pub more: bool,
    /// Who pushed, as the server calls them.
    pub pusher: Option<String>,
}

/// A repository, as far as the sender told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repository {
    addresses: Vec<Address>,
    /// The end of its path, when no URL was told.
    path: Option<String>,
}

impl Repository {
    fn new<'a>(urls: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut addresses: Vec<Address> =
            urls.into_iter().flatten().filter_map(Address::parse).collect();
        addresses.sort();
        addresses.dedup();
        Self { addresses, path: None }
    }

    /// Whether a URL names this repository.
    #[must_use]
    pub fn matches(&self, url: &str) -> bool {
        let Some(address) = Address::parse(url) else { return false };
        match &self.path {
            Some(path) if self.addresses.is_empty() => address.ends_with(path),
            _ => self.addresses.contains(&address),
        }
    }

    fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.path.is_none()
    }
}

/// What kind of reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefKind {
    /// `refs/heads/`.
    Branch,
    /// `refs/tags/`.
    Tag,
}

/// One reference that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefChange {
    /// Branch or tag; there may be both of one name.
    pub kind: RefKind,
    /// The short name.
    pub name: String,
    /// The commit before; none when it is new or not told.
    pub before: Option<String>,
    /// The commit now; none when it is gone or not told. For an annotated tag some servers tell
    /// the tag's own id.
    pub after: Option<String>,
    /// Whether it is gone.
    pub deleted: bool,
}

impl Push {
    /// The change that a GitSync with this URL and reference should look at, if there is one.
    #[must_use]
    pub fn concerns(&self, url: &str, reference: &Reference) -> Option<Concern<'_>> {
        if !self.repository.matches(url) {
            return None;
        }
        let change = self.changes.iter().find(|change| match reference {
            Reference::Branch(name) => change.kind == RefKind::Branch && change.name == *name,
            Reference::Tag(name) => change.kind == RefKind::Tag && change.name == *name,
            Reference::Semver(_) => change.kind == RefKind::Tag,
            Reference::Commit(id) => change.after.as_deref() == Some(id),
        });
        match change {
            Some(change) => {
                let exact = matches!(reference, Reference::Branch(_));
                Some(Concern { change: Some(change), exact })
            }
            None => self.more.then_some(Concern { change: None, exact: false }),
        }
    }
}

/// Why a push is of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concern<'a> {
    /// The change; none when too many changed to list them.
    pub change: Option<&'a RefChange>,
    exact: bool,
}

impl Concern<'_> {
    /// The commit that the reference names now, for [`crate::decide::Push::revision`]: known for
    /// a branch that was told alone.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        self.change.filter(|_| self.exact)?.after.as_deref()
    }
}

impl Authentic<'_> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`WebhookError::Unreadable`] when a push lacks what makes it one.
    pub fn read(&self) -> Result<Event, WebhookError> {
        let event = self.event();
        match self.provider() {
            WebhookProvider::GitHub
            | WebhookProvider::Gitea
            | WebhookProvider::Forgejo
            | WebhookProvider::Gogs => match event {
                "push" | "create" | "delete" => self.hub(event).map(Event::Push),
                "ping" => Ok(Event::Ping),
                other => Ok(Event::Other(other.to_owned())),
            },
            WebhookProvider::GitLab => match event {
                "Push Hook" | "Tag Push Hook" | "System Hook" => self.gitlab(),
                other => Ok(Event::Other(other.to_owned())),
            },
            WebhookProvider::Bitbucket => match event {
                "repo:push" => self.bitbucket_cloud().map(Event::Push),
                "repo:refs_changed" => self.bitbucket_server().map(Event::Push),
                "diagnostics:ping" => Ok(Event::Ping),
                other => Ok(Event::Other(other.to_owned())),
            },
            WebhookProvider::Generic => self.generic(),
        }
    }

    fn json<'d, T: Deserialize<'d>>(&'d self) -> Result<T, WebhookError> {
        from_json(self.body())
    }

    /// The shape that GitHub and those that follow it share.
    fn hub(&self, event: &str) -> Result<Push, WebhookError> {
        let form = self.body().strip_prefix(b"payload=").map(unform);
        let hub: Hub = from_json(form.as_deref().unwrap_or(self.body()))?;
        let repository = &hub.repository;
        let urls =
            [&repository.clone_url, &repository.ssh_url, &repository.git_url, &repository.html_url];
        let kind = match (event, hub.ref_type.as_deref()) {
            ("push", _) => None,
            (_, Some("branch")) => Some(RefKind::Branch),
            (_, Some("tag")) => Some(RefKind::Tag),
            _ => return Err(unreadable("it names no kind of reference")),
        };
        let deleted = event == "delete" || hub.deleted;
        let name = hub.r#ref.as_deref().unwrap_or_default();
        let change = change(name, kind, hub.before.as_deref(), hub.after.as_deref(), deleted);
        let pusher = hub.pusher.unwrap_or_default();
        let pusher = pusher.name.or(pusher.login).or(pusher.username);
        let urls = urls.into_iter().map(Option::as_deref);
        self.push(Repository::new(urls), change.into_iter().collect(), false, pusher)
    }

    fn gitlab(&self) -> Result<Event, WebhookError> {
        let lab: Lab = self.json()?;
        // System hooks name their event elsewhere.
        let kind = lab.object_kind.as_deref().or(lab.event_name.as_deref()).unwrap_or_default();
        if !matches!(kind, "push" | "tag_push") {
            return Ok(Event::Other(bounded(kind, PUSHER_BYTES_MAX)));
        }
        let (project, repository) = (&lab.project, &lab.repository);
        let urls = [
            &project.git_http_url,
            &project.git_ssh_url,
            &project.web_url,
            &repository.git_http_url,
            &repository.git_ssh_url,
        ];
        // For a tag `after` is the tag's id and this one the commit.
        let after = lab.checkout_sha.as_deref().or(lab.after.as_deref());
        let name = lab.r#ref.as_deref().unwrap_or_default();
        let change = change(name, None, lab.before.as_deref(), after, false);
        let change = change.map(|mut change| {
            change.deleted |= lab.after.as_deref().is_some_and(is_zero);
            change
        });
        let repository = Repository::new(urls.into_iter().map(Option::as_deref));
        let pusher = lab.user_username.or(lab.user_name);
        self.push(repository, change.into_iter().collect(), false, pusher).map(Event::Push)
    }

    fn bitbucket_cloud(&self) -> Result<Push, WebhookError> {
        let cloud: Cloud = self.json()?;
        let mut changes = Vec::new();
        for entry in cloud.push.changes.iter().take(CHANGES_MAX) {
            let side = entry.new.as_ref().or(entry.old.as_ref());
            let kind = match side.map(|side| side.r#type.as_str()) {
                Some("branch" | "named_branch") => RefKind::Branch,
                Some("tag" | "annotated_tag") => RefKind::Tag,
                _ => continue,
            };
            let hash = |side: &Option<CloudRef>| side.as_ref().map(|side| side.target.hash.clone());
            let (before, after) = (hash(&entry.old), hash(&entry.new));
            let name = side.map_or("", |side| side.name.as_str());
            let (before, after) = (before.as_deref(), after.as_deref());
            changes.extend(change(name, Some(kind), before, after, entry.new.is_none()));
        }
        let links = &cloud.repository.links;
        let mut repository = Repository::new([links.html.href.as_deref()]);
        repository.path = cloud.repository.full_name;
        let more = cloud.push.changes.len() > CHANGES_MAX;
        let actor = cloud.actor.unwrap_or_default();
        self.push(repository, changes, more, actor.nickname.or(actor.display_name))
    }

    fn bitbucket_server(&self) -> Result<Push, WebhookError> {
        let server: Server = self.json()?;
        let mut changes = Vec::new();
        for entry in server.changes.iter().take(CHANGES_MAX) {
            let deleted = entry.r#type == "DELETE";
            let (before, after) = (entry.from_hash.as_deref(), entry.to_hash.as_deref());
            changes.extend(change(&entry.r#ref.id, None, before, after, deleted));
        }
        let ServerRepository { slug, project, links } = &server.repository;
        let urls = links.clone.iter().take(CHANGES_MAX).map(|link| link.href.as_deref());
        let mut repository = Repository::new(urls);
        if !slug.is_empty() && !project.key.is_empty() {
            repository.path = Some(format!("{}/{slug}", project.key));
        }
        let more = server.changes.len() > CHANGES_MAX;
        let actor = server.actor.unwrap_or_default();
        self.push(repository, changes, more, actor.name)
    }

    /// `{"url": …, "ref": …, "before": …, "after": …}`, all of it optional; an empty body says
    /// only that there is news.
    fn generic(&self) -> Result<Event, WebhookError> {
        if self.body().trim_ascii().is_empty() {
            return Ok(Event::Nudge);
        }
        let plain: Plain = self.json()?;
        let repository = Repository::new([plain.url.as_deref(), plain.repository.as_deref()]);
        if repository.is_empty() {
            return Ok(Event::Nudge);
        }
        let after = plain.after.as_deref().or(plain.revision.as_deref());
        let change = plain
            .r#ref
            .as_deref()
            .and_then(|name| change(name, None, plain.before.as_deref(), after, plain.deleted));
        let more = change.is_none();
        let changes = change.into_iter().collect();
        self.push(repository, changes, more, plain.pusher).map(Event::Push)
    }

    fn push(
        &self,
        repository: Repository,
        changes: Vec<RefChange>,
        more: bool,
        pusher: Option<String>,
    ) -> Result<Push, WebhookError> {
        if repository.is_empty() {
            return Err(unreadable("it names no repository"));
        }
        let pusher = pusher.map(|name| bounded(&name, PUSHER_BYTES_MAX));
        Ok(Push { provider: self.provider(), repository, changes, more, pusher })
    }
}

fn from_json<'d, T: Deserialize<'d>>(body: &'d [u8]) -> Result<T, WebhookError> {
    serde_json::from_slice(body)
        .map_err(|error| WebhookError::Unreadable(bounded(&error.to_string(), ERROR_BYTES_MAX)))
}

fn unreadable(problem: &str) -> WebhookError {
    WebhookError::Unreadable(problem.to_owned())
}

/// A change, when its name is one. `kind` is for senders that tell short names; a full name
/// without `refs/heads/` or `refs/tags/` (notes, reviews) is of no interest.
fn change(
    name: &str,
    kind: Option<RefKind>,
    before: Option<&str>,
    after: Option<&str>,
    deleted: bool,
) -> Option<RefChange> {
    let (kind, short) = match (name.strip_prefix("refs/heads/"), name.strip_prefix("refs/tags/")) {
        (Some(short), _) => (RefKind::Branch, short),
        (_, Some(short)) => (RefKind::Tag, short),
        _ => (kind?, name),
    };
    let fits = !short.is_empty() && short.len() <= REFERENCE_BYTES_MAX;
    if !fits || short.chars().any(char::is_control) {
        return None;
    }
    let deleted = deleted || after.is_some_and(is_zero);
    let after = after.filter(|_| !deleted).and_then(commit);
    Some(RefChange {
        kind,
        name: short.to_owned(),
        before: before.and_then(commit),
        after,
        deleted,
    })
}

/// A commit id in lower case; none for the zeroes that stand for no commit.
fn commit(text: &str) -> Option<String> {
    let hex = [40, 64].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && !is_zero(text)).then(|| text.to_ascii_lowercase())
}

fn is_zero(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b == b'0')
}

fn bounded(text: &str, bytes_max: usize) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let end = clean.floor_char_boundary(bytes_max);
    clean.get(..end).unwrap_or_default().to_owned()
}

/// The value of a form's field: `+` is a blank, `%2F` a byte. The rest of the form is left out.
fn unform(value: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'&' => break,
            b'+' => bytes.push(b' '),
            b'%' => {
                let pair = behind.split_first_chunk::<2>();
                match pair.and_then(|([h, l], tail)| Some((digit(h)? << 4 | digit(l)?, tail))) {
                    Some((byte, tail)) => {
                        bytes.push(byte);
                        rest = tail;
                    }
                    None => bytes.push(b'%'),
                }
            }
            other => bytes.push(*other),
        }
    }
    bytes
}

#[derive(Deserialize)]
struct Hub {
    r#ref: Option<String>,
    ref_type: Option<String>,
    before: Option<String>,
    after: Option<String>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    repository: HubRepository,
    pusher: Option<HubPusher>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HubRepository {
    clone_url: Option<String>,
    ssh_url: Option<String>,
    git_url: Option<String>,
    html_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HubPusher {
    name: Option<String>,
    login: Option<String>,
    username: Option<String>,
}

#[derive(Deserialize)]
struct Lab {
    object_kind: Option<String>,
    event_name: Option<String>,
    r#ref: Option<String>,
    before: Option<String>,
    after: Option<String>,
    checkout_sha: Option<String>,
    user_username: Option<String>,
    user_name: Option<String>,
    #[serde(default)]
    project: LabProject,
    #[serde(default)]
    repository: LabProject,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LabProject {
    git_http_url: Option<String>,
    git_ssh_url: Option<String>,
    web_url: Option<String>,
}

#[derive(Deserialize)]
struct Cloud {
    push: CloudPush,
    repository: CloudRepository,
    actor: Option<CloudActor>,
}

#[derive(Deserialize)]
struct CloudPush {
    changes: Vec<CloudChange>,
}

#[derive(Deserialize)]
struct CloudChange {
    new: Option<CloudRef>,
    old: Option<CloudRef>,
}

#[derive(Deserialize)]
struct CloudRef {
    r#type: String,
    name: String,
    #[serde(default)]
    target: CloudTarget,
}

#[derive(Deserialize, Default)]
struct CloudTarget {
    #[serde(default)]
    hash: String,
}

#[derive(Deserialize)]
struct CloudRepository {
    full_name: Option<String>,
    #[serde(default)]
    links: CloudLinks,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CloudLinks {
    html: Link,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Link {
    href: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CloudActor {
    nickname: Option<String>,
    display_name: Option<String>,
}

#[derive(Deserialize)]
struct Server {
    changes: Vec<ServerChange>,
    repository: ServerRepository,
    actor: Option<ServerActor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerChange {
    r#ref: ServerRef,
    from_hash: Option<String>,
    to_hash: Option<String>,
    #[serde(default)]
    r#type: String,
}

#[derive(Deserialize)]
struct ServerRef {
    id: String,
}

#[derive(Deserialize)]
struct ServerRepository {
    #[serde(default)]
    slug: String,
    #[serde(default)]
    project: ServerProject,
    #[serde(default)]
    links: ServerLinks,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ServerProject {
    key: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ServerLinks {
    clone: Vec<Link>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ServerActor {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Plain {
    url: Option<String>,
    repository: Option<String>,
    r#ref: Option<String>,
    before: Option<String>,
    after: Option<String>,
    revision: Option<String>,
    deleted: bool,
    pusher: Option<String>,
}
