//! Checks every line of a file against the OpenAPI documents of a folder. Used by
//! `cargo xtask bench schema`; `check_objects DOCUMENTS OBJECTS.jsonl [ROUNDS]`. Each object is
//! checked so many times (once when not said; with 0 it is read only), so that what a check costs
//! is the difference of two runs. Exit code 1 when an object is refused.

#![expect(clippy::print_stdout, reason = "a program for people")]

use objects::{GroupVersionKind, Object};
use schema::Schema;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::process::ExitCode;

/// What an object says it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    api_version: &'a str,
    kind: &'a str,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(folder), Some(file)) = (words.next(), words.next()) else {
        return Err("usage: check_objects DOCUMENTS OBJECTS.jsonl [ROUNDS]".into());
    };
    let rounds: usize = words.next().map_or(Ok(1), |word| word.parse())?;
    let text = std::fs::read_to_string(file)?;
    let mut said = BTreeSet::new();
    for line in text.lines() {
        let Said { api_version, kind } = serde_json::from_str(line)?;
        said.insert((api_version, kind));
    }
    let kinds: Vec<GroupVersionKind> = said
        .into_iter()
        .map(|(version, kind)| GroupVersionKind::from_api_version(version, kind))
        .collect();
    let schemas = compiled(&folder, &kinds)?;
    let (mut objects, mut refused) = (0_usize, 0_usize);
    for line in text.lines() {
        let object = Object::from_value(serde_json::from_str(line)?)?;
        let Some(schema) = schemas.get(&object.gvk()) else {
            return Err(format!("no schema of {}", object.gvk()).into());
        };
        objects += 1;
        let mut first = None;
        for _ in 0..rounds {
            first = schema.check(&object).violations.into_iter().next();
        }
        if let Some(first) = first {
            refused += 1;
            println!("{} {}: {first}", object.kind(), object.name());
        }
    }
    let bytes: BTreeMap<String, usize> =
        schemas.values().map(|schema| (schema.gvk().api_version(), schema.len_bytes())).collect();
    let kib = bytes.values().sum::<usize>() / 1024;
    println!("{objects} objects, {refused} refused, {} kinds in {kib} KiB", schemas.len());
    Ok(ExitCode::from(u8::from(refused > 0)))
}

/// Every document of the folder, one in memory at a time.
fn compiled(
    folder: &str,
    kinds: &[GroupVersionKind],
) -> Result<BTreeMap<GroupVersionKind, Schema>, Box<dyn Error>> {
    let mut schemas = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let found = schema::compile(&std::fs::read(entry?.path())?, kinds)?;
        for (gvk, schema) in found {
            schemas.insert(gvk, schema?);
        }
    }
    Ok(schemas)
}
