//! Every shared vector has a known origin and licence.

use super::{Check, Finding, Tree};

/// The check.
pub(crate) const CHECK: Check = Check {
    id: "testdata-index",
    about: "testdata/INDEX.md names every file with its origin and licence",
    run,
};

fn run(tree: &Tree) -> Vec<Finding> {
    let index = tree.text("testdata/INDEX.md").unwrap_or_default();
    let files = tree.files.iter().filter_map(|file| file.path.strip_prefix("testdata/"));
    let mut findings: Vec<Finding> = files
        .filter(|name| *name != "INDEX.md" && !index.contains(&format!("`{name}`")))
        .map(|name| {
            let path = format!("testdata/{name}");
            Finding::new(&path, 1, "is not in testdata/INDEX.md: add origin and licence")
        })
        .collect();
    for (number, line) in index.lines().enumerate().filter(|(_, line)| line.starts_with("| `")) {
        let name = line.split('`').nth(1).unwrap_or_default();
        if !name.contains('.') || tree.text(&format!("testdata/{name}")).is_some() {
            continue;
        }
        let message = format!("names `{name}`, which is not there");
        findings.push(Finding::new("testdata/INDEX.md", number + 1, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_listed_and_a_line_without_a_file_are_found() {
        let tree = Tree::of(&[
            ("testdata/INDEX.md", "| `a.json` | ours | Apache-2.0 |\n| `gone.json` | x | y |\n"),
            ("testdata/a.json", "{}"),
            ("testdata/b.json", "{}"),
        ]);
        let paths: Vec<String> = run(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["testdata/b.json", "testdata/INDEX.md"]);
    }
}
