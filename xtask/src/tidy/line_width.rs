//! Lines of Rust fit on a split screen, also where rustfmt does not break them (comments, macros).
//!
//! A line with a string in it is left alone: a message that stands in one piece is found by grep.

use super::{Check, Finding, Tree};

/// The widest line, in characters.
const LINE_CHARS_MAX: usize = 100;

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "line-width", about: "lines of Rust have at most 100 columns", run };

fn run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        for (index, line) in file.text.lines().enumerate() {
            let width = line.chars().count();
            if width > LINE_CHARS_MAX && !line.contains('"') {
                let message = format!("{width} columns, at most {LINE_CHARS_MAX}");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_100_characters_passes_and_of_101_does_not() {
        let text = format!("{}\n{}\n\"{}\"\n", "ä".repeat(100), "a".repeat(101), "s".repeat(101));
        assert_eq!(
            run(&Tree::of(&[("a.rs", &text), ("a.md", &text)])),
            [Finding::new("a.rs", 2, "101 columns, at most 100")]
        );
    }
}
