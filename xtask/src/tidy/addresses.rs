//! Nothing in the tree depends on a container registry or on one person's machine.

use super::{Check, Finding, Tree, lines_with};

/// The check.
pub(crate) const CHECK: Check = Check {
    id: "addresses",
    about: "no container registry and no folder of one machine is named",
    run,
};

/// In two parts each, so that this file passes its own check.
const WORDS: [(&str, &str); 9] = [
    ("docker", ".io/"),
    ("gcr", ".io/"),
    ("ghcr", ".io/"),
    ("quay", ".io/"),
    ("registry.k8s", ".io"),
    ("public.ecr", ".aws"),
    ("/wo", "rk/"),
    ("/tmp/pro", "of"),
    ("/ro", "ot/."),
];

/// Lists of Go's and Rust's package versions, and vectors of foreign tools, name what they name.
const EXEMPT: [&str; 4] = ["go.mod", "go.sum", "Cargo.lock", "testdata/"];

fn run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let checked =
        tree.files.iter().filter(|file| !EXEMPT.iter().any(|word| file.path.contains(word)));
    for file in checked {
        for (left, right) in WORDS {
            let word = format!("{left}{right}");
            for (line, _) in lines_with(&file.text, &word) {
                findings.push(Finding::new(&file.path, line, format!("names `{word}`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_and_a_machine_path_are_found_and_sums_are_exempt() {
        let text = format!("image: quay{}a/b\npath: /wo{}main\n", ".io/", "rk/");
        let tree = Tree::of(&[("deploy/a.yaml", &text), ("cluster/etcd/go.sum", &text)]);
        let found = run(&tree);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|finding| finding.path == "deploy/a.yaml"));
    }
}
