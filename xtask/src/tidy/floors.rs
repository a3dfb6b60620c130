//! A crate depends only on lower floors: what is pure stays pure, and builds stay parallel.

use super::{Check, Dependency, Finding, Tree};

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "floors", about: "a crate depends only on crates of lower floors", run };

/// The floor of each crate; a new crate is one line here and one in ARCHITECTURE.md.
const FLOORS: [(&str, u8); 24] = [
    ("model", 0),
    ("objects", 1),
    ("signature", 1),
    ("sops", 1),
    ("lines", 1),
    ("otlp", 1),
    ("schema", 2),
    ("sync", 2),
    ("gitops", 2),
    ("kustomize", 2),
    ("pipeline", 2),
    ("ssh", 2),
    ("cluster", 3),
    ("repo", 3),
    ("wire", 3),
    ("helm", 3),
    ("host", 3),
    ("store", 3),
    ("delivery", 4),
    ("reconcile", 5),
    ("cli", 6),
    ("controller", 6),
    ("agent", 6),
    ("app", 7),
];

/// Beside the floors: tools and fixtures, with what they may use of ours outside their tests.
const SIDE: [(&str, &[&str]); 5] = [
    ("testbed", &["model"]),
    ("testkit", &["model", "objects", "otlp", "cluster", "repo", "testbed"]),
    ("xtask", &["model", "testbed"]),
    ("pause", &[]),
    ("web", &[]),
];

fn run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.members() {
        let path = package.manifest_path.as_str();
        if floor(&package.name).is_none() && side(&package.name).is_none() {
            let message = format!("crate `{}` has no floor in tidy's table", package.name);
            findings.push(Finding::new(path, 1, message));
        }
        for dependency in package.dependencies.iter().filter(|own| own.source.is_none()) {
            if let Some(message) = judge(&package.name, dependency) {
                let line = tree.text(path).and_then(|text| line_of(text, &dependency.name));
                findings.push(Finding::new(path, line.unwrap_or(1), message));
            }
        }
    }
    findings
}

/// What is wrong with `name` using one of our own crates, if something is.
fn judge(name: &str, dependency: &Dependency) -> Option<String> {
    let (used, dev) = (dependency.name.as_str(), dependency.kind.as_deref() == Some("dev"));
    if let Some(allowed) = side(name) {
        let allowed = dev || allowed.contains(&used);
        return (!allowed).then(|| format!("`{name}` may not use `{used}`"));
    }
    match (floor(name), floor(used)) {
        (Some(own), Some(below)) if below < own => None,
        (Some(own), Some(below)) => {
            Some(format!("`{name}` is on floor {own} and may not use `{used}` on floor {below}"))
        }
        (_, None) if dev => None,
        (_, None) => Some(format!("`{used}` may be used in tests only")),
        (None, _) => None,
    }
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(own, _)| *own == name).map(|(_, floor)| *floor)
}

fn side(name: &str) -> Option<&'static [&'static str]> {
    SIDE.iter().find(|(own, _)| *own == name).map(|(_, allowed)| *allowed)
}

fn line_of(manifest: &str, dependency: &str) -> Option<usize> {
    let named = |line: &str| {
        line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    manifest.lines().position(named).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Package;

    fn uses(name: &str, used: &str, kind: Option<&str>) -> Option<String> {
        let kind = kind.map(str::to_owned);
        judge(name, &Dependency { name: used.into(), kind, source: None })
    }

    #[test]
    fn lower_floors_pass_and_equal_or_higher_ones_do_not() {
        assert_eq!(uses("sync", "objects", None), None);
        assert!(uses("objects", "sync", None).is_some());
        assert!(uses("repo", "cluster", None).is_some());
        assert!(uses("repo", "cluster", Some("dev")).is_some());
    }

    #[test]
    fn side_crates_are_for_tests_only_and_keep_to_their_own_list() {
        assert_eq!(uses("delivery", "testkit", Some("dev")), None);
        assert!(uses("delivery", "testkit", None).is_some());
        assert_eq!(uses("xtask", "testbed", None), None);
        assert!(uses("xtask", "cluster", None).is_some());
    }

    #[test]
    fn a_crate_without_a_floor_is_found() {
        let mut tree = Tree::default();
        tree.packages.push(Package { name: "helpers".into(), ..Package::default() });
        assert_eq!(run(&tree).len(), 1);
        assert_eq!(
            line_of("[dependencies]\nsyncer.workspace = true\nsync.workspace = true", "sync"),
            Some(3)
        );
    }
}
