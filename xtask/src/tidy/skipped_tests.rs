//! A test that is switched off proves nothing: it runs, or it skips with a reason at run time.

use super::{Check, Finding, Tree, lines_with};

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "skipped-tests", about: "no test is switched off by an attribute", run };

fn run(tree: &Tree) -> Vec<Finding> {
    let attribute = format!("#[{}", "ignore");
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        for (line, _) in lines_with(&file.text, &attribute) {
            let message = "a test is switched off: let it skip with the piece it lacks";
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_switched_off_is_found() {
        let text = format!("//! Tests.\n#[test]\n#[{}]\nfn a() {{}}\n", "ignore");
        assert_eq!(run(&Tree::of(&[("a.rs", &text)])).len(), 1);
    }
}
