//! The structural schema of a spec, and the builders that the status uses too.

use crate::spec::{
    HEALTH_TIMEOUT_DEFAULT, INTERVAL_DEFAULT, NOTIFY_MAX, NotifyEvent, Period, Prune, Retry,
};
use serde_json::{Map, Value, json};

/// What the server takes as a duration.
const DURATION_PATTERN: &str = "^([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+$";
/// No duration is written longer; also keeps the cost of its CEL rules estimable.
const DURATION_CHARS_MAX: u64 = 32;

/// A map with these fields.
pub(super) fn map(about: &str, fields: Vec<(&str, Value)>) -> Value {
    let fields: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({"type": "object", "description": about, "properties": fields})
}

pub(super) fn text(about: &str) -> Value {
    json!({"type": "string", "description": about})
}

pub(super) fn flag(about: &str, default: bool) -> Value {
    json!({"type": "boolean", "description": about, "default": default})
}

pub(super) fn list(about: &str, items: &Value) -> Value {
    json!({"type": "array", "description": about, "items": items})
}

pub(super) fn choice(about: &str, words: &[&str]) -> Value {
    json!({"type": "string", "description": about, "enum": words})
}

pub(super) fn count(about: &str) -> Value {
    json!({"type": "integer", "format": "int32", "minimum": 0, "description": about})
}

pub(super) fn duration(about: &str) -> Value {
    json!({
        "type": "string",
        "description": about,
        "pattern": DURATION_PATTERN,
        "maxLength": DURATION_CHARS_MAX,
    })
}

/// The schema with more keywords.
pub(super) fn with(mut schema: Value, keywords: &Value) -> Value {
    if let (Some(schema), Some(more)) = (schema.as_object_mut(), keywords.as_object()) {
        schema.extend(more.clone());
    }
    schema
}

fn default(schema: Value, value: impl Into<Value>) -> Value {
    with(schema, &json!({"default": value.into()}))
}

fn required(schema: Value, fields: &[&str]) -> Value {
    with(schema, &json!({"required": fields}))
}

fn rule(schema: Value, rule: &str, message: &str) -> Value {
    with(schema, &json!({"x-kubernetes-validations": [{"rule": rule, "message": message}]}))
}

fn name(about: &str) -> Value {
    with(text(about), &json!({"minLength": 1, "maxLength": 253}))
}

fn local_ref(about: &str) -> Value {
    required(map(about, vec![("name", name("Name of the Secret."))]), &["name"])
}

fn bounded(schema: Value, items_max: usize) -> Value {
    with(schema, &json!({"maxItems": items_max}))
}

/// `spec`.
pub(super) fn spec() -> Value {
    let interval = default(
        duration("How often the source is asked for news; a webhook makes it faster."),
        Period(INTERVAL_DEFAULT).to_string(),
    );
    let health_timeout = default(
        duration("How long an applied revision may take to become healthy."),
        Period(HEALTH_TIMEOUT_DEFAULT).to_string(),
    );
    let fields = vec![
        ("source", source()),
        ("interval", rule(interval, AT_LEAST_A_SECOND, "must be at least 1s")),
        ("webhook", webhook()),
        ("prune", prune()),
        (
            "targetNamespace",
            with(
                name("The namespace of objects that name none; the own one by default."),
                &json!({"maxLength": 63}),
            ),
        ),
        (
            "serviceAccountName",
            name("The service account of this namespace that every write is made as."),
        ),
        ("dependsOn", depends_on()),
        ("ignore", ignore()),
        (
            "force",
            default(
                choice(
                    "Whether an object is recreated when a field of it cannot be changed.",
                    &["never", "annotated", "always"],
                ),
                "never",
            ),
        ),
        (
            "conflicts",
            default(
                choice("What happens to fields of other managers.", &["refuse", "force"]),
                "refuse",
            ),
        ),
        ("healthTimeout", rule(health_timeout, AT_LEAST_A_SECOND, "must be at least 1s")),
        ("health", health()),
        ("selfHeal", self_heal()),
        ("suspend", flag("Stops everything: no poll, no apply, no healing.", false)),
        ("decryption", decryption()),
        ("render", render()),
        ("retry", retry()),
        ("notify", notify()),
    ];
    required(map("What is asked for.", fields), &["source"])
}

fn self_heal() -> Value {
    let enabled = flag("Whether drift is reverted when it is seen.", true);
    default(map("What happens to drift.", vec![("enabled", enabled)]), json!({}))
}

fn decryption() -> Value {
    let secret = local_ref("The Secret with age identities in keys that end in .agekey.");
    required(map("How encrypted files are read.", vec![("secretRef", secret)]), &["secretRef"])
}

const AT_LEAST_A_SECOND: &str = "duration(self) >= duration('1s')";

