//! Whether two URLs name the same repository.
//!
//! A server tells its clone URLs in several forms (https, ssh, `git@host:path`, the page in a
//! browser), and a spec has one of them. They are compared by host and path: without scheme, user,
//! usual port, `.git`, slashes at the end and case. Servers treat paths without case; a match too
//! many costs one look at the source.

/// Bytes of a URL that is looked at.
const URL_BYTES_MAX: usize = 2048;
/// Ports that say nothing.
const USUAL_PORTS: [&str; 4] = ["22", "80", "443", "9418"];

/// What two URLs of one repository have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Host and unusual port in lower case; empty for a file.
    host: String,
    /// Path in lower case, without slashes at its ends and without `.git`.
    path: String,
}

impl Address {
    /// Reads a URL; none when it has no path or is longer than 2,048 bytes.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let url = url.trim();
        if url.len() > URL_BYTES_MAX {
            return None;
        }
        let (host, path) = match url.split_once("://") {
            Some((_, rest)) => {
                let end = rest.find(['?', '#']).unwrap_or(rest.len());
                rest.split_at_checked(end)?.0.split_once('/')?
            }
            // `user@host:path`, but not a path with a colon in it.
            None => match url.split_once(':') {
                Some((host, path)) if !host.contains('/') => (host, path),
                _ => ("", url),
            },
        };
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let host = match host.rsplit_once(':') {
            Some((name, port)) if USUAL_PORTS.contains(&port) => name,
            _ => host,
        };
        let path = clean(path);
        (!path.is_empty()).then(|| Self { host: host.to_ascii_lowercase(), path })
    }

    /// Whether the path ends with this one, at a slash: for senders that tell no URL.
    #[must_use]
    pub fn ends_with(&self, path: &str) -> bool {
        let path = clean(path);
        let before = self.path.strip_suffix(&path);
        !path.is_empty() && before.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    }
}

fn clean(path: &str) -> String {
    let path = path.trim_matches('/').to_ascii_lowercase();
    let path = path.strip_suffix(".git").unwrap_or(&path);
    path.trim_end_matches('/').to_owned()
}

/// Whether two URLs name the same repository.
#[must_use]
pub fn same_repository(left: &str, right: &str) -> bool {
    let left = Address::parse(left);
    left.is_some() && left == Address::parse(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_one_repository_are_the_same_and_others_are_not() {
        let one = "https://git.example/Team/shop.git";
        let same = [
            "http://git.example/team/shop",
            "https://user:pw@git.example:443/team/shop/",
            "ssh://git@git.example:22/team/shop.git",
            "git@git.example:team/shop.git",
            "GIT.example:/team/shop",
            "https://git.example/team/shop.git?x#y",
        ];
        for url in same {
            assert!(same_repository(one, url), "{url}");
        }
        let others = [
            "https://git.example/team/shop2",
            "https://git.example:8443/team/shop",
            "https://evil.example/git.example/team/shop",
            "https://git.example@evil.example/team/shop",
            "https://git.example",
            "",
        ];
        for url in others {
            assert!(!same_repository(one, url), "{url}");
        }
        assert!(!same_repository("", ""));
        assert!(same_repository("file:///srv/a.git", "/srv/a"));
    }

    #[test]
    fn a_path_matches_only_from_a_slash_on() {
        let address = Address::parse("https://git.example/scm/team/shop.git").unwrap();
        assert!(address.ends_with("team/shop") && address.ends_with("/TEAM/shop.git"));
        assert!(!address.ends_with("am/shop") && !address.ends_with(""));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_an_address_panic(url in "\\PC{0,40}", path in "\\PC{0,20}") {
            if let Some(address) = Address::parse(&url) {
                let _ = address.ends_with(&path);
            }
        }
    }
}
