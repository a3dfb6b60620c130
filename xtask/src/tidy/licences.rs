//! Every package that is linked may be: its licence is on the list in `deny.toml`.
//!
//! cargo-deny checks more (advisories, duplicates) and reads the same file; this check needs no
//! tool to be installed.

use super::{Check, Finding, Tree};

/// The check.
pub(crate) const CHECK: Check =
    Check { id: "licences", about: "every package has a licence that deny.toml allows", run };

fn run(tree: &Tree) -> Vec<Finding> {
    let Some(policy) = tree.text("deny.toml") else {
        let missing = Finding::new("deny.toml", 1, "there is no list of allowed licences");
        return tree.packages.first().map(|_| missing).into_iter().collect();
    };
    let allowed = allowed(policy);
    tree.packages
        .iter()
        .filter_map(|package| {
            let message = match &package.license {
                Some(expression) if permits(expression, &allowed) => return None,
                Some(expression) => format!("has the licence `{expression}`"),
                None => "states no licence".to_owned(),
            };
            let name = format!("{} {}", package.name, package.version);
            Some(Finding::new("deny.toml", 1, format!("{name} {message}, which is not allowed")))
        })
        .collect()
}

/// The strings of the list `allow` below `[licenses]`.
fn allowed(policy: &str) -> Vec<&str> {
    let section = policy.split("[licenses]").nth(1).unwrap_or_default();
    let list = section.split("allow").nth(1).and_then(|rest| rest.split(']').next());
    let quoted = list.unwrap_or_default().split('"').skip(1).step_by(2);
    quoted.collect()
}

/// Whether an SPDX expression can be met with these licences. `AND` binds stronger than `OR`,
/// the old `/` is an `OR`, parentheses group.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, allowed) && rest.is_empty()
}

fn any_of(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = all_of(words, allowed);
    while let [first, rest @ ..] = *words
        && *first == "OR"
    {
        *words = rest;
        // Both sides are always read, so that the rest of the words is right.
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while let [first, rest @ ..] = *words
        && *first == "AND"
    {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any_of(words, allowed);
            if let [")", rest @ ..] = *words {
                *words = rest;
            }
            met
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            let whole = format!("{licence} WITH {exception}");
            allowed.contains(&whole.as_str()) || allowed.contains(licence)
        }
        [licence, rest @ ..] => {
            *words = rest;
            allowed.contains(licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Package;

    #[test]
    fn expressions_are_met_by_one_side_of_or_and_by_both_of_and() {
        let permits = |text| permits(text, &["MIT", "Apache-2.0", "Unicode-3.0"]);
        assert!(permits("MIT OR GPL-3.0"));
        assert!(permits("GPL-3.0/MIT"));
        assert!(permits("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(permits("Apache-2.0 WITH LLVM-exception"));
        assert!(!permits("MIT AND GPL-3.0"));
        assert!(!permits("GPL-3.0"));
        assert!(!permits(""));
    }

    #[test]
    fn a_package_with_a_foreign_licence_or_none_is_found() {
        let policy = "[licenses]\nallow = [\n  \"MIT\",\n  \"ISC\",\n]\n[bans]\nallow = [\"x\"]\n";
        assert_eq!(allowed(policy), ["MIT", "ISC"]);
        let mut tree = Tree::of(&[("deny.toml", policy)]);
        for licence in [Some("MIT"), Some("GPL-2.0"), None] {
            let license = licence.map(str::to_owned);
            tree.packages.push(Package { license, ..Package::default() });
        }
        assert_eq!(run(&tree).len(), 2);
    }
}
