//! A document next to a structural schema: every unknown field with what was meant, every value
//! of a wrong type, every missing field, each with its path.
//!
//! Only the keywords that [`crate::crd`] uses are known. Bounds: [`PROBLEMS_MAX`] problems are
//! told; the depth is that of the schema, because what is below an unknown field is not looked at.

use crate::spec::SpecProblem;
use model::nearest;
use serde_json::Value;

/// Problems of one document that are told.
pub(crate) const PROBLEMS_MAX: usize = 50;

/// What is wrong with `value`, in its order. `path` is where it stands, empty for a whole one.
pub(crate) fn check(value: &Value, schema: &Value, path: &str) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    walk(value, schema, path, &mut problems);
    problems.truncate(PROBLEMS_MAX);
    problems
}

fn walk(value: &Value, schema: &Value, path: &str, problems: &mut Vec<SpecProblem>) {
    if problems.len() >= PROBLEMS_MAX {
        return;
    }
    let expected = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if !fits(value, expected) {
        let problem = format!("is {}, expected {}", found(value), article(expected));
        problems.push(SpecProblem::new(path, problem));
        return;
    }
    match value {
        Value::Object(fields) => {
            let Some(known) = schema.get("properties").and_then(Value::as_object) else { return };
            let missing = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            for field in missing.filter_map(Value::as_str).filter(|f| !fields.contains_key(*f)) {
                problems.push(SpecProblem::new(join(path, field), "is missing"));
            }
            for (field, value) in fields {
                match known.get(field) {
                    Some(schema) => walk(value, schema, &join(path, field), problems),
                    None => problems.push(unknown(path, field, known.keys())),
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            for (index, item) in items.iter().enumerate() {
                walk(item, schema, &format!("{path}[{index}]"), problems);
            }
        }
        Value::String(text) => {
            let Some(words) = schema.get("enum").and_then(Value::as_array) else { return };
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            if !words.contains(&text.as_str()) {
                let problem = format!("must be one of {}", words.join(", "));
                let mut problem = SpecProblem::new(path, problem);
                if let Some(meant) = nearest(text, words) {
                    problem = problem.hint(format!("did you mean `{meant}`?"));
                }
                problems.push(problem);
            }
        }
        _ => {}
    }
}

fn unknown<'a>(path: &str, field: &str, known: impl Iterator<Item = &'a String>) -> SpecProblem {
    let problem = SpecProblem::new(join(path, field), "is not a known field");
    match nearest(field, known.map(String::as_str)) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem,
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn fits(value: &Value, expected: &str) -> bool {
    match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => true,
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean (text such as `on`, `off` or `yes` needs quotes)",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn article(expected: &str) -> &'static str {
    match expected {
        "object" => "a map",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "something else",
    }
}
