//! The second stage of a spec: everything is checked, and only this is worked with.
//!
//! All problems are told at once, each with the path of its field. No message repeats what could
//! be a credential.

use super::policy::glob;
use super::{
    API_VERSION, Dependency, Engine, GitSync, HEALTH_TIMEOUT_MAX, INTERVAL_MAX, INTERVAL_MIN, KIND,
    KeySource, Spec, SyncKey, VerifyMode,
};
use crate::decide::graph::not_ready;
use crate::expression::Expression;
use crate::health::{self, HealthRules};
use model::Hint;
use objects::fields::FieldPointer;
use std::fmt;
use std::time::Duration;

/// Bytes of a URL.
pub const URL_BYTES_MAX: usize = 2048;
/// Bytes of a reference's name.
pub const REFERENCE_BYTES_MAX: usize = 255;
/// Bytes of a path in the tree.
pub const PATH_BYTES_MAX: usize = 1024;
/// GitSyncs that one may depend on.
pub const DEPENDENCIES_MAX: usize = 32;
/// Ignore rules.
pub const IGNORE_RULES_MAX: usize = 64;
/// Pointers and managers of one ignore rule, each.
pub const IGNORE_ENTRIES_MAX: usize = 32;
/// Health rules.
pub const HEALTH_RULES_MAX: usize = 32;
/// Confirmed kinds.
pub const CONFIRM_KINDS_MAX: usize = 32;
/// Values files.
pub const VALUES_FILES_MAX: usize = 32;
/// Bytes of one expression.
pub const EXPRESSION_BYTES_MAX: usize = 4096;
/// Retries that may be asked for.
pub const RETRY_LIMIT_MAX: u32 = 1000;
/// No pause between retries is longer.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Characters of a GitSync's name: it is a label's value and part of object names.
pub const NAME_CHARS_MAX: usize = 63;

/// The variables of `readyExpr`: the other GitSync and the own one.
pub const READY_VARIABLES: [&str; 2] = ["dep", "self"];

/// Hexadecimal digits of a commit id: SHA-1 or SHA-256.
const COMMIT_DIGITS: [usize; 2] = [40, 64];

/// Who may write GitSyncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tenancy {
    /// Only those who may do everything anyway.
    #[default]
    Single,
    /// Teams that trust each other no further than their service accounts: one must be named,
    /// files of the host are no source, and dependencies stay in the namespace.
    Multi,
}

/// Which revision is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The head of a branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// The highest tag in a range of versions.
    Semver(String),
    /// A commit, in lower case.
    Commit(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Semver(range) => write!(f, "tags in {range}"),
            Self::Commit(id) => write!(f, "commit {id}"),
        }
    }
}

/// One thing that is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct SpecProblem {
    /// The path of the field: `spec.source.url`.
    pub field: String,
    /// What is wrong with it; follows the field's name in a sentence.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<Hint>,
}

impl model::Explain for SpecProblem {
    fn hint(&self) -> Option<Hint> {
        self.hint.clone()
    }
}

impl SpecProblem {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        self.hint = Some(Hint::new(hint));
        self
    }
}

/// A GitSync that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Valid {
    sync: GitSync,
    reference: Reference,
    health: HealthRules,
    /// For each dependency its expression, if it has one.
    ready: Vec<Option<Expression>>,
}