fn source() -> Value {
    let reference = |about: &str| with(text(about), &json!({"minLength": 1, "maxLength": 255}));
    let refs = rule(
        map(
            "Which revision is wanted; exactly one of its fields.",
            vec![
                ("branch", reference("A branch by its short name.")),
                ("tag", reference("A tag by its short name.")),
                ("semver", reference("The highest tag that is a version in this range.")),
                (
                    "commit",
                    with(
                        text("A commit by its full id."),
                        &json!({"pattern": "^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$"}),
                    ),
                ),
            ],
        ),
        "[has(self.branch), has(self.tag), has(self.semver), has(self.commit)]\
         .filter(given, given).size() == 1",
        "must have exactly one of branch, tag, semver and commit",
    );
    let url = rule(
        with(
            text("https, http, ssh (also as user@host:path) or file; without credentials."),
            &json!({"minLength": 1, "maxLength": 2048}),
        ),
        "!self.matches('^(http|https)://[^/?#]*@')",
        "must not have credentials in it: put them into the Secret of secretRef",
    );
    let path = rule(
        with(text("The directory in the tree, relative to its root."), &json!({"maxLength": 1024})),
        "!self.startsWith('/') && !self.matches('(^|/)[.][.](/|$)')",
        "must be relative and stay in the tree",
    );
    let secret = "The Secret with username and password, token, identity and known_hosts, ca.crt.";
    let fields = vec![
        ("url", url),
        ("ref", refs),
        ("path", path),
        ("secretRef", local_ref(secret)),
        ("verify", verify()),
    ];
    required(map("A tree of a Git repository.", fields), &["url", "ref"])
}

fn verify() -> Value {
    let keys = |about: &str| {
        let kind = choice("What kind of object holds them.", &["ConfigMap", "Secret"]);
        let fields = vec![
            ("kind", default(kind, "ConfigMap")),
            ("name", name("Its name.")),
            ("key", name("Its key.")),
        ];
        required(map(about, fields), &["name"])
    };
    let mode = choice("Which commits must be signed.", &["none", "head", "everyCommit"]);
    rule(
        map(
            "Whose signature is asked for.",
            vec![
                ("mode", default(mode, "none")),
                ("allowedSigners", keys("SSH keys, as ssh-keygen's allowed signers.")),
                ("pgpKeys", keys("PGP keys, armoured.")),
                (
                    "requireCommitterMatch",
                    flag("Whether the key must belong to the committer's address.", false),
                ),
            ],
        ),
        "self.mode == 'none' || has(self.allowedSigners) || has(self.pgpKeys)",
        "must name allowedSigners or pgpKeys when signatures are asked for",
    )
}

fn webhook() -> Value {
    let providers =
        ["github", "gitlab", "gitea", "forgejo", "gogs", "bitbucket", "generic"].as_slice();
    let fields = vec![
        ("secretRef", local_ref("The Secret with the shared secret in its key token.")),
        ("provider", choice("The only sender that is listened to; any by default.", providers)),
    ];
    required(map("Pushes that the sender tells about.", fields), &["secretRef"])
}

fn notify() -> Value {
    let events = NotifyEvent::ALL.map(NotifyEvent::name);
    let url = rule(
        with(
            text("The receiver of a webhook, or the base of a forge's API."),
            &json!({"minLength": 1, "maxLength": 2048}),
        ),
        "self.matches('^https?://[^/?#@]+([/?#].*)?$')",
        "must be an address of http or https without credentials in it",
    );
    let repository = with(
        text("The repository at the forge, owner/name; that of source.url by default."),
        &json!({"minLength": 3, "maxLength": 1024}),
    );
    let kinds = ["webhook", "github", "gitlab", "gitea"].as_slice();
    let secret = "The Secret with the token, or the key to sign with, in its key token, and \
                  the authority of the receiver's certificate, where it has its own, in ca.crt.";
    let told = list("What is told; everything by default.", &choice("An event.", &events));
    let fields = vec![
        ("kind", default(choice("What kind of receiver it is.", kinds), "webhook")),
        ("url", url),
        ("secretRef", local_ref(secret)),
        ("repository", repository),
        ("events", bounded(told, events.len())),
    ];
    let one = required(map("Who is told what happens.", fields), &["secretRef"]);
    let one = with(
        one,
        &json!({"x-kubernetes-validations": [
            {
                "rule": "has(self.url) || self.kind in ['github', 'gitlab']",
                "message": "must have a url: only GitHub and GitLab have a usual address",
            },
            {
                "rule": "self.kind != 'webhook' || !has(self.repository)",
                "message": "must have no repository: a webhook is about no commit at a forge",
            },
        ]}),
    );
    bounded(list("Who is told what happens.", &one), NOTIFY_MAX)
}

fn prune() -> Value {
    let defaults = Prune::default();
    let max = default(count("How many may go in one run."), defaults.max_objects);
    let percent = default(
        count("What share of the inventory may go in one run, in percent."),
        defaults.max_percent,
    );
    let kinds = "Guarded kinds that may go all the same, as Kind or Kind.group.";
    let kind = with(text("A kind."), &json!({"minLength": 1, "maxLength": 253}));
    let on_delete = choice("What happens when the GitSync is deleted.", &["prune", "orphan"]);
    default(
        map(
            "What happens to objects that left the tree.",
            vec![
                ("enabled", flag("Whether they are deleted at all.", defaults.enabled)),
                ("maxObjects", max),
                ("maxPercent", with(percent, &json!({"maximum": 100}))),
                (
                    "allowEmpty",
                    flag("Whether an empty tree may prune everything.", defaults.allow_empty),
                ),
                ("confirmKinds", bounded(list(kinds, &kind), 32)),
                ("onDelete", default(on_delete, "prune")),
            ],
        ),
        json!({}),
    )
}

