//! GitSyncs for people: a table, a page, a tree, a history.

use crate::progress::health_style;
use crate::terminal::{Painter, Style, printable, table};
use delivery::ObjectHealth;
use gitops::spec::{ConditionStatus, GitSync, Operation, Outcome, Status, condition};
use std::collections::BTreeMap;

/// Characters of a commit that people quote.
const COMMIT_CHARS: usize = 12;
/// Characters of a message in a table.
const MESSAGE_CHARS_MAX: usize = 80;

fn short(revision: &str) -> &str {
    revision.get(..COMMIT_CHARS).unwrap_or(revision)
}

fn first_line(text: &str) -> String {
    let line = printable(text.lines().next().unwrap_or_default());
    if line.chars().count() <= MESSAGE_CHARS_MAX {
        return line;
    }
    let cut: String = line.chars().take(MESSAGE_CHARS_MAX).collect();
    format!("{cut}…")
}

fn ready(status: &Status, painter: Painter) -> String {
    let ready = status.condition(condition::READY);
    let (style, word) = match ready.map(|ready| ready.status) {
        Some(ConditionStatus::True) => (Style::Good, "True"),
        Some(ConditionStatus::False) => (Style::Bad, "False"),
        _ => (Style::Warn, "Unknown"),
    };
    painter.paint(style, word)
}

/// All GitSyncs as rows.
pub(crate) fn list(syncs: &[GitSync], painter: Painter) -> String {
    if syncs.is_empty() {
        return "no GitSyncs found\n".to_owned();
    }
    let rows: Vec<Vec<String>> = syncs
        .iter()
        .map(|sync| {
            let status = sync.status.clone().unwrap_or_default();
            let message = status.condition(condition::READY).map(|ready| ready.message.clone());
            vec![
                printable(&sync.metadata.namespace),
                printable(&sync.metadata.name),
                ready(&status, painter),
                short(status.applied_revision.as_deref().unwrap_or_default()).to_owned(),
                if sync.spec.suspend { "yes" } else { "no" }.to_owned(),
                first_line(&message.unwrap_or_default()),
            ]
        })
        .collect();
    table(&["NAMESPACE", "NAME", "READY", "REVISION", "SUSPENDED", "MESSAGE"], &rows)
}

