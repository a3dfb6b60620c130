//! Lines of Rust fit on a split screen, also where rustfmt does not break them (comments, macros).
//!
//! A line with a string in it is left alone: a message that stands in one piece is found by grep,
//! and a raw string of several lines is what a program prints.

use super::{Check, Finding, Tree};

/// The widest line, in characters.
const LINE_CHARS_MAX: usize = 100;

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "line-width", about: "lines of Rust have at most 100 columns", run };

fn run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        let mut raw_end = None;
        for (index, line) in file.text.lines().enumerate() {
            let is_text = raw_end.is_some() || line.contains('"');
            raw_end = match raw_end {
                Some(end) if line.contains(end) => None,
                None => raw_string_end(line),
                open => open,
            };
            let width = line.chars().count();
            if width > LINE_CHARS_MAX && !is_text {
                let message = format!("{width} columns, at most {LINE_CHARS_MAX}");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// How the raw string ends that begins on this line and does not end on it.
fn raw_string_end(line: &str) -> Option<&'static str> {
    [("r#\"", "\"#"), ("[r\"", "\"]")].into_iter().find_map(|(begin, end)| {
        let (_, rest) = line.rsplit_once(begin)?;
        (!rest.contains(end)).then_some(end)
    })
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

    #[test]
    fn what_stands_in_a_raw_string_may_be_wide_and_what_follows_it_may_not() {
        let wide = "a".repeat(101);
        let text = format!("f(r#\"\n{wide}\n\"#);\n{wide}\ng([[r\"\n{wide}\n\"]]);\n{wide}\n");
        let found = run(&Tree::of(&[("a.rs", &text)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [4, 8]);
    }
}
