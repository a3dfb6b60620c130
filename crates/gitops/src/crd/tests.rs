use super::*;
use crate::spec::{GitSync, Operation, Status};
use serde_json::Map;
use std::collections::BTreeSet;

/// Every path of the schema: `spec.source.url`, `spec.health[].kind`.
fn paths(schema: &Value, at: &str, into: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{at}.{name}");
        into.insert(path.clone());
        paths(schema, &path, into);
    }
    if let Some(items) = schema.get("items") {
        paths(items, &format!("{at}[]"), into);
    }
}

/// A document with a value at every place of the schema.
fn full(schema: &Value, name: &str) -> Value {
    match schema["type"].as_str().unwrap() {
        "object" => {
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            let mut map: Map<String, Value> =
                fields.iter().map(|(name, schema)| (name.clone(), full(schema, name))).collect();
            if schema.get("x-kubernetes-preserve-unknown-fields").is_some() {
                map.insert("any".to_owned(), json!(1));
            }
            Value::Object(map)
        }
        "array" => json!([full(&schema["items"], name)]),
        "boolean" => json!(true),
        "integer" => json!(7),
        "string" if schema.get("enum").is_some() => schema["enum"][0].clone(),
        "string" if schema.get("format").is_some() => json!("2026-11-25T12:00:00Z"),
        "string" if schema.get("pattern").is_some_and(|p| p.to_string().contains("ms")) => {
            json!("90s")
        }
        _ => match name {
            "signature" => json!("Good"),
            "trigger" => json!("Webhook"),
            "outcome" => json!("Succeeded"),
            _ => json!("text"),
        },
    }
}

/// Every path of a document, lists as `[]`.
fn document_paths(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = format!("{at}.{name}");
                into.insert(path.clone());
                document_paths(value, &path, into);
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| document_paths(item, &format!("{at}[]"), into));
        }
        _ => {}
    }
}

#[test]
fn every_field_of_the_schema_is_a_field_of_the_structs_and_the_other_way_round() {
    let schema = openapi();
    let mut document = full(&schema, "");
    document["metadata"] = json!({"name": "a"});
    document["spec"]["render"]["helm"]["values"] = json!({});
    let read: GitSync = serde_json::from_value(document).unwrap();
    let mut written = BTreeSet::new();
    document_paths(&serde_json::to_value(&read).unwrap(), "", &mut written);
    let mut known = BTreeSet::new();
    paths(&schema, "", &mut known);
    // An empty map of values is not written.
    known.retain(|path| path != ".spec.render.helm.values");
    written.retain(|path| path != ".metadata.name");
    assert_eq!(written, known);
}

#[test]
fn the_defaults_of_the_schema_are_those_of_the_structs() {
    fn defaults(schema: &Value) -> Value {
        let mut value = schema.get("default").cloned().unwrap_or(json!({}));
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let below = match schema["type"].as_str() {
                Some("object") if schema.get("default").is_some() => defaults(schema),
                _ => schema.get("default").cloned().unwrap_or(Value::Null),
            };
            if !below.is_null() {
                value[name.as_str()] = below;
            }
        }
        value
    }
    let mut spec = serde_json::to_value(crate::spec::Spec::default()).unwrap();
    spec.as_object_mut().unwrap().remove("source");
    assert_eq!(defaults(&schema::spec()), spec);
}

#[test]
fn the_schema_is_structural_and_every_field_is_described() {
    fn look(schema: &Value, path: &str) {
        assert!(schema["type"].is_string(), "{path} has no type");
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let meta = [".apiVersion", ".kind", ".metadata"].contains(&path.as_str());
            assert!(meta || schema["description"].is_string(), "{path} is not described");
            look(schema, &path);
        }
        for field in schema["required"].as_array().into_iter().flatten() {
            assert!(schema["properties"].get(field.as_str().unwrap()).is_some(), "{path} {field}");
        }
        if let Some(items) = schema.get("items") {
            look(items, &format!("{path}[]"));
        }
    }
    look(&openapi(), "");
    let columns: Vec<Value> = document()["spec"]["versions"][0]["additionalPrinterColumns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].clone())
        .collect();
    assert_eq!(columns, ["Ready", "Revision", "Age", "Status", "URL", "Suspended"]);
    assert_eq!(document()["metadata"]["name"], "gitsyncs.orlop.dev");
}

#[test]
fn an_empty_status_is_written_as_nothing() {
    let empty = serde_json::to_value(Status::default()).unwrap();
    assert_eq!(empty, json!({}));
    let operation = serde_json::to_value(Operation::default()).unwrap();
    assert_eq!(serde_json::from_value::<Operation>(operation).unwrap(), Operation::default());
}
