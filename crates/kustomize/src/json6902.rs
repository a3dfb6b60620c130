//! JSON Patch (RFC 6902) as kustomize applies it: to the JSON of an object.
//!
//! Where its library is looser than the standard so is this: a list index may be negative, and
//! `replace`, `test` and `copy` take a member of a map that is absent for one that is null.

use crate::node::Node;
use serde_json::Value;

/// Operations in one patch.
pub(crate) const OPERATIONS_MAX: usize = 10_000;

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    op: Op,
    path: String,
    from: String,
    value: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// Reads a patch that was parsed from YAML or JSON.
///
/// # Errors
/// What is wrong with which operation.
pub(crate) fn read(node: &Node) -> Result<Vec<Operation>, String> {
    let list = node.as_list().ok_or("a JSON patch is a list of operations")?;
    if list.len() > OPERATIONS_MAX {
        return Err(format!("the patch has more than {OPERATIONS_MAX} operations"));
    }
    list.iter()
        .enumerate()
        .map(|(index, node)| operation(node).map_err(|e| format!("operation {index}: {e}")))
        .collect()
}

fn operation(node: &Node) -> Result<Operation, String> {
    let map = node.as_map().ok_or("an operation is a map")?;
    let text = |key: &str| map.get(key).and_then(Node::text).map(str::to_owned);
    let op = match text("op").as_deref() {
        Some("add") => Op::Add,
        Some("remove") => Op::Remove,
        Some("replace") => Op::Replace,
        Some("move") => Op::Move,
        Some("copy") => Op::Copy,
        Some("test") => Op::Test,
        Some(other) => return Err(format!("`op: {other}` is unknown")),
        None => return Err("`op` is missing".to_owned()),
    };
    let path = text("path").ok_or("`path` is missing")?;
    let from = text("from");
    if matches!(op, Op::Move | Op::Copy) && from.is_none() {
        return Err("`from` is missing".to_owned());
    }
    let value = map.get("value").map(Node::to_json_v2).transpose()?;
    if matches!(op, Op::Add | Op::Replace) && value.is_none() {
        return Err("`value` is missing".to_owned());
    }
    Ok(Operation { op, path, from: from.unwrap_or_default(), value })
}

/// Applies all operations, or none.
///
/// # Errors
/// Which operation failed, and why.
pub(crate) fn apply(document: Value, operations: &[Operation]) -> Result<Value, String> {
    let mut document = document;
    for (index, operation) in operations.iter().enumerate() {
        one(&mut document, operation)
            .map_err(|error| format!("operation {index} (`{}`): {error}", operation.path))?;
    }
    Ok(document)
}

fn one(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = pointer(&operation.path);
    let value = || operation.value.clone().unwrap_or(Value::Null);
    match operation.op {
        Op::Add => add(document, &path, value()),
        Op::Remove => remove(document, &path).map(drop),
        Op::Replace => {
            if path.is_empty() {
                *document = value();
                return Ok(());
            }
            replace(document, &path, value())
        }
        Op::Move => {
            let moved = remove(document, &pointer(&operation.from))?;
            add(document, &path, moved)
        }
        Op::Copy => {
            let copied = take(document, &pointer(&operation.from))?;
            add(document, &path, copied)
        }
        Op::Test => {
            let found = take(document, &path)?;
            if is_equal(&found, &value()) { Ok(()) } else { Err("the test failed".to_owned()) }
        }
    }
}

/// Equality with numbers by value.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| is_equal(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        (a, b) => a == b,
    }
}

fn pointer(path: &str) -> Vec<String> {
    let parts = path.split('/').skip(1);
    parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

fn find<'v>(document: &'v mut Value, path: &[String]) -> Result<&'v mut Value, String> {
    let mut at = document;
    for part in path {
        at = match at {
            Value::Object(map) => map.get_mut(part),
            Value::Array(list) => {
                let index = index(part, list.len())?;
                list.get_mut(index)
            }
            _ => None,
        }
        .ok_or_else(|| format!("there is no `{part}`"))?;
    }
    Ok(at)
}

/// A copy of a value; a member of a map that is absent is null to kustomize's library.
fn take(document: &mut Value, path: &[String]) -> Result<Value, String> {
    let Some((last, parents)) = path.split_last() else { return Ok(document.clone()) };
    match find(document, parents)? {
        Value::Object(map) => Ok(map.get(last).cloned().unwrap_or(Value::Null)),
        list => find(list, std::slice::from_ref(last)).cloned(),
    }
}

/// Puts a value in the place of another; into a map also where there was none.
fn replace(document: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    let Some((last, parents)) = path.split_last() else { return Ok(()) };
    match find(document, parents)? {
        Value::Object(map) => {
            map.insert(last.clone(), value);
        }
        list => *find(list, std::slice::from_ref(last))? = value,
    }
    Ok(())
}

/// A list index; a negative one counts from the end.
fn index(part: &str, len: usize) -> Result<usize, String> {
    let wrong = || format!("`{part}` is no index of a list of {len}");
    let number: i64 = part.parse().map_err(|_| wrong())?;
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let number = if number < 0 { number.saturating_add(len) } else { number };
    usize::try_from(number).map_err(|_| wrong())
}

fn add(document: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    let Some((last, parents)) = path.split_last() else {
        *document = value;
        return Ok(());
    };
    match find(document, parents)? {
        Value::Object(map) => {
            map.insert(last.clone(), value);
            Ok(())
        }
        Value::Array(list) if last == "-" => {
            list.push(value);
            Ok(())
        }
        Value::Array(list) => {
            // A negative index counts from behind the new member.
            let at = index(last, list.len() + usize::from(last.starts_with('-')))?;
            if at > list.len() {
                return Err(format!("`{last}` is behind the end of a list of {}", list.len()));
            }
            list.insert(at, value);
            Ok(())
        }
        _ => Err("the parent is no map and no list".to_owned()),
    }
}

fn remove(document: &mut Value, path: &[String]) -> Result<Value, String> {
    let Some((last, parents)) = path.split_last() else {
        return Err("the whole object cannot be removed".to_owned());
    };
    match find(document, parents)? {
        Value::Object(map) => map.remove(last).ok_or_else(|| format!("there is no `{last}`")),
        Value::Array(list) => {
            let at = index(last, list.len())?;
            if at >= list.len() {
                return Err(format!("there is no `{last}` in a list of {}", list.len()));
            }
            Ok(list.remove(at))
        }
        _ => Err("the parent is no map and no list".to_owned()),
    }
}
