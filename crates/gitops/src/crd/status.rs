//! The structural schema of a status.

use super::schema::{choice, count, duration, list, map, text, with};
use crate::spec::NotifyEvent;
use serde_json::{Value, json};

/// `status`.
pub(super) fn status() -> Value {
    let conditions = with(
        list("Ready, Reconciling, Stalled and Healthy.", &condition()),
        &json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    );
    map(
        "What is seen; written by the agent.",
        vec![
            ("observedGeneration", number("The generation that the status speaks of.")),
            ("conditions", conditions),
            ("fetchedRef", text("The full name of the reference that was fetched.")),
            ("fetchedRevision", text("The commit that was fetched last.")),
            ("appliedRevision", text("The commit that was applied without a failure last.")),
            ("appliedGeneration", number("The generation that it was applied under.")),
            ("healthyRevision", text("The commit that became healthy last.")),
            ("inventory", inventory()),
            ("drift", list("Objects that differ from the tree, the first of them.", &drift())),
            ("driftTotal", count("How many objects differ.")),
            ("lastOperation", operation("What was done last.")),
            ("history", list("What was done before, newest first.", &operation("One delivery."))),
            ("failures", count("Failed tries of the wanted revision in a row.")),
            ("lastHandledReconcileAt", text("The reconcile annotation that was answered last.")),
            (
                "next",
                map(
                    "What will be done next, when it is not the regular poll.",
                    vec![
                        ("action", text("What.")),
                        ("reason", text("Why.")),
                        ("at", time("Not before.")),
                    ],
                ),
            ),
            (
                "notified",
                with(
                    map(
                        "What the receivers of spec.notify were told last.",
                        vec![("revision", text("The commit.")), ("event", told())],
                    ),
                    &json!({"required": ["revision", "event"]}),
                ),
            ),
        ],
    )
}

fn told() -> Value {
    choice("What was told of it.", &NotifyEvent::ALL.map(NotifyEvent::name))
}

fn number(about: &str) -> Value {
    json!({"type": "integer", "format": "int64", "description": about})
}

fn time(about: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": about})
}

fn condition() -> Value {
    with(
        map(
            "One condition.",
            vec![
                ("type", text("What it speaks of.")),
                ("status", choice("Whether it holds.", &["True", "False", "Unknown"])),
                ("reason", text("One word.")),
                ("message", text("For people.")),
                ("observedGeneration", number("The generation that was looked at.")),
                ("lastTransitionTime", time("When the status last changed.")),
            ],
        ),
        &json!({"required": ["type", "status"]}),
    )
}

fn inventory() -> Value {
    let health = ["healthy", "suspended", "progressing", "missing", "degraded", "unknown"];
    let health = health.into_iter().map(|name| (name, count("Objects of this health."))).collect();
    map(
        "What is managed, in numbers; the list is in ConfigMaps.",
        vec![
            ("delivery", text("The value of the labels on the objects and on the ConfigMaps.")),
            ("namespace", text("The namespace of the ConfigMaps.")),
            ("objects", count("Objects in it.")),
            ("health", map("The same by health.", health)),
        ],
    )
}

fn drift() -> Value {
    map(
        "One object that differs.",
        vec![
            ("group", text("API group.")),
            ("kind", text("Kind.")),
            ("namespace", text("Namespace.")),
            ("name", text("Name.")),
            ("fields", list("The paths that differ, without values.", &text("A path."))),
            ("manager", text("Who wrote them.")),
            ("held", text("Why it is not healed.")),
            ("since", time("When it was seen first.")),
        ],
    )
}

fn operation(about: &str) -> Value {
    let counts = ["created", "updated", "unchanged", "pruned", "failed", "held"];
    let counts = counts.into_iter().map(|name| (name, count("Objects."))).collect();
    let timings = ["fetch", "render", "apply", "health"];
    let timings = timings.into_iter().map(|name| (name, duration("How long it took."))).collect();
    map(
        about,
        vec![
            ("revision", text("The commit.")),
            ("author", text("Who wrote it.")),
            ("committer", text("Who committed it.")),
            ("signature", text("What was found about its signature.")),
            ("signer", text("Whose key it was.")),
            ("trigger", text("What set it off.")),
            ("detectedAt", time("When the revision was first heard of.")),
            ("startedAt", time("When work began.")),
            ("finishedAt", time("When the last object was applied.")),
            ("healthyAt", time("When everything was healthy.")),
            ("outcome", text("How it ended.")),
            ("reason", text("One word.")),
            ("message", text("For people.")),
            ("counts", map("Objects by what was done with them.", counts)),
            ("timings", map("How long its parts took.", timings)),
        ],
    )
}
