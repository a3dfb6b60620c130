//! A process to play commands in: no terminal, given variables, no other planes.

use crate::host::{Environment, Host};
use crate::terminal::{ColorChoice, Painter};
use clap::ValueEnum as _;
use model::Build;
use std::cell::RefCell;

thread_local! {
    static WRITTEN: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Takes what a console writes.
pub(crate) fn keep(text: &str) {
    WRITTEN.with_borrow_mut(|written| written.push_str(text));
}

/// What was written since the last call.
pub(crate) fn collected() -> String {
    WRITTEN.with_borrow_mut(std::mem::take)
}

pub(crate) fn host(variables: &[(&str, &str)]) -> Host {
    Host {
        build: Build {
            version: "0.1.0",
            commit: "0123456789abcdef",
            features: &["cli"],
            rustc: "rustc 1.95.0",
            profile: "test",
            target: "none",
        },
        environment: Environment::of(variables.iter().copied()),
        planes: &[],
        stdout_is_terminal: false,
        stderr_is_terminal: false,
    }
}

pub(crate) fn painter(host: &Host) -> Painter {
    Painter::new(ColorChoice::Never, host, false)
}

#[test]
fn the_grammar_of_every_command_is_sound() {
    crate::grammar::root(&host(&[])).debug_assert();
}

/// A plane that has a command with a file behind it.
const PLANES: &[crate::Plane] = &[crate::Plane {
    name: "agent",
    about: "Collect",
    help: String::new,
    verbs: &[model::Verb {
        name: "check-config",
        about: "Check",
        operand: "FILE",
        options: &[model::OptionDoc { name: "state-dir", value: "DIR", help: "State" }],
    }],
    exits: &[(model::Exit::Findings, "some are left")],
    deploy_files: |_| Vec::new(),
    pages: Vec::new,
}];

#[test]
fn completions_and_exit_codes_have_the_other_planes_too_without_the_global_options() {
    let host = Host { planes: PLANES, ..host(&[]) };
    let mut grammar = crate::grammar::with_planes(&host);
    grammar.build();
    let long = |path: &[&str]| -> Vec<String> {
        let command = path.iter().fold(&grammar, |command, word| {
            command.find_subcommand(word).unwrap_or_else(|| panic!("{word}"))
        });
        command.get_arguments().filter_map(|arg| arg.get_long()).map(str::to_owned).collect()
    };
    assert_eq!(long(&["agent", "check-config"]), ["state-dir", "help"]);
    let plan = long(&["sync", "plan"]);
    assert!(["color", "config"].iter().all(|name| plan.iter().any(|one| one == name)), "{plan:?}");
    for shell in clap_complete::Shell::value_variants() {
        let script = crate::documents::completions(*shell, &host);
        assert!(script.contains("check-config") && script.contains("state-dir"), "{shell}");
    }
    let codes = crate::topics::exit_codes(&host);
    assert!(codes.contains("\norlop agent\n  1     some are left\n"), "{codes}");
}

#[test]
fn every_command_has_a_page_and_every_page_is_written_without_a_terminal() {
    let host = host(&[]);
    let documents = crate::documents::all(&host);
    for name in ["cli/orlop-sync-plan.md", "man/orlop-sync-apply.1", "completions/orlop.bash"] {
        assert!(documents.iter().any(|(path, _)| path == name), "{name}");
    }
    for (path, text) in documents {
        assert!(!text.is_empty() && !text.contains("\u{1b}["), "{path}");
    }
}

#[test]
fn a_plan_holds_no_field_that_its_documented_schema_does_not_know() {
    let schema: serde_json::Value = serde_json::from_str(crate::topics::PLAN_SCHEMA_JSON).unwrap();
    let plan = serde_json::to_value(crate::render::tests::full_plan()).unwrap();
    known(&schema, &schema, &plan, "plan");
}

fn known(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    value: &serde_json::Value,
    at: &str,
) {
    let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
    let schema = name.map_or(schema, |name| &root["$defs"][name]);
    match value {
        serde_json::Value::Object(map) if schema["properties"].is_object() => {
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(map.contains_key(required.as_str().unwrap()), "{at} lacks {required}");
            }
            for (key, child) in map {
                let described = &schema["properties"][key];
                assert!(described.is_object(), "{at}.{key} is not in the schema");
                known(root, described, child, &format!("{at}.{key}"));
            }
        }
        serde_json::Value::Array(list) => {
            for child in list {
                known(root, &schema["items"], child, &format!("{at}[]"));
            }
        }
        _ => {}
    }
}
