//! Where a repository is: https, http, ssh (also as `user@host:path`), file URLs and plain paths.
//!
//! A URL with a user part is accepted; the user part is taken out at once and kept as
//! [`Credentials`], so that no message, no cache entry and no argument list can repeat it.
//! `git://` is refused: it proves neither who the server is nor what it sends.

mod http;

pub(crate) use http::HttpUrl;

use crate::{Credentials, RepoError, Secret};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The longest URL that is looked at.
pub const URL_BYTES_MAX: usize = 8192;

/// A parsed Git URL; `Display` is free of credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RepoUrl {
    pub(crate) place: Place,
    credentials: Option<Credentials>,
}

/// How the repository is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Over https or http.
    Http { url: HttpUrl },
    /// Over ssh.
    Ssh { user: Option<String>, host: String, port: Option<u16>, path: String },
    /// On this machine; read in place.
    Local { path: PathBuf },
}

impl RepoUrl {
    /// Reads a URL as Git would.
    ///
    /// # Errors
    /// When it is not a URL or path, or its scheme is not supported.
    pub fn parse(text: &str) -> Result<Self, RepoError> {
        let refused = |reason| RepoError::InvalidUrl { url: without_user(text), reason };
        if text.is_empty() {
            return Err(refused("it is empty"));
        }
        if text.len() > URL_BYTES_MAX {
            return Err(RepoError::InvalidUrl { url: "(long)".into(), reason: "it is too long" });
        }
        if text.chars().any(char::is_control) {
            return Err(refused("it has a control character"));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "https" | "http" => http(text).map_err(refused),
                "ssh" => ssh(rest).map_err(refused),
                "file" => file(rest).map_err(refused),
                "git" => Err(refused("git:// proves neither the server nor its data")),
                _ => Err(refused("the scheme is not one of https, http, ssh, file")),
            };
        }
        if let Some((host, path)) = scp_like(text) {
            return scp(host, path).map_err(refused);
        }
        Ok(Self::local(Path::new(text)))
    }

    /// A repository on this machine.
    #[must_use]
    pub fn local(path: &Path) -> Self {
        Self { place: Place::Local { path: path.to_owned() }, credentials: None }
    }

    /// The credentials that stood in the URL.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The host, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Http { url } => Some(url.host()),
            Place::Ssh { host, .. } => Some(host),
            Place::Local { .. } => None,
        }
    }
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Http { url } => write!(f, "{url}"),
            Place::Ssh { user, host, port, path } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                f.write_str(host)?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                if path.starts_with('/') { f.write_str(path) } else { write!(f, "/~/{path}") }
            }
            Place::Local { path } => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoUrl({self})")
    }
}

impl FromStr for RepoUrl {
    type Err = RepoError;

    fn from_str(text: &str) -> Result<Self, RepoError> {
        Self::parse(text)
    }
}

/// The text up to the scheme and after the last `@`, for a message about a URL that could not be
/// parsed and may hold a password anywhere before it.
fn without_user(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split(['?', '#']).next().unwrap_or_default();
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    format!("{scheme}{place}").chars().map(clean).collect()
}

fn http(text: &str) -> Result<RepoUrl, &'static str> {
    let written = HttpUrl::parse(text)?;
    let user = percent_decoded(written.user).ok_or("its user part is not valid")?;
    let password = percent_decoded(written.password).ok_or("its user part is not valid")?;
    let given = !user.is_empty() || !password.is_empty();
    let credentials = given.then(|| Credentials::new(user, Secret::new(password)));
    Ok(RepoUrl { place: Place::Http { url: written.url }, credentials })
}

fn ssh(rest: &str) -> Result<RepoUrl, &'static str> {
    let (authority, path) = rest.split_once('/').ok_or("it has no path")?;
    let (user, address) = match authority.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, authority),
    };
    let (host, port) = host_and_port(address)?;
    let path = path.strip_prefix("~/").map_or_else(|| format!("/{path}"), str::to_owned);
    ssh_place(user, host, port, path)
}

/// `[user@]host:path` without a slash before the colon, as scp writes it.
fn scp_like(text: &str) -> Option<(&str, &str)> {
    let start = if text.contains('[') { text.find(']')? } else { 0 };
    let colon = start + text.get(start..)?.find(':')?;
    let (host, path) = (text.get(..colon)?, text.get(colon + 1..)?);
    (!host.is_empty() && !host.contains('/')).then_some((host, path))
}

fn scp(host: &str, path: &str) -> Result<RepoUrl, &'static str> {
    let (user, host) = match host.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, host),
    };
    // `user:password@host:path`: the colon that was found stands before a password.
    if path.split('/').next().is_some_and(|first| first.contains('@')) {
        return Err("ssh takes no password in a URL");
    }
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    ssh_place(user, host, None, path.strip_prefix("~/").unwrap_or(path).to_owned())
}

fn ssh_place(
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    path: String,
) -> Result<RepoUrl, &'static str> {
    // A password is dropped: ssh takes none from us, and it must not reach a message.
    let user = user.map(|user| user.split(':').next().unwrap_or_default());
    let word = |c: char| c.is_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(word) {
        return Err("its host name is not valid");
    }
    let user_word = |c: char| c.is_alphanumeric() || "-._+".contains(c);
    if user.is_some_and(|u| u.is_empty() || u.starts_with('-') || !u.chars().all(user_word)) {
        return Err("its user name is not valid");
    }
    if path.is_empty() || path == "/" || path.starts_with('-') {
        return Err("its path is not valid");
    }
    let place = Place::Ssh { user: user.map(str::to_owned), host: host.to_owned(), port, path };
    Ok(RepoUrl { place, credentials: None })
}

fn host_and_port(address: &str) -> Result<(&str, Option<u16>), &'static str> {
    let number = |text: &str| text.parse::<u16>().map_err(|_| "its port is not a number");
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("its host name is not valid")?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(number(port)?))),
            None if after.is_empty() => Ok((host, None)),
            None => Err("its host name is not valid"),
        };
    }
    match address.split_once(':') {
        Some((host, port)) => Ok((host, Some(number(port)?))),
        None => Ok((address, None)),
    }
}

fn file(rest: &str) -> Result<RepoUrl, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("a file URL has three slashes: file:///PATH");
    }
    let path = percent_decoded(path).ok_or("its path is not valid")?;
    Ok(RepoUrl::local(Path::new(&path)))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests;