/// One GitSync in full.
pub(crate) fn describe(sync: &GitSync, painter: Painter) -> String {
    let status = sync.status.clone().unwrap_or_default();
    let mut text = format!("{}\n", painter.paint(Style::Bold, &sync.key().to_string()));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<12} {}\n", printable(value)));
        }
    };
    line("source", &sync.spec.source.url);
    line("reference", status.fetched_ref.as_deref().unwrap_or_default());
    line("path", &sync.spec.source.path);
    line("account", sync.spec.service_account_name.as_deref().unwrap_or_default());
    line("fetched", status.fetched_revision.as_deref().unwrap_or_default());
    line("applied", status.applied_revision.as_deref().unwrap_or_default());
    line("healthy", status.healthy_revision.as_deref().unwrap_or_default());
    if let Some(inventory) = &status.inventory {
        line("objects", &inventory.objects.to_string());
    }
    if let Some(reason) = sync.metadata.annotations.get("orlop.dev/rollback-reason") {
        line("rolled back", reason);
    }
    if let Some(next) = &status.next {
        line("next", &format!("{}: {}", next.action, next.reason));
    }
    if !status.conditions.is_empty() {
        let rows: Vec<Vec<String>> = status
            .conditions
            .iter()
            .map(|condition| {
                vec![
                    printable(&condition.r#type),
                    format!("{:?}", condition.status),
                    printable(&condition.reason),
                    printable(&condition.message),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&table(&["CONDITION", "STATUS", "REASON", "MESSAGE"], &rows));
    }
    if !status.drift.is_empty() {
        let rows: Vec<Vec<String>> = status
            .drift
            .iter()
            .map(|drift| {
                vec![
                    printable(&format!("{} {}", drift.kind, drift.name)),
                    printable(&drift.fields.join(", ")),
                    printable(drift.manager.as_deref().unwrap_or_default()),
                    printable(drift.held.as_deref().unwrap_or_default()),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&table(&["DRIFT", "FIELDS", "WRITER", "HELD"], &rows));
        let listed = u32::try_from(status.drift.len()).unwrap_or(u32::MAX);
        let more = status.drift_total.saturating_sub(listed);
        if more > 0 {
            text.push_str(&format!("and {more} more\n"));
        }
    }
    if !status.history.is_empty() {
        text.push('\n');
        text.push_str(&history(&status.history, painter));
    }
    text
}

/// Operations, the newest first.
pub(crate) fn history(history: &[Operation], painter: Painter) -> String {
    if history.is_empty() {
        return "nothing was delivered yet\n".to_owned();
    }
    let rows: Vec<Vec<String>> = history
        .iter()
        .map(|operation| {
            let (style, outcome) = match operation.outcome {
                Outcome::Succeeded => (Style::Good, "succeeded"),
                Outcome::Running => (Style::Warn, "running"),
                Outcome::Cancelled => (Style::Warn, "cancelled"),
                Outcome::Failed => (Style::Bad, "failed"),
                Outcome::Refused => (Style::Bad, "refused"),
            };
            let started = operation.started_at.map(|at| at.to_string()).unwrap_or_default();
            vec![
                started,
                short(&operation.revision).to_owned(),
                format!("{:?}", operation.trigger).to_lowercase(),
                painter.paint(style, outcome),
                if operation.healthy_at.is_some() { "yes" } else { "no" }.to_owned(),
                printable(&operation.author),
                first_line(&operation.message),
            ]
        })
        .collect();
    table(&["STARTED", "REVISION", "TRIGGER", "OUTCOME", "HEALTHY", "AUTHOR", "MESSAGE"], &rows)
}

/// Objects by namespace and kind, with their health.
pub(crate) fn tree(title: &str, status: &delivery::Status, painter: Painter) -> String {
    let mut places: BTreeMap<&str, BTreeMap<&str, Vec<&ObjectHealth>>> = BTreeMap::new();
    for object in &status.objects {
        let kinds = places.entry(&object.object.namespace).or_default();
        kinds.entry(&object.object.kind).or_default().push(object);
    }
    let health = painter.paint(health_style(status.health), &status.health.to_string());
    let mut text = format!("{} {health}\n", painter.paint(Style::Bold, title));
    let mut places = places.into_iter().peekable();
    while let Some((namespace, kinds)) = places.next() {
        let (branch, below) = limb(places.peek().is_none());
        let name = if namespace.is_empty() { "(cluster)" } else { namespace };
        text.push_str(&format!("{branch}{}\n", printable(name)));
        let mut kinds = kinds.into_iter().peekable();
        while let Some((kind, objects)) = kinds.next() {
            let (branch, deeper) = limb(kinds.peek().is_none());
            text.push_str(&format!("{below}{branch}{}\n", printable(kind)));
            let mut objects = objects.into_iter().peekable();
            while let Some(object) = objects.next() {
                let (branch, _) = limb(objects.peek().is_none());
                let health = painter.paint(health_style(object.status), &object.status.to_string());
                let why = match object.message.as_str() {
                    "" => String::new(),
                    why => format!(": {}", first_line(why)),
                };
                let name = printable(&object.object.name);
                text.push_str(&format!("{below}{deeper}{branch}{name} {health}{why}\n"));
            }
        }
    }
    text
}

fn limb(is_last: bool) -> (&'static str, &'static str) {
    if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivery::STATUS_SCHEMA;
    use expect_test::expect;
    use objects::health::{Health, HealthStatus};
    use objects::{GroupKind, ObjectRef};

    #[test]
    fn drift_that_is_not_listed_is_counted() {
        let painter = crate::tests::painter(&crate::tests::host(&[]));
        let shown = |count: usize| {
            let mut status = Status::default();
            status.set_drift(vec![gitops::spec::Drift::default(); count]);
            describe(&GitSync { status: Some(status), ..GitSync::default() }, painter)
        };
        let most = gitops::spec::STATUS_DRIFT_MAX;
        assert!(!shown(most).contains("more"), "{}", shown(most));
        assert!(shown(most + 280).ends_with("and 280 more\n"), "{}", shown(most + 280));
    }

    #[test]
    fn a_tree_shows_places_kinds_and_health() {
        let object = |kind: &str, namespace: &str, name: &str, status| {
            let id = ObjectRef::new(GroupKind::new("", kind), namespace, name);
            ObjectHealth::new(id, Health::new(status, ""))
        };
        let status = delivery::Status {
            schema: STATUS_SCHEMA.to_owned(),
            delivery: "d".to_owned(),
            inventory_namespace: "n".to_owned(),
            source: String::new(),
            objects: vec![
                object("Namespace", "", "shop", HealthStatus::Healthy),
                object("Pod", "shop", "a", HealthStatus::Degraded),
                object("Pod", "shop", "b", HealthStatus::Healthy),
                object("Service", "shop", "a", HealthStatus::Healthy),
            ],
            health: HealthStatus::Degraded,
        };
        let painter = crate::tests::painter(&crate::tests::host(&[]));
        expect![[r"
            default/web Degraded
            ├─ (cluster)
            │  └─ Namespace
            │     └─ shop Healthy
            └─ shop
               ├─ Pod
               │  ├─ a Degraded
               │  └─ b Healthy
               └─ Service
                  └─ a Healthy
        "]]
        .assert_eq(&tree("default/web", &status, painter));
    }
}
