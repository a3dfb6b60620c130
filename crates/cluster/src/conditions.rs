//! Status conditions whose transition time moves only when the status does.
//!
//! Input: the conditions an object has and the one that holds now. Output: whether anything must
//! be written, so that a controller in a steady state writes nothing.

use crate::timestamp::seconds_text;
use objects::Object;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// The API's limit on a condition's message.
pub const CONDITION_MESSAGE_BYTES_MAX: usize = 32_768;

/// One condition, as the API writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Progressing`.
    pub r#type: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// One word in CamelCase.
    #[serde(default)]
    pub reason: String,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// The generation of the spec that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed, RFC 3339; set by [`set_condition`].
    #[serde(default)]
    pub last_transition_time: String,
}

impl Condition {
    /// A condition without message and generation.
    pub fn new(
        r#type: impl Into<String>,
        status: bool,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            r#type: r#type.into(),
            status: if status { "True" } else { "False" }.to_owned(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: None,
            last_transition_time: String::new(),
        }
    }
}

/// Sets a condition; true when the list changed and has to be written. The message is cut at
/// [`CONDITION_MESSAGE_BYTES_MAX`].
pub fn set_condition(list: &mut Vec<Condition>, mut next: Condition, now: SystemTime) -> bool {
    let end = next.message.floor_char_boundary(CONDITION_MESSAGE_BYTES_MAX);
    next.message.truncate(end);
    match list.iter_mut().find(|known| known.r#type == next.r#type) {
        Some(known) => {
            let moved = known.status != next.status || known.last_transition_time.is_empty();
            next.last_transition_time =
                if moved { seconds_text(now) } else { known.last_transition_time.clone() };
            let changed = *known != next;
            *known = next;
            changed
        }
        None => {
            next.last_transition_time = seconds_text(now);
            list.push(next);
            true
        }
    }
}

/// The conditions in an object's status; entries of another shape are left out.
#[must_use]
pub fn conditions_of(object: &Object) -> Vec<Condition> {
    let list = object.at(&["status", "conditions"]).and_then(|list| list.as_array());
    let read = |entry| serde_json::from_value(Clone::clone(entry)).ok();
    list.into_iter().flatten().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn operator_20_a_repeated_condition_is_no_change_and_keeps_its_time() {
        let mut list = Vec::new();
        assert!(set_condition(&mut list, Condition::new("Ready", true, "Fine", ""), at(10)));
        assert!(!set_condition(&mut list, Condition::new("Ready", true, "Fine", ""), at(20)));
        assert_eq!(list[0].last_transition_time, "1970-01-01T00:00:10Z");
        assert!(set_condition(&mut list, Condition::new("Ready", true, "Fine", "new"), at(30)));
        assert_eq!(list[0].last_transition_time, "1970-01-01T00:00:10Z");
        assert!(set_condition(&mut list, Condition::new("Ready", false, "Bad", ""), at(40)));
        assert_eq!(list[0].last_transition_time, "1970-01-01T00:00:40Z");
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn a_message_is_cut_at_the_limit_of_the_api_between_characters() {
        let message = |bytes: usize| "é".repeat(bytes / 2);
        let mut list = Vec::new();
        for (given, kept) in [(32_768, 32_768), (32_770, 32_768)] {
            set_condition(&mut list, Condition::new("R", true, "X", message(given)), at(0));
            assert_eq!(list[0].message.len(), kept);
        }
    }
}