impl Valid {
    /// Checks one.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the fields.
    pub fn new(sync: GitSync, tenancy: Tenancy) -> Result<Self, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        identity(&sync, &mut problems);
        let reference = source(&sync.spec, tenancy, &mut problems);
        verify(&sync.spec, &mut problems);
        times(&sync.spec, &mut problems);
        names(&sync.spec, tenancy, &mut problems);
        let ready = dependencies(&sync, tenancy, &mut problems);
        rules(&sync.spec, &mut problems);
        let health = HealthRules::compile(&sync.spec.health).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            HealthRules::default()
        });
        render(&sync.spec, &mut problems);
        let (list, url) = (&sync.spec.notify, &sync.spec.source.url);
        super::notify::check(list, url, tenancy, &mut problems);
        match reference {
            Some(reference) if problems.is_empty() => Ok(Self { sync, reference, health, ready }),
            _ => Err(problems),
        }
    }

    /// What was checked.
    #[must_use]
    pub fn sync(&self) -> &GitSync {
        &self.sync
    }

    /// The spec.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.sync.spec
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> SyncKey {
        self.sync.key()
    }

    /// Which revision is wanted.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The namespace of objects that name none.
    #[must_use]
    pub fn target_namespace(&self) -> &str {
        let own = &self.sync.metadata.namespace;
        self.sync.spec.target_namespace.as_ref().unwrap_or(own)
    }

    /// The GitSyncs that must be ready first.
    pub fn dependencies(&self) -> impl Iterator<Item = (SyncKey, &Dependency)> {
        let own = &self.sync.metadata.namespace;
        self.sync.spec.depends_on.iter().map(move |dependency| {
            let namespace = dependency.namespace.as_ref().unwrap_or(own);
            (SyncKey::new(namespace.clone(), dependency.name.clone()), dependency)
        })
    }

    /// The rules of health.
    #[must_use]
    pub fn health(&self) -> &HealthRules {
        &self.health
    }

    /// Why a dependency (by its place in the spec) is not ready; none when it is. Its expression
    /// decides, or else its condition `Ready`. `other` is none when there is no such GitSync.
    #[must_use]
    pub fn not_ready(&self, index: usize, other: Option<&GitSync>) -> Option<String> {
        let Some(Some(expression)) = self.ready.get(index) else { return not_ready(other) };
        let Some(other) = other else { return not_ready(None) };
        let json = |sync| serde_json::to_value(sync).unwrap_or_default();
        let (dep, own) = (json(other), json(&self.sync));
        match expression.holds(&[(READY_VARIABLES[0], &dep), (READY_VARIABLES[1], &own)]) {
            Ok(true) => None,
            Ok(false) => Some("its readyExpr is false".to_owned()),
            Err(error) => Some(format!("its readyExpr cannot be evaluated: {error}")),
        }
    }

    /// A valid one for tests: `default/test`, branch `main` of `https://git.example/shop.git`.
    ///
    /// # Panics
    /// Never: what it is made of is tested to be valid.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a constant that a test proves")]
    pub fn for_test() -> Self {
        let mut sync = GitSync {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            ..GitSync::default()
        };
        sync.metadata.name = "test".to_owned();
        sync.metadata.namespace = "default".to_owned();
        sync.metadata.generation = Some(1);
        sync.spec.source.url = "https://git.example/shop.git".to_owned();
        sync.spec.source.r#ref.branch = Some("main".to_owned());
        Self::new(sync, Tenancy::Single).expect("the constant is valid")
    }

    /// The same with another spec, checked again.
    ///
    /// # Errors
    /// As [`Valid::new`].
    pub fn with(&self, change: impl FnOnce(&mut Spec)) -> Result<Self, Vec<SpecProblem>> {
        let mut sync = self.sync.clone();
        change(&mut sync.spec);
        Self::new(sync, Tenancy::Single)
    }
}

fn identity(sync: &GitSync, problems: &mut Vec<SpecProblem>) {
    if sync.api_version != API_VERSION {
        problems.push(SpecProblem::new("apiVersion", format!("must be `{API_VERSION}`")));
    }
    if sync.kind != KIND {
        problems.push(SpecProblem::new("kind", format!("must be `{KIND}`")));
    }
    for (field, text) in
        [("metadata.name", &sync.metadata.name), ("metadata.namespace", &sync.metadata.namespace)]
    {
        if !is_label(text) {
            problems.push(SpecProblem::new(field, LABEL_RULE));
        }
    }
}

const LABEL_RULE: &str =
    "must be lower-case letters, digits and `-`, at most 63 characters, with no `-` at an end";

fn is_label(text: &str) -> bool {
    let chars = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let ends = !text.starts_with('-') && !text.ends_with('-');
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && chars && ends
}

/// The names of ConfigMaps, Secrets and service accounts: labels joined by dots.
pub(super) fn is_object_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| {
            let chars =
                part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            !part.is_empty() && chars && !part.starts_with('-') && !part.ends_with('-')
        })
}

