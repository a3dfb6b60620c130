//! Every Rust file begins by saying what it is and why it matters; tests beside a file need not.

use super::{Check, Finding, Tree};

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "header", about: "a Rust file begins with a `//!` header", run };

fn run(tree: &Tree) -> Vec<Finding> {
    tree.ending(".rs")
        .filter(|file| !file.path.ends_with("/tests.rs") && !file.text.starts_with("//! "))
        .map(|file| Finding::new(&file.path, 1, "no `//!` header that says what the file is for"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        let tree = Tree::of(&[("a.rs", "//! Why.\n"), ("b.rs", "use std::fs;\n"), ("c.rs", "")]);
        let paths: Vec<String> = run(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["b.rs", "c.rs"]);
    }
}
