//! Pointers to fields, for rules about them: RFC 6901 with a choice of list items by their keys.
//!
//! `/spec/replicas`, `/metadata/annotations/example.com~1note`,
//! `/spec/template/spec/containers/[name=web]/image`, `/spec/rules/*/host`. In square brackets a
//! slash need not be escaped. A number chooses a list item by its position.

use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// Longest text of a pointer, in bytes.
pub const POINTER_BYTES_MAX: usize = 1024;
/// Most steps of a pointer.
pub const POINTER_STEPS_MAX: usize = 64;

/// Fields that make an object what it is, or that only the server writes.
const METADATA_OF_THE_SERVER: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "uid",
];

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum PointerStep {
    /// A field of a map, or the position of an item.
    Name(String),
    /// Every field of a map, every item of a list.
    Any,
    /// The items of a list with these values.
    Item(Vec<(String, String)>),
}

/// Points to fields of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPointer {
    text: String,
    pub(super) steps: Vec<PointerStep>,
}

/// Why a text points to nothing that a rule may be about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// It does not begin with a slash.
    #[error("a pointer begins with `/`, as in /spec/replicas")]
    NoSlash,
    /// A bracket without its end, or nothing of the form `key=value` in it.
    #[error("a list item is chosen as [key=value] or [key=value,key=value]")]
    Item,
    /// Too long.
    #[error("a pointer has at most {POINTER_BYTES_MAX} bytes and {POINTER_STEPS_MAX} steps")]
    TooLong,
    /// It covers what an object is told apart by, or what only the server writes.
    #[error("no rule can be about `{0}`")]
    Identity(String),
}

impl FromStr for FieldPointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if text.len() > POINTER_BYTES_MAX {
            return Err(PointerError::TooLong);
        }
        let mut rest = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        let mut steps = Vec::new();
        loop {
            let (step, after) = if rest.starts_with('[') { item(rest)? } else { name(rest) };
            steps.push(step);
            if steps.len() > POINTER_STEPS_MAX {
                return Err(PointerError::TooLong);
            }
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
        if is_identity(&steps) {
            return Err(PointerError::Identity(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), steps })
    }
}

impl fmt::Display for FieldPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PointerStep {
    /// Whether an item of a list at this position is chosen.
    pub(super) fn chooses(&self, index: usize, item: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Name(name) => name.parse::<usize>().is_ok_and(|at| at == index),
            Self::Item(wanted) => wanted.iter().all(|(key, value)| match item.get(key) {
                Some(Value::String(text)) => text == value,
                Some(other @ (Value::Number(_) | Value::Bool(_))) => {
                    let text = other.to_string();
                    text == *value
                }
                _ => false,
            }),
        }
    }
}

fn name(rest: &str) -> (PointerStep, Option<&str>) {
    let (name, after) = match rest.split_once('/') {
        Some((name, after)) => (name, Some(after)),
        None => (rest, None),
    };
    let step = match name {
        "*" => PointerStep::Any,
        name => PointerStep::Name(name.replace("~1", "/").replace("~0", "~")),
    };
    (step, after)
}

fn item(rest: &str) -> Result<(PointerStep, Option<&str>), PointerError> {
    let (inside, after) =
        rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or(PointerError::Item)?;
    let pairs: Option<Vec<(String, String)>> = inside
        .split(',')
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let (key, value) = (key.trim(), value.trim().trim_matches('"'));
            (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
        })
        .collect();
    let after = match after.strip_prefix('/') {
        Some(after) => Some(after),
        None if after.is_empty() => None,
        None => return Err(PointerError::Item),
    };
    Ok((PointerStep::Item(pairs.ok_or(PointerError::Item)?), after))
}

fn is_identity(steps: &[PointerStep]) -> bool {
    let named = |step: Option<&PointerStep>, names: &[&str]| match step {
        Some(PointerStep::Name(name)) => names.contains(&name.as_str()),
        Some(PointerStep::Any) => true,
        _ => false,
    };
    let (first, second) = (steps.first(), steps.get(1));
    named(first, &["apiVersion", "kind", ""])
        || named(first, &["metadata"])
            && (second.is_none() || named(second, &METADATA_OF_THE_SERVER))
}

/// Splits a list of pointers and other words at commas, spaces and lines; not inside of brackets.
#[must_use]
pub fn split_pointers(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|c: char| {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        !inside && (c == ',' || c.is_whitespace())
    })
    .filter(|word| !word.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn steps(text: &str) -> Vec<PointerStep> {
        text.parse::<FieldPointer>().unwrap().steps
    }

    fn named(name: &str) -> PointerStep {
        PointerStep::Name(name.to_owned())
    }

    #[test]
    fn a_pointer_names_fields_items_by_their_keys_and_all_of_a_list() {
        assert_eq!(steps("/spec/replicas"), [named("spec"), named("replicas")]);
        assert_eq!(steps("/a/x~1y~0z"), [named("a"), named("x/y~z")]);
        let item = PointerStep::Item(vec![("mountPath".into(), "/a/b".into())]);
        assert_eq!(steps("/m/[mountPath=/a/b]/name"), [named("m"), item, named("name")]);
        assert_eq!(steps("/l/*"), [named("l"), PointerStep::Any]);
    }

    #[test]
    fn what_no_rule_can_be_about_is_refused() {
        for text in ["", "spec", "/", "/kind", "/metadata", "/metadata/name", "/*", "/metadata/*"] {
            assert!(text.parse::<FieldPointer>().is_err(), "{text}");
        }
        for text in ["/a/[x", "/a/[]", "/a/[x=1]y", "/a/[=1]"] {
            assert_eq!(text.parse::<FieldPointer>(), Err(PointerError::Item), "{text}");
        }
        assert!("/metadata/labels/a".parse::<FieldPointer>().is_ok());
    }

    #[test]
    fn the_bounds_of_a_pointer_hold() {
        let long = |bytes: usize| format!("/{}", "x".repeat(bytes - 1)).parse::<FieldPointer>();
        assert!(long(POINTER_BYTES_MAX).is_ok());
        assert_eq!(long(POINTER_BYTES_MAX + 1), Err(PointerError::TooLong));
        let deep = |steps: usize| "/x".repeat(steps).parse::<FieldPointer>();
        assert!(deep(POINTER_STEPS_MAX).is_ok());
        assert_eq!(deep(POINTER_STEPS_MAX + 1), Err(PointerError::TooLong));
    }

    #[test]
    fn an_item_is_chosen_by_every_given_key() {
        let step = &steps("/p/[name=web,port=80]")[1];
        assert!(step.chooses(0, &json!({"name": "web", "port": 80})));
        assert!(!step.chooses(0, &json!({"name": "web", "port": 81})));
        assert!(!step.chooses(0, &json!("web")));
        assert!(named("1").chooses(1, &json!({})) && !named("1").chooses(0, &json!({})));
    }

    #[test]
    fn a_list_of_pointers_is_split_outside_of_brackets() {
        let text = "/a/[x=1,y=2]/z, /b\n/c";
        assert_eq!(split_pointers(text), ["/a/[x=1,y=2]/z", "/b", "/c"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_pointer_panic(text in "[/a\\[\\]=,*~01 ]{0,30}") {
            let _ = text.parse::<FieldPointer>();
            let _ = split_pointers(&text);
        }
    }
}
