//! Which names of files and folders are used. A tree comes from others, so a name is looked at
//! before anything is done with it: it must be one plain, printable component in UTF-8.

use crate::RepoError;
use crate::limits::PATH_BYTES_MAX;

/// What to do with one name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// A plain name.
    Usable(&'a str),
    /// A name that starts with a dot: by custom not for delivery.
    Hidden,
    /// A name that no honest tree has, or that cannot be printed.
    Refused(&'static str),
}

/// Looks at the name of one entry.
pub(crate) fn name(bytes: &[u8]) -> Name<'_> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Name::Refused("its name is not UTF-8");
    };
    if text.is_empty() || text == "." || text == ".." {
        return Name::Refused("its name is not a plain name");
    }
    if text.contains(['/', '\\']) {
        return Name::Refused("its name has a path separator");
    }
    if text.chars().any(char::is_control) {
        return Name::Refused("its name has a control character");
    }
    if text.eq_ignore_ascii_case(".git") || text.eq_ignore_ascii_case("git~1") {
        return Name::Refused("its name is Git's own");
    }
    if text.starts_with('.') { Name::Hidden } else { Name::Usable(text) }
}

/// The path inside a tree in its one spelling: no leading or trailing slash, no `.`; empty is the
/// root.
///
/// # Errors
/// When it is absolute, leads out of the tree or has a name that is refused.
pub(crate) fn tree_path(text: &str) -> Result<String, RepoError> {
    let refused = |reason| RepoError::InvalidPath { path: text.to_owned(), reason };
    if text.len() > PATH_BYTES_MAX {
        return Err(refused("it is too long"));
    }
    if text.starts_with('/') {
        return Err(refused("it is absolute; give it relative to the root of the tree"));
    }
    let mut parts = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return Err(refused("it leads out of the tree"));
        }
        if let Name::Refused(_) = name(part.as_bytes()) {
            return Err(refused("a part of it is not a plain name"));
        }
        parts.push(part);
    }
    Ok(parts.join("/"))
}

/// Where a symbolic link at `folder` (a path inside the tree) points to, inside the tree.
/// `None`: it leaves the tree.
pub(crate) fn link_target(folder: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gitops_15_paths_that_leave_the_tree_are_refused() {
        for path in ["/etc", "../x", "a/../../x", "a/..", ".git", "a/.GIT/hooks", "a\\..\\b"] {
            assert!(tree_path(path).is_err(), "{path}");
        }
        assert_eq!(tree_path("./a//b/").unwrap(), "a/b");
        assert_eq!(tree_path(".").unwrap(), "");
        assert_eq!(tree_path(".github/x").unwrap(), ".github/x");
        let long = "a/".repeat(PATH_BYTES_MAX / 2);
        assert!(tree_path(&long).is_ok());
        assert!(tree_path(&format!("{long}a")).is_err());
    }

    #[test]
    fn gitops_15_only_plain_printable_names_are_used() {
        for bad in ["", ".", "..", "a/b", "a\\b", ".git", ".Git", "GIT~1", "a\u{7}", "a\nb"] {
            assert!(matches!(name(bad.as_bytes()), Name::Refused(_)), "{bad:?}");
        }
        assert!(matches!(name(b"\xff.yaml"), Name::Refused(_)));
        assert_eq!(name(b".gitignore"), Name::Hidden);
        assert_eq!(name("größe.yaml".as_bytes()), Name::Usable("größe.yaml"));
    }

    #[test]
    fn a_link_is_resolved_against_its_folder_and_may_not_leave() {
        assert_eq!(link_target("a/b", "../c.yaml").as_deref(), Some("a/c.yaml"));
        assert_eq!(link_target("", "./c.yaml").as_deref(), Some("c.yaml"));
        assert_eq!(link_target("a", "../../etc/passwd"), None);
        assert_eq!(link_target("a", "/etc/passwd"), None);
    }

    proptest! {
        #[test]
        fn no_link_target_has_a_step_up(folder in "[a-c/]{0,8}", target in "[a-c./]{0,20}") {
            if let Some(path) = link_target(&folder, &target) {
                prop_assert!(path.split('/').all(|part| part != ".."));
            }
        }
    }
}
