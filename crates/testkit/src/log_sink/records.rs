//! The records of a request: OTLP in protobuf or JSON, Loki's pushes in protobuf, and the fields
//! of each as JSON.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A record that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The text of its body; the line of Loki.
    pub body: String,
    /// Attributes of its resource, or labels of its stream.
    pub resource: BTreeMap<String, Value>,
    /// Its attributes, or its structured metadata.
    pub attributes: BTreeMap<String, Value>,
    /// The whole record as OTLP writes it in JSON; of Loki's its time only.
    pub record: Value,
    /// Headers of its request.
    pub headers: BTreeMap<String, String>,
}

/// The records in a body; none when it cannot be read.
pub(super) fn read(path: &str, kind: &str, body: &[u8]) -> Option<Vec<Received>> {
    if path.ends_with("/loki/api/v1/push") {
        return loki(body);
    }
    let request: Value = if kind.contains("json") {
        serde_json::from_slice(body).ok()?
    } else {
        let mut line = Vec::new();
        otlp::json::write_line(&otlp::LogsRequest::read(body).ok()?, &mut line);
        serde_json::from_slice(&line).ok()?
    };
    let mut all = Vec::new();
    for logs in list(request.get("resourceLogs")) {
        let resource = attributes(logs.pointer("/resource/attributes"));
        for scope in list(logs.get("scopeLogs")) {
            for record in list(scope.get("logRecords")) {
                let body = record.pointer("/body/stringValue");
                all.push(Received {
                    body: body.and_then(Value::as_str).unwrap_or_default().to_owned(),
                    resource: resource.clone(),
                    attributes: attributes(record.get("attributes")),
                    record: record.clone(),
                    headers: BTreeMap::new(),
                });
            }
        }
    }
    Some(all)
}

/// The same with the headers of their request.
pub(super) fn with_headers(
    mut records: Vec<Received>,
    headers: &[(String, String)],
) -> Vec<Received> {
    for record in &mut records {
        record.headers = headers.iter().cloned().collect();
    }
    records
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Attributes of OTLP by their names; a value is what JSON would write for it.
fn attributes(list_of: Option<&Value>) -> BTreeMap<String, Value> {
    let pair = |one: &Value| {
        Some((one.get("key")?.as_str()?.to_owned(), one.get("value").map_or(Value::Null, plain)))
    };
    list(list_of).iter().filter_map(pair).collect()
}

fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        // A number of 64 bits is text in OTLP's JSON.
        "intValue" => match inner.as_str().and_then(|text| text.parse::<i64>().ok()) {
            Some(number) => number.into(),
            None => inner.clone(),
        },
        "arrayValue" => list(inner.get("values")).iter().map(plain).collect(),
        "kvlistValue" => {
            Value::Object(attributes(inner.get("values")).into_iter().collect::<Map<_, _>>())
        }
        _ => inner.clone(),
    }
}

/// A push of Loki: snappy around streams with labels and entries.
fn loki(body: &[u8]) -> Option<Vec<Received>> {
    let push = snap::raw::Decoder::new().decompress_vec(body).ok()?;
    let mut all = Vec::new();
    for stream in parts(&push, 1)? {
        let labels = String::from_utf8(parts(stream, 1)?.first()?.to_vec()).ok()?;
        for entry in parts(stream, 2)? {
            let mut metadata = BTreeMap::new();
            for pair in parts(entry, 3)? {
                metadata.insert(text(pair, 1)?, Value::from(text(pair, 2)?));
            }
            let time = parts(entry, 1)?.first().copied().unwrap_or_default();
            let time = number(time, 1)? * 1_000_000_000 + number(time, 2)?;
            all.push(Received {
                body: text(entry, 2)?,
                resource: labels_of(&labels)?,
                attributes: metadata,
                record: json!({"timeUnixNano": time.to_string()}),
                headers: BTreeMap::new(),
            });
        }
    }
    Some(all)
}

/// `{a="b", c="d"}` as a map; the values are text as Go quotes it, which is JSON's for ours.
fn labels_of(labels: &str) -> Option<BTreeMap<String, Value>> {
    let mut map = BTreeMap::new();
    let mut rest = labels.strip_prefix('{')?.strip_suffix('}')?;
    while !rest.is_empty() {
        let (name, quoted) = rest.split_once('=')?;
        let mut values = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
        let value = values.next()?.ok()?;
        let (_, after) = quoted.split_at_checked(values.byte_offset())?;
        map.insert(name.trim().to_owned(), value.into());
        rest = after.trim_start_matches([',', ' ']);
    }
    Some(map)
}

fn text(message: &[u8], number: u64) -> Option<String> {
    String::from_utf8(parts(message, number)?.first()?.to_vec()).ok()
}

/// The number in a protobuf message that has only numbers; 0 when it is not there.
fn number(mut message: &[u8], wanted: u64) -> Option<u64> {
    while !message.is_empty() {
        let (key, value) = (varint(&mut message)?, varint(&mut message)?);
        if key >> 3 == wanted {
            return Some(value);
        }
    }
    Some(0)
}

/// Every part of a protobuf message with this number and a length.
fn parts(message: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    let (mut found, mut rest) = (Vec::new(), message);
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match key & 7 {
            0 => drop(varint(&mut rest)?),
            1 => rest = rest.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (part, after) = rest.split_at_checked(length)?;
                if key >> 3 == number {
                    found.push(part);
                }
                rest = after;
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_what_json_would_write() {
        let body = br#"{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":
            {"stringValue":"b"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"},
            "attributes":[{"key":"n","value":{"intValue":"7"}}]}]}]}]}"#;
        let records = read("/v1/logs", "application/json", body).unwrap();
        assert_eq!((records.len(), records[0].body.as_str()), (1, "x"));
        assert_eq!(
            (&records[0].resource["a"], &records[0].attributes["n"]),
            (&json!("b"), &json!(7))
        );
        assert!(read("/v1/logs", "", b"\xff").is_none());
    }

    #[test]
    fn labels_are_read_with_their_quotes() {
        let labels = labels_of(r#"{a="b, \"c\"", d="e"}"#).unwrap();
        assert_eq!((&labels["a"], &labels["d"]), (&json!("b, \"c\""), &json!("e")));
        assert!(labels_of("a").is_none());
    }
}
