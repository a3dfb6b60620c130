//! Kinds that other objects need in order to exist.

use super::{Condition, Health, condition};
use crate::Object;

pub(super) fn namespace(object: &Object) -> Health {
    match object.str_at(&["status", "phase"]) {
        Some("Active") => Health::healthy(),
        Some("Terminating") => Health::progressing("being deleted"),
        None | Some("") => Health::progressing("not active yet"),
        Some(phase) => Health::unknown(format!("the phase is {phase}")),
    }
}

pub(super) fn custom_resource_definition(object: &Object) -> Health {
    if condition(object, "Terminating").is_some_and(|c| c.is_true()) {
        return Health::progressing("being deleted");
    }
    if let Some(refused) = condition(object, "NamesAccepted").filter(Condition::is_false) {
        return Health::degraded(refused.text());
    }
    if let Some(invalid) = condition(object, "NonStructuralSchema").filter(Condition::is_true) {
        return Health::degraded(invalid.text());
    }
    match condition(object, "Established") {
        Some(established) if established.is_true() => {
            let stale = established
                .observed_generation
                .is_some_and(|observed| observed < object.generation().unwrap_or(0));
            if stale { super::not_observed() } else { Health::healthy() }
        }
        Some(established) => Health::progressing(established.text()),
        None => Health::progressing("not established yet"),
    }
}

pub(super) fn api_service(object: &Object) -> Health {
    match condition(object, "Available") {
        Some(available) if available.is_true() => Health::healthy(),
        Some(unavailable) => Health::progressing(unavailable.text()),
        None => Health::progressing("not available yet"),
    }
}
