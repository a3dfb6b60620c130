//! A heavy dependency has one user, so that it can be replaced, and planes that lack it stay small.

use super::{Check, Finding, Tree};

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "sole-users", about: "kube, clap and gix are each used by one crate", run };

/// A dependency and the only crates that may name it.
const SOLE_USERS: [(&str, &[&str]); 12] = [
    ("kube", &["cluster"]),
    ("kube-client", &["cluster"]),
    ("kube-core", &["cluster"]),
    ("kube-runtime", &["cluster"]),
    ("k8s-openapi", &["cluster"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("gix", &["repo"]),
    ("gix-object", &["repo"]),
    ("gix-odb", &["repo"]),
    ("gix-pack", &["repo"]),
];

/// Crates that must never meet: the agent lists its own node's pods without a cluster client.
const NEVER: [(&str, &str); 3] = [("agent", "cluster"), ("xtask", "tokio"), ("testbed", "tokio")];

fn run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.members() {
        for dependency in &package.dependencies {
            let (name, used) = (package.name.as_str(), dependency.name.as_str());
            let reserved =
                SOLE_USERS.iter().find(|(heavy, users)| *heavy == used && !users.contains(&name));
            if let Some((_, users)) = reserved {
                let message = format!("`{used}` is for {} only", users.join(", "));
                findings.push(Finding::new(&package.manifest_path, 1, message));
            }
            if NEVER.contains(&(name, used)) {
                let message = format!("`{name}` must not use `{used}`");
                findings.push(Finding::new(&package.manifest_path, 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{Dependency, Package};

    #[test]
    fn only_the_named_crates_use_a_heavy_dependency() {
        let package = |name: &str, used: &str| Package {
            name: name.into(),
            dependencies: vec![Dependency { name: used.into(), ..Dependency::default() }],
            ..Package::default()
        };
        let mut tree = Tree::default();
        tree.packages.push(package("cluster", "kube"));
        tree.packages.push(package("delivery", "kube"));
        tree.packages.push(package("agent", "cluster"));
        tree.packages.push(package("cli", "clap"));
        let messages: Vec<String> = run(&tree).into_iter().map(|found| found.message).collect();
        assert_eq!(messages, ["`kube` is for cluster only", "`agent` must not use `cluster`"]);
    }
}