fn expression(about: &str) -> Value {
    with(text(about), &json!({"minLength": 1, "maxLength": 4096}))
}

fn depends_on() -> Value {
    let fields = vec![
        ("name", name("Its name.")),
        ("namespace", name("Its namespace; the own one by default.")),
        ("readyExpr", expression("CEL over dep and self that says when it is ready.")),
    ];
    let one = required(map("Another GitSync.", fields), &["name"]);
    bounded(list("What must be ready before this one is applied.", &one), 32)
}

fn ignore() -> Value {
    let pointer = with(text("A JSON pointer."), &json!({"pattern": "^/", "maxLength": 1024}));
    let manager = with(text("A field manager."), &json!({"minLength": 1, "maxLength": 128}));
    let fields = vec![
        ("group", text("API group; the empty text is the core group.")),
        ("kind", text("Kind.")),
        ("name", text("Name; a star stands for any text.")),
        ("namespace", text("Namespace; a star stands for any text.")),
        ("pointers", bounded(list("JSON pointers of fields, with all below.", &pointer), 32)),
        ("managers", bounded(list("Managers whose fields are left to them.", &manager), 32)),
    ];
    let one = rule(
        map("Fields of some objects.", fields),
        "has(self.pointers) || has(self.managers)",
        "must have pointers or managers",
    );
    bounded(list("Fields that are neither compared nor written.", &one), 64)
}

fn health() -> Value {
    let fields = vec![
        ("group", text("API group; empty for core.")),
        ("kind", name("Kind.")),
        ("degraded", expression("CEL over self that is true when it failed.")),
        ("progressing", expression("CEL over self that is true while it is on its way.")),
        ("healthy", expression("CEL over self that is true when it is as asked.")),
        ("message", expression("CEL over self that gives a text for people.")),
    ];
    let one = rule(
        required(map("Health of one kind.", fields), &["kind"]),
        "has(self.healthy) || has(self.progressing) || has(self.degraded)",
        "must have healthy, progressing or degraded",
    );
    bounded(list("Health of kinds that have no rule, or another one.", &one), 32)
}

fn render() -> Value {
    let engine = choice(
        "What makes objects of files; auto looks for a chart and a kustomization.",
        &["auto", "plain", "kustomize", "helm"],
    );
    let file = with(text("A file in the tree."), &json!({"minLength": 1, "maxLength": 1024}));
    let files = "Files of values, relative to source.path; later ones win.";
    let values = json!({
        "type": "object",
        "description": "Values; they win over all files.",
        "x-kubernetes-preserve-unknown-fields": true,
    });
    let helm = map(
        "What a chart is rendered with.",
        vec![
            ("releaseName", with(name("The release's name."), &json!({"maxLength": 63}))),
            ("valuesFiles", bounded(list(files, &file), 32)),
            ("values", values),
            ("includeCrds", flag("Whether the chart's crds/ are delivered too.", true)),
        ],
    );
    let fields = vec![("engine", default(engine, "auto")), ("helm", helm)];
    default(map("How the tree becomes objects.", fields), json!({}))
}

fn retry() -> Value {
    let defaults = Retry::default();
    let pause = duration("The first pause; every further one is twice as long.");
    let longest = duration("No pause is longer.");
    let limit = count("How many tries follow the first one; without a limit by default.");
    default(
        map(
            "How often a failed revision is tried again.",
            vec![
                ("pause", default(pause, defaults.pause.to_string())),
                ("pauseMax", default(longest, defaults.pause_max.to_string())),
                ("limit", with(limit, &json!({"maximum": 1000}))),
            ],
        ),
        json!({}),
    )
}

/// The spec of an `AgentConfig`, which exists in files only.
pub(crate) fn agent_spec() -> Value {
    let kubeconfig = || text("Path of a kubeconfig; the usual ones by default.");
    let context = || text("A context of it; its current one by default.");
    let target = vec![
        ("name", name("Name of the GitSync.")),
        ("namespace", name("Namespace of the GitSync.")),
        ("kubeconfig", kubeconfig()),
        ("context", context()),
    ];
    let target = required(map("Where one GitSync is delivered to.", target), &["name"]);
    map(
        "How the agent runs on a host.",
        vec![
            ("listen", text("The address of webhooks, probes and metrics: HOST:PORT.")),
            ("auditPath", text("The file that audit lines are appended to.")),
            ("secretsPath", text("The folder with Secrets as files: NAMESPACE/NAME/KEY.")),
            ("kubeconfig", kubeconfig()),
            ("context", context()),
            ("targets", list("Where single GitSyncs are delivered to.", &target)),
        ],
    )
}
