//! Checks every line of a file against the OpenAPI documents of a folder and tells what that
//! costs, with and without reading the objects. Used by `cargo xtask bench schema`;
//! `check_objects DOCUMENTS OBJECTS.jsonl`. Exit code 1 when an object is refused.

#![expect(clippy::print_stdout, reason = "a program for people")]

use objects::{GroupVersionKind, Object};
use schema::Schema;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Objects that are read before they are checked, so that neither is timed one by one.
const BATCH: usize = 500;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(folder), Some(file)) = (words.next(), words.next()) else {
        return Err("usage: check_objects DOCUMENTS OBJECTS.jsonl".into());
    };
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut kinds = BTreeSet::new();
    for line in &lines {
        kinds.insert(Object::from_value(serde_json::from_str(line)?)?.gvk());
    }
    let start = Instant::now();
    let schemas = compiled(&folder, &kinds.into_iter().collect::<Vec<_>>())?;
    let compiling = start.elapsed();
    let (mut reading, mut checking) = (Duration::ZERO, Duration::ZERO);
    let mut refused = 0_usize;
    for batch in lines.chunks(BATCH) {
        let start = Instant::now();
        let mut objects = Vec::with_capacity(batch.len());
        for line in batch {
            objects.push(Object::from_value(serde_json::from_str(line)?)?);
        }
        reading += start.elapsed();
        let start = Instant::now();
        for object in &objects {
            let Some(schema) = schemas.get(&object.gvk()) else {
                return Err(format!("no schema of {}", object.gvk()).into());
            };
            let checked = schema.check(object);
            if let Some(first) = checked.violations.first() {
                refused += 1;
                println!("{} {}: {first}", object.kind(), object.name());
            }
        }
        checking += start.elapsed();
    }
    let micros = |duration: Duration| {
        let count = u32::try_from(lines.len().max(1)).unwrap_or(u32::MAX);
        (duration / count).as_secs_f64() * 1e6
    };
    println!(
        "{} objects, {refused} refused; compile {:.1} ms, check {:.2} µs, read and check {:.2} µs",
        lines.len(),
        compiling.as_secs_f64() * 1e3,
        micros(checking),
        micros(reading + checking),
    );
    let bytes: BTreeMap<String, usize> =
        schemas.values().map(|schema| (schema.gvk().api_version(), schema.len_bytes())).collect();
    println!("{} kinds in {} KiB", schemas.len(), bytes.values().sum::<usize>() / 1024);
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
