//! Every package says what it is for, how to use it and what its limits are.

use super::{Check, Finding, Tree};

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "readme", about: "every package has a README.md beside its Cargo.toml", run };

fn run(tree: &Tree) -> Vec<Finding> {
    tree.members()
        .filter_map(|package| {
            let readme = package.manifest_path.replace("Cargo.toml", "README.md");
            match tree.text(&readme) {
                Some(text) if text.starts_with("# ") => None,
                Some(_) => Some(Finding::new(&readme, 1, "does not begin with a `# ` title")),
                None => Some(Finding::new(&package.manifest_path, 1, "no README.md beside it")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Package;

    #[test]
    fn a_package_without_a_readme_is_found() {
        let mut tree = Tree::of(&[("crates/a/README.md", "# a\n")]);
        for name in ["a", "b"] {
            tree.packages.push(Package {
                name: name.into(),
                manifest_path: format!("crates/{name}/Cargo.toml"),
                ..Package::default()
            });
        }
        let found = run(&tree);
        assert_eq!(found, [Finding::new("crates/b/Cargo.toml", 1, "no README.md beside it")]);
    }
}
