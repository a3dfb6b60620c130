//! A file fits in one reading.

use super::{Check, Finding, Tree};

/// Lines of a source file.
const FILE_LINES_MAX: usize = 600;
/// Lines of a file that holds only tests.
const TEST_FILE_LINES_MAX: usize = 900;

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "file-length", about: "a Rust file has at most 600 lines, one of tests 900", run };

fn run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        let lines = file.text.lines().count();
        let limit = if is_test(&file.path) { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
        if lines > limit {
            let message = format!("{lines} lines, at most {limit}: split it by what it is about");
            findings.push(Finding::new(&file.path, limit + 1, message));
        }
    }
    findings
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_the_limit_passes_and_one_line_more_does_not() {
        let (full, long) = ("x\n".repeat(600), "x\n".repeat(601));
        let tree = Tree::of(&[("a.rs", &full), ("b.rs", &long), ("c/tests.rs", &long)]);
        let found = run(&tree);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("b.rs:601: 601 lines"));
    }
}
