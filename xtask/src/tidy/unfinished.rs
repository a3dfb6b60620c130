//! Nothing unfinished is committed: what is missing belongs into an issue, not into a comment.

use super::{Check, Finding, Tree, lines_with};

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "unfinished", about: "no marker of unfinished work in sources and pages", run };

/// The markers, in two parts each so that this file passes its own check.
const MARKERS: [(&str, &str); 5] =
    [("TO", "DO"), ("FIX", "ME"), ("XX", "X:"), ("todo", "!("), ("unimpl", "emented!")];

fn run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let texts = tree.files.iter().filter(|file| {
        [".rs", ".md", ".toml", ".sh"].iter().any(|suffix| file.path.ends_with(suffix))
    });
    for file in texts {
        for (left, right) in MARKERS {
            let marker = format!("{left}{right}");
            for (line, _) in lines_with(&file.text, &marker) {
                let message = format!("`{marker}`: finish it, or take it out and open an issue");
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_with_its_line_and_plain_words_are_not() {
        let text = format!("//! A page.\n// {}{}: later\nlet todo = 1;\n", "TO", "DO");
        let found = run(&Tree::of(&[("crates/a/src/lib.rs", &text), ("a.json", &text)]));
        let printed: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(printed.len(), 1);
        assert!(printed[0].starts_with("crates/a/src/lib.rs:2: "));
    }
}
