//! Every invariant in ARCHITECTURE.md names a test, and the test exists.

use super::{Check, Finding, Tree};
use std::collections::BTreeSet;

/// The check.
pub(crate) const CHECK: Check = Check {
    id: "invariants",
    about: "every invariant in ARCHITECTURE.md names a test that exists",
    run,
};

const PAGE: &str = "ARCHITECTURE.md";

/// A name in backticks with this many words is a test's; shorter ones are types and fields.
const TEST_NAME_WORDS_MIN: usize = 4;

fn run(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.text(PAGE) else { return Vec::new() };
    let tests = test_names(tree);
    let mut findings = Vec::new();
    for (number, text) in invariants(page) {
        let named: Vec<&str> = quoted(&text).filter(|name| is_test_name(name)).collect();
        if named.is_empty() {
            findings.push(Finding::new(PAGE, number, "this invariant names no test"));
        }
        for name in named {
            let own = name.rsplit("::").next().unwrap_or(name);
            if !tests.contains(own) {
                findings.push(Finding::new(PAGE, number, format!("there is no test `{name}`")));
            }
        }
    }
    findings
}

/// Each numbered item below the heading "Invariants", its lines joined, or each row of a table
/// there whose first cell is a number; with the number of its first line.
fn invariants(page: &str) -> Vec<(usize, String)> {
    let mut items: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in page.lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            inside = heading.contains("nvariants");
        } else if inside && begins_with_number(line) {
            items.push((index + 1, line.to_owned()));
        } else if inside
            && line.starts_with(' ')
            && let Some((_, text)) = items.last_mut()
        {
            text.push_str(line);
        }
    }
    items
}

fn begins_with_number(line: &str) -> bool {
    let line = line.trim_start_matches(['|', ' ']);
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < line.len() && rest.trim_start().starts_with(['.', '|'])
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_test_name(name: &str) -> bool {
    let own = name.rsplit("::").next().unwrap_or(name);
    let plain = own.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    plain && own.split('_').count() >= TEST_NAME_WORDS_MIN
}

/// Names of all functions in Rust files.
fn test_names(tree: &Tree) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for file in tree.ending(".rs") {
        for line in file.text.lines() {
            if let Some((_, rest)) = line.split_once("fn ")
                && let Some(name) = rest.split(['(', '<']).next()
            {
                names.insert(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invariant_without_a_test_and_one_with_an_unknown_test_are_found() {
        let page = "# A\n1. not one\n## Invariants\n1. Holds. Test: `it_holds_at_all_times`.\n\
                    2. Holds too, in two\n   lines: `this_test_is_not_there`.\n3. By faith.\n\
                    | 4 | table | `it_holds_at_all_times` |\n## Next\n5. not one\n";
        let code = "//! Tests.\n#[test]\nfn it_holds_at_all_times() {}\n";
        let found = run(&Tree::of(&[(PAGE, page), ("a.rs", code)]));
        let printed: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            printed,
            [
                "ARCHITECTURE.md:5: there is no test `this_test_is_not_there`",
                "ARCHITECTURE.md:7: this invariant names no test",
            ]
        );
    }
}
