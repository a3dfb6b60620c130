//! Pods.

use super::{Condition, Health, condition};
use crate::Object;
use serde_json::Value;

pub(super) fn pod(object: &Object) -> Health {
    let restarts = object.str_at(&["spec", "restartPolicy"]).unwrap_or("Always") == "Always";
    if restarts && let Some(stuck) = stuck_container(object) {
        return Health::degraded(stuck);
    }
    let message = object.str_at(&["status", "message"]).unwrap_or_default();
    match object.str_at(&["status", "phase"]) {
        Some("Pending") => Health::progressing(pending(object)),
        Some("Running") if restarts => running(object),
        Some("Running") => Health::progressing("running to completion"),
        Some("Succeeded") => Health::healthy(),
        Some("Failed") if !message.is_empty() => Health::degraded(message),
        Some("Failed") => Health::degraded(failed_container(object)),
        None | Some("") => Health::progressing("not seen by a node or the scheduler yet"),
        Some(phase) => Health::unknown(format!("the phase is {phase}")),
    }
}

fn running(object: &Object) -> Health {
    match condition(object, "Ready") {
        Some(ready) if ready.is_true() => Health::healthy(),
        _ => match terminated(object, "lastState") {
            Some(exit) => Health::degraded(exit),
            None => Health::progressing("not ready"),
        },
    }
}

fn pending(object: &Object) -> String {
    match condition(object, "PodScheduled").filter(Condition::is_false) {
        Some(unscheduled) => unscheduled.text(),
        None => "starting".to_owned(),
    }
}

/// Statuses of all containers, init containers first.
fn containers(object: &Object) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|field| object.at(&["status", field])?.as_array())
        .flatten()
}

fn text<'a>(container: &'a Value, pointer: &str) -> &'a str {
    container.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A container that waits for a reason that will not pass by itself.
fn stuck_container(object: &Object) -> Option<String> {
    containers(object).find_map(|container| {
        let reason = text(container, "/state/waiting/reason");
        let is_stuck =
            reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff");
        let name = text(container, "/name");
        let message = text(container, "/state/waiting/message");
        let colon = if message.is_empty() { "" } else { ": " };
        is_stuck.then(|| format!("container {name}: {reason}{colon}{message}"))
    })
}

fn failed_container(object: &Object) -> String {
    terminated(object, "state").unwrap_or_else(|| "a container failed".to_owned())
}

/// How the first container that ended badly did so.
fn terminated(object: &Object, state: &str) -> Option<String> {
    containers(object).find_map(|container| {
        let end = container.get(state)?.get("terminated")?;
        let code = end.get("exitCode").and_then(Value::as_i64).unwrap_or(0);
        let name = text(container, "/name");
        match end.get("reason").and_then(Value::as_str) {
            Some("OOMKilled") => Some(format!("container {name}: out of memory")),
            _ if code != 0 => Some(format!("container {name}: exit code {code}")),
            _ => None,
        }
    })
}
