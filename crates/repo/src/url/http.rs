//! An `https` or `http` URL of a repository, in its one spelling: scheme and host in lower case, no
//! user part, no default port, no dot segments, no slash at the end, no query and no fragment.
//!
//! Only what Git needs is read. A host name outside ASCII is refused, because two spellings of it
//! would be two servers to every comparison here; its `xn--` form is taken.

use std::fmt;
use std::net::IpAddr;

/// The URL; `Display` is free of credentials, as there are none in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HttpUrl {
    https: bool,
    /// In lower case; an IPv6 address stands in brackets.
    host: String,
    /// Only when it is not the scheme's own.
    port: Option<u16>,
    /// Empty, or with a slash at its start and none at its end.
    path: String,
}

/// A URL as it was written: what it names, and the user part, still percent-encoded.
pub(crate) struct Written<'a> {
    pub(crate) url: HttpUrl,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

impl HttpUrl {
    /// Reads a URL with its scheme.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Written<'_>, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("it is not a valid URL")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("it is neither https nor http"),
        };
        if rest.contains(['?', '#']) {
            return Err("a query or fragment is not part of a Git URL; give tokens as credentials");
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
            None => (rest, ""),
        };
        let (user, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let (host, port) = host_and_port(address)?;
        let port = port.filter(|port| *port != default_port(https));
        let path = normal_path(path)?;
        Ok(Written { url: Self { https, host, port, path }, user, password })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether what is sent there stays on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The same scheme, host and port: the one to which credentials may go.
    pub(crate) fn same_server(&self, other: &Self) -> bool {
        self.https == other.https && self.host == other.host && self.port == other.port
    }

    /// A URL that a server gives in relation to this one: absolute, without a scheme or without a
    /// host. `None` when it is not a usable URL; one relative to a folder counts as such.
    pub(crate) fn join(&self, to: &str) -> Option<Self> {
        let scheme = if self.https { "https" } else { "http" };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let text = if to.contains("://") {
            to.to_owned()
        } else if to.starts_with("//") {
            format!("{scheme}:{to}")
        } else if to.starts_with('/') {
            format!("{scheme}://{}{port}{to}", self.host)
        } else {
            return None;
        };
        // A redirect may not bring credentials of its own; they are not taken over.
        Self::parse(&text).ok().map(|written| written.url)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

fn host_and_port(address: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("its host name is not valid")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "its host name is not valid")?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(port),
                None if after.is_empty() => None,
                None => return Err("its host name is not valid"),
            };
            (format!("[{}]", host.to_ascii_lowercase()), port)
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
            None => (address.to_ascii_lowercase(), None),
        },
    };
    if host.is_empty() {
        return Err("it has no host");
    }
    if !host.is_ascii() {
        return Err("its host name is not ASCII; give its xn-- form");
    }
    let word = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    if !host.chars().all(word) || host.starts_with('-') {
        return Err("its host name is not valid");
    }
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let port = match port {
        None | Some("") => None,
        Some(port) if !digits(port) => return Err("its port is not a number"),
        Some(port) => Some(port.parse().map_err(|_| "its port is not a number")?),
    };
    Ok((host, port))
}

/// The path without dot segments and without a slash at its end; what a URL cannot carry is
/// percent-encoded.
fn normal_path(path: &str) -> Result<String, &'static str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    let mut normal = String::with_capacity(path.len());
    for part in parts {
        normal.push('/');
        for byte in part.bytes() {
            let plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte);
            match byte {
                b'\\' => return Err("it is not a valid URL"),
                _ if plain => normal.push(char::from(byte)),
                _ => normal.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        HttpUrl::parse(text).map(|written| written.url.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_url_has_one_spelling() {
        assert_eq!(shown("HTTPS://Example.ORG:443/a/./b/../c.git/"), "https://example.org/a/c.git");
        assert_eq!(shown("http://h:80"), "http://h");
        assert_eq!(shown("http://h:443/a"), "http://h:443/a");
        assert_eq!(shown("https://[::1]:8443/a b/ä"), "https://[::1]:8443/a%20b/%C3%A4");
        assert_eq!(shown("https://h/a/%2e%2E/../../b"), "https://h/b");
        for bad in ["https://", "https://h:x/a", "https://h:99999/", "https://ö/", "https://h\\x"]
        {
            assert_eq!(shown(bad), "", "{bad}");
        }
    }

    #[test]
    fn a_redirect_is_read_in_relation_to_where_it_came_from() {
        let from = HttpUrl::parse("https://h:8443/a/b").unwrap().url;
        let to = |text: &str| from.join(text).map(|url| url.to_string()).unwrap_or_default();
        assert_eq!(to("https://u:p@x/y"), "https://x/y");
        assert_eq!(to("//x/y"), "https://x/y");
        assert_eq!(to("/y"), "https://h:8443/y");
        assert_eq!(to("y"), "");
        assert_eq!(to("ftp://x/y"), "");
        assert_eq!(to("/y?z"), "");
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        let loopback = |text: &str| HttpUrl::parse(text).unwrap().url.is_loopback();
        assert!(loopback("http://localhost/a"));
        assert!(loopback("http://127.9.9.9:8/a"));
        assert!(loopback("http://[::1]/a"));
        assert!(!loopback("http://localhost.example.org/a"));
        assert!(!loopback("http://128.0.0.1/a"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_url_or_not_and_what_is_printed_is_read_as_the_same(text in "\\PC{0,60}") {
            for text in [format!("https://{text}"), text] {
                if let Ok(written) = HttpUrl::parse(&text) {
                    let again = HttpUrl::parse(&written.url.to_string()).map(|w| w.url);
                    prop_assert_eq!(again, Ok(written.url));
                }
            }
        }
    }
}
