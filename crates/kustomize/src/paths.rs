//! Paths inside of the tree, with `/` and without a leading one; the root is the empty path.

/// `path` as seen from `folder`, without `.` and `..`. `None`: it leaves the tree or is absolute.
pub(crate) fn join(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(['\\', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
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

/// Whether `path` is `folder` or lies below it.
pub(crate) fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A folder for a message.
pub(crate) fn shown(folder: &str) -> &str {
    if folder.is_empty() { "the root of the tree" } else { folder }
}

/// Whether a path speaks of another machine.
pub(crate) fn is_remote(path: &str) -> bool {
    let hosts =
        ["github.com/", "github.com:", "git@", "git::", "gh:", "bitbucket.org/", "gitlab.com/"];
    path.contains("://")
        || path.contains("?ref=")
        || hosts.iter().any(|host| path.starts_with(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_never_leave_the_tree() {
        assert_eq!(join("a/b", "../c/./d").as_deref(), Some("a/c/d"));
        assert_eq!(join("a", "..").as_deref(), Some(""));
        assert_eq!(join("a", "../.."), None);
        assert_eq!(join("", "/etc/passwd"), None);
        assert!(is_within("a/b", "a") && is_within("a", "a") && !is_within("ab", "a"));
        assert!(is_remote("https://x/y") && is_remote("github.com/o/r") && !is_remote("base"));
    }
}
