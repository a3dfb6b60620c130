//! Versions and features of dependencies stand in one place, and come from a package registry.

use super::{Check, File, Finding, Tree};

/// The check.
pub(crate) const CHECK: Check = Check {
    id: "inherited",
    about: "dependencies are inherited from the workspace, and none comes from Git",
    run,
};

fn run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending("Cargo.toml") {
        // The root is the place that is inherited from; fuzz targets and the models of the ring
        // are workspaces of their own.
        let apart = ["fuzz/", "loom/"].iter().any(|folder| file.path.starts_with(folder));
        if file.path != "Cargo.toml" && !apart {
            not_inherited(file, &mut findings);
        }
        for (index, line) in file.text.lines().enumerate() {
            let compact = line.replace(' ', "");
            if compact.contains("{git=") || compact.contains(",git=") {
                findings.push(Finding::new(&file.path, index + 1, "a dependency from Git"));
            }
        }
    }
    findings
}

/// Lines below a heading of dependencies that do not say `workspace = true`.
fn not_inherited(file: &File, findings: &mut Vec<Finding>) {
    let mut below = false;
    for (index, line) in file.text.lines().enumerate() {
        let compact: String = line.split('#').next().unwrap_or_default().replace(' ', "");
        if let Some(heading) = compact.strip_prefix('[') {
            below = heading.trim_end_matches(']').ends_with("dependencies");
        } else if below && !compact.is_empty() && !compact.contains("workspace=true") {
            let message = "state version and features in the root's [workspace.dependencies]";
            findings.push(Finding::new(&file.path, index + 1, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_its_own_and_a_git_source_are_found() {
        let text = "[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\n\
                    c = \"1\"\n\n[dev-dependencies]\nd = { git = \"https://a.test/d\" }\n\n\
                    [features]\ndefault = []\n";
        let found = run(&Tree::of(&[("crates/a/Cargo.toml", text), ("Cargo.toml", "c = \"1\"")]));
        let mut lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [4, 7, 7]);
    }
}