fn source(spec: &Spec, tenancy: Tenancy, problems: &mut Vec<SpecProblem>) -> Option<Reference> {
    if let Err(problem) = url(&spec.source.url, tenancy) {
        problems.push(problem);
    }
    if let Some(problem) = tree_path("spec.source.path", &spec.source.path) {
        problems.push(problem);
    }
    match reference(spec) {
        Ok(reference) => Some(reference),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn url(url: &str, tenancy: Tenancy) -> Result<(), SpecProblem> {
    let refused = |problem: &str| SpecProblem::new("spec.source.url", problem);
    if url.is_empty() {
        return Err(refused("is missing"));
    }
    if url.len() > URL_BYTES_MAX {
        return Err(refused("is longer than 2,048 bytes"));
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(refused("has a space or a control character in it"));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let before = url.split(['/', ':']).next().unwrap_or_default();
        let scp = url.contains(':') && before.contains('@') && !before.contains('/');
        return if scp { Ok(()) } else { Err(refused("is no URL").hint(URL_HINT)) };
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "http" if user.is_some() => {
            Err(refused("has credentials in it").hint("put them into the Secret of `secretRef`"))
        }
        "ssh" if user.is_some_and(|user| user.contains(':')) => {
            Err(refused("has a password in it").hint("put a key into the Secret of `secretRef`"))
        }
        "https" | "http" | "ssh" if authority.is_empty() => Err(refused("names no host")),
        "file" if tenancy == Tenancy::Multi => {
            Err(refused("is a file of the host, which teams may not read"))
        }
        "https" | "http" | "ssh" | "file" => Ok(()),
        "git" => Err(refused("uses git://, which proves neither the server nor its data")
            .hint("use https or ssh")),
        _ => Err(refused("has a scheme that is not one of https, http, ssh, file").hint(URL_HINT)),
    }
}

const URL_HINT: &str = "write `https://HOST/PATH`, `ssh://USER@HOST/PATH` or `USER@HOST:PATH`";

/// Why a path would leave the tree.
fn tree_path(field: &str, path: &str) -> Option<SpecProblem> {
    let bad = if path.len() > PATH_BYTES_MAX {
        "is longer than 1,024 bytes"
    } else if path.starts_with('/') {
        "must be relative to the root of the tree"
    } else if path.split(['/', '\\']).any(|part| part == "..") {
        "leaves the tree"
    } else if path.chars().any(char::is_control) {
        "has a control character in it"
    } else {
        return None;
    };
    Some(SpecProblem::new(field, bad))
}

fn reference(spec: &Spec) -> Result<Reference, SpecProblem> {
    let wanted = &spec.source.r#ref;
    let given = [
        ("branch", &wanted.branch, Reference::Branch as fn(String) -> Reference),
        ("tag", &wanted.tag, Reference::Tag),
        ("semver", &wanted.semver, Reference::Semver),
        ("commit", &wanted.commit, Reference::Commit),
    ];
    let mut given =
        given.iter().filter_map(|(name, text, make)| Some((name, text.as_ref()?, make)));
    let problem = "must have exactly one of `branch`, `tag`, `semver` and `commit`";
    let refused = || SpecProblem::new("spec.source.ref", problem);
    let (name, text, make) = given.next().ok_or_else(refused)?;
    if given.next().is_some() {
        return Err(refused());
    }
    let field = format!("spec.source.ref.{name}");
    let bad = match make(text.clone()) {
        Reference::Commit(id) => {
            let hex = id.bytes().all(|b| b.is_ascii_hexdigit());
            if hex && COMMIT_DIGITS.contains(&id.len()) {
                return Ok(Reference::Commit(id.to_ascii_lowercase()));
            }
            "must be a full commit id: 40 or 64 hexadecimal digits".to_owned()
        }
        Reference::Semver(range) => match model::VersionRange::parse(&range) {
            Ok(_) => return Ok(Reference::Semver(range)),
            Err(error) => format!("is no range of versions: {error}"),
        },
        other if is_reference_name(text) => return Ok(other),
        _ => "is no name of a reference".to_owned(),
    };
    Err(SpecProblem::new(field, bad))
}

/// The rules of `git check-ref-format` for a short name.
fn is_reference_name(name: &str) -> bool {
    let bad = |c: char| c.is_control() || " ~^:?*[\\\u{7f}".contains(c);
    let parts = name.split('/').all(|part| {
        !part.is_empty() && !part.starts_with('.') && !part.to_ascii_lowercase().ends_with(".lock")
    });
    let whole = !name.is_empty()
        && name.len() <= REFERENCE_BYTES_MAX
        && !name.starts_with(['-', '/'])
        && !name.starts_with("refs/")
        && !name.ends_with(['/', '.'])
        && name != "@";
    whole && parts && !name.contains("..") && !name.contains("@{") && !name.contains(bad)
}

fn verify(spec: &Spec, problems: &mut Vec<SpecProblem>) {
    let verify = &spec.source.verify;
    let keys = [("allowedSigners", &verify.allowed_signers), ("pgpKeys", &verify.pgp_keys)];
    for (name, source) in keys {
        if let Some(KeySource { name: object, .. }) = source
            && !is_object_name(object)
        {
            let field = format!("spec.source.verify.{name}.name");
            problems.push(SpecProblem::new(field, "is no name of an object"));
        }
    }
    let none = verify.allowed_signers.is_none() && verify.pgp_keys.is_none();
    if verify.mode != VerifyMode::Off && none {
        problems.push(SpecProblem::new(
            "spec.source.verify",
            "asks for signatures and names no keys: set `allowedSigners` or `pgpKeys`",
        ));
    }
    if verify.mode == VerifyMode::Off && (!none || verify.require_committer_match) {
        problems.push(SpecProblem::new(
            "spec.source.verify.mode",
            "is `none`, so the keys beside it would not be used: set `head` or `everyCommit`",
        ));
    }
}

fn times(spec: &Spec, problems: &mut Vec<SpecProblem>) {
    let mut within = |field: &str, value: Duration, min: Duration, max: Duration| {
        if value < min || value > max {
            let (min, max) = (super::Period(min), super::Period(max));
            let problem = format!("must be from {min} to {max}");
            problems.push(SpecProblem::new(field, problem));
        }
    };
    within("spec.interval", spec.interval.0, INTERVAL_MIN, INTERVAL_MAX);
    within("spec.healthTimeout", spec.health_timeout.0, INTERVAL_MIN, HEALTH_TIMEOUT_MAX);
    within("spec.retry.pause", spec.retry.pause.0, INTERVAL_MIN, RETRY_PAUSE_MAX);
    within("spec.retry.pauseMax", spec.retry.pause_max.0, spec.retry.pause.0, RETRY_PAUSE_MAX);
    if spec.retry.limit.is_some_and(|limit| limit > RETRY_LIMIT_MAX) {
        problems.push(SpecProblem::new("spec.retry.limit", "must be at most 1000"));
    }
    if spec.prune.max_percent > 100 {
        problems.push(SpecProblem::new("spec.prune.maxPercent", "must be from 0 to 100"));
    }
}

fn names(spec: &Spec, tenancy: Tenancy, problems: &mut Vec<SpecProblem>) {
    if let Some(namespace) = &spec.target_namespace
        && !is_label(namespace)
    {
        problems.push(SpecProblem::new("spec.targetNamespace", LABEL_RULE));
    }
    let account = ("spec.serviceAccountName", spec.service_account_name.as_ref());
    let secret = ("spec.source.secretRef.name", spec.source.secret_ref.as_ref().map(|r| &r.name));
    let hook = ("spec.webhook.secretRef.name", spec.webhook.as_ref().map(|w| &w.secret_ref.name));
    let keys = spec.decryption.as_ref().map(|d| &d.secret_ref.name);
    for (field, name) in [account, secret, hook, ("spec.decryption.secretRef.name", keys)] {
        if name.is_some_and(|name| !is_object_name(name)) {
            problems.push(SpecProblem::new(field, "is no name of an object"));
        }
    }
    if tenancy == Tenancy::Multi && spec.service_account_name.is_none() {
        problems.push(
            SpecProblem::new("spec.serviceAccountName", "is missing")
                .hint("in a cluster of several teams a GitSync acts only as its own account"),
        );
    }
    if spec.prune.confirm_kinds.len() > CONFIRM_KINDS_MAX {
        problems.push(SpecProblem::new("spec.prune.confirmKinds", "has more than 32 entries"));
    }
    for (index, kind) in spec.prune.confirm_kinds.iter().enumerate() {
        if !kind.starts_with(|c: char| c.is_ascii_uppercase()) {
            let field = format!("spec.prune.confirmKinds[{index}]");
            problems.push(SpecProblem::new(field, "must be `Kind` or `Kind.group`"));
        }
    }
}

/// Gives for each dependency its expression, if it has one.
fn dependencies(
    sync: &GitSync,
    tenancy: Tenancy,
    problems: &mut Vec<SpecProblem>,
) -> Vec<Option<Expression>> {
    let mut ready = Vec::new();
    let list = &sync.spec.depends_on;
    if list.len() > DEPENDENCIES_MAX {
        problems.push(SpecProblem::new("spec.dependsOn", "has more than 32 entries"));
    }
    for (index, dependency) in list.iter().enumerate() {
        let field = |name: &str| format!("spec.dependsOn[{index}].{name}");
        if !is_label(&dependency.name) {
            problems.push(SpecProblem::new(field("name"), LABEL_RULE));
        }
        let own = &sync.metadata.namespace;
        let namespace = dependency.namespace.as_ref().unwrap_or(own);
        if *namespace == *own && dependency.name == sync.metadata.name {
            problems.push(SpecProblem::new(field("name"), "is the GitSync itself"));
        }
        if tenancy == Tenancy::Multi && namespace != own {
            problems.push(SpecProblem::new(field("namespace"), "is not the GitSync's own"));
        }
        ready.push(dependency.ready_expr.as_ref().and_then(|text| {
            health::expression(&field("readyExpr"), text, &READY_VARIABLES, problems)
        }));
    }
    ready
}

fn rules(spec: &Spec, problems: &mut Vec<SpecProblem>) {
    if spec.ignore.len() > IGNORE_RULES_MAX {
        problems.push(SpecProblem::new("spec.ignore", "has more than 64 entries"));
    }
    for (index, rule) in spec.ignore.iter().enumerate() {
        let field = |name: &str| format!("spec.ignore[{index}]{name}");
        if rule.pointers.is_empty() && rule.managers.is_empty() {
            let problem = "ignores nothing: set `pointers` or `managers`";
            problems.push(SpecProblem::new(field(""), problem));
        }
        if rule.pointers.len().max(rule.managers.len()) > IGNORE_ENTRIES_MAX {
            problems.push(SpecProblem::new(field(""), "has more than 32 pointers or managers"));
        }
        for pointer in rule.pointers.iter().filter(|pointer| !is_pointer(pointer)) {
            let problem = format!("has `{pointer}`, which is no JSON pointer");
            let hint = "a pointer begins with `/`; `~` is `~0` and `/` in a key is `~1`";
            problems.push(SpecProblem::new(field(".pointers"), problem).hint(hint));
        }
        for pointer in rule.pointers.iter().filter(|pointer| is_pointer(pointer)) {
            if let Err(error) = pointer.parse::<FieldPointer>() {
                let problem = format!("has `{pointer}`: {error}");
                problems.push(SpecProblem::new(field(".pointers"), problem));
            }
        }
        let all = |text: &Option<String>| text.as_deref().is_none_or(|t| glob(t, ""));
        let whole = rule.kind.is_none() && all(&rule.name) && rule.managers.is_empty();
        if whole && rule.pointers.iter().any(|p| p == "/spec" || p == "/data") {
            problems.push(SpecProblem::new(field(""), "ignores the contents of every object"));
        }
    }
    if spec.health.len() > HEALTH_RULES_MAX {
        problems.push(SpecProblem::new("spec.health", "has more than 32 entries"));
    }
    for (index, rule) in spec.health.iter().enumerate() {
        let field = |name: &str| format!("spec.health[{index}]{name}");
        if rule.kind.is_empty() {
            problems.push(SpecProblem::new(field(".kind"), "is missing"));
        }
        if rule.healthy.is_none() && rule.degraded.is_none() && rule.progressing.is_none() {
            let problem = "says nothing: set `healthy`, `progressing` or `degraded`";
            problems.push(SpecProblem::new(field(""), problem));
        }
    }
}

/// Whether a text is a JSON pointer to something inside of a document (RFC 6901).
fn is_pointer(text: &str) -> bool {
    let escapes = text.split('~').skip(1).all(|behind| behind.starts_with(['0', '1']));
    text.len() <= PATH_BYTES_MAX && text.len() > 1 && text.starts_with('/') && escapes
}

fn render(spec: &Spec, problems: &mut Vec<SpecProblem>) {
    let Some(helm) = &spec.render.helm else { return };
    if matches!(spec.render.engine, Engine::Plain | Engine::Kustomize) {
        let problem = "is set beside another engine, which would not use it";
        problems.push(SpecProblem::new("spec.render.helm", problem));
    }
    if helm.release_name.as_ref().is_some_and(|name| !is_label(name)) {
        problems.push(SpecProblem::new("spec.render.helm.releaseName", LABEL_RULE));
    }
    if helm.values_files.len() > VALUES_FILES_MAX {
        problems.push(SpecProblem::new("spec.render.helm.valuesFiles", "has more than 32 entries"));
    }
    for (index, file) in helm.values_files.iter().enumerate() {
        let field = format!("spec.render.helm.valuesFiles[{index}]");
        let empty = file.is_empty().then(|| SpecProblem::new(field.as_str(), "is empty"));
        problems.extend(empty.or_else(|| tree_path(&field, file)));
    }
}
