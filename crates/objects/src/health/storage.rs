//! Volumes and claims.

use super::Health;
use crate::Object;

pub(super) fn claim(object: &Object) -> Health {
    match object.str_at(&["status", "phase"]) {
        Some("Bound") => Health::healthy(),
        Some("Lost") => Health::degraded("the volume of the claim is lost"),
        Some("Pending") | None => Health::progressing("no volume is bound yet"),
        Some(phase) => Health::unknown(format!("the phase is {phase}")),
    }
}

pub(super) fn volume(object: &Object) -> Health {
    let message = object.str_at(&["status", "message"]).unwrap_or_default();
    match object.str_at(&["status", "phase"]) {
        Some("Available" | "Bound" | "Released") => Health::healthy(),
        Some("Pending") | None => Health::progressing("not available yet"),
        Some("Failed") if message.is_empty() => Health::degraded("the volume failed"),
        Some("Failed") => Health::degraded(message),
        Some(phase) => Health::unknown(format!("the phase is {phase}")),
    }
}
