//! Known hosts: which keys a host may show. The format is that of OpenSSH's `known_hosts`.
//!
//! A line is `[@MARKER] HOSTS KIND KEY [COMMENT]`. `HOSTS` is one hashed name (`|1|SALT|HASH`), or
//! patterns with `*` and `?` joined by commas, of which a leading `!` excludes. A port other than
//! 22 is part of the name: `[host]:2222`; a line without the port does not speak for it.
//! `@revoked` keys are refused. Certificates (`@cert-authority`) are not supported: such a line is
//! told when nothing else is known of a host.
//!
//! Input: text with its name for messages, of at most [`KNOWN_HOSTS_BYTES_MAX`] bytes. A line that
//! cannot be read, or is too long, speaks for no host and is told where it would have.

use crate::error::{Host, SshError};
use crate::limits::{
    HOST_BYTES_MAX, KNOWN_HOSTS_BYTES_MAX, KNOWN_HOSTS_LINE_BYTES_MAX, KNOWN_HOSTS_LINES_MAX,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use signature::SshPublicKey;

/// What the first word of a line may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    Authority,
}

/// Files of known hosts, read.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
    files: Vec<String>,
}

#[derive(Debug, Clone)]
struct Line {
    marker: Marker,
    hosts: String,
    kind: String,
    /// The key in its wire form, or why there is none.
    key: Result<Vec<u8>, &'static str>,
    at: String,
}

/// What is known of one host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    keys: Vec<Line>,
    revoked: Vec<Line>,
    authority: Option<String>,
    unreadable: Option<String>,
    files: Vec<String>,
}

impl KnownHosts {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. `name` stands in messages.
    ///
    /// # Errors
    /// What is too much about it; nothing of it is taken then.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), String> {
        if text.len() > KNOWN_HOSTS_BYTES_MAX {
            return Err(format!("it is longer than {KNOWN_HOSTS_BYTES_MAX} bytes"));
        }
        if text.lines().nth(KNOWN_HOSTS_LINES_MAX).is_some() {
            return Err(format!("it has more than {KNOWN_HOSTS_LINES_MAX} lines"));
        }
        self.files.push(name.to_owned());
        for (line, number) in text.lines().zip(1_u32..) {
            let at = || format!("{name}:{number}");
            self.lines.extend(read(line, &at));
        }
        Ok(())
    }

    /// What is known of a host.
    pub(crate) fn of(&self, host: &Host) -> Known {
        let name = host.to_string();
        let mut known = Known { files: self.files.clone(), ..Known::default() };
        for line in self.lines.iter().filter(|line| matches(&line.hosts, &name)) {
            match (line.marker, &line.key) {
                (Marker::Revoked, Ok(_)) => known.revoked.push(line.clone()),
                (Marker::Authority, _) => {
                    known.authority.get_or_insert_with(|| line.at.clone());
                }
                (Marker::None, Ok(_)) => known.keys.push(line.clone()),
                (_, Err(reason)) => {
                    known.unreadable.get_or_insert_with(|| format!("{}: {reason}", line.at));
                }
            }
        }
        known
    }
}

impl Known {
    /// Whether a key of this kind is known.
    pub(crate) fn has_kind(&self, kind: &str) -> bool {
        self.keys.iter().any(|line| line.kind == kind)
    }

    /// Whether the host may show this key.
    pub(crate) fn judge(&self, host: &Host, key: &SshPublicKey) -> Result<(), SshError> {
        let same = |line: &&Line| line.key.as_deref() == Ok(key.blob());
        let (host, kind, fingerprint) = (host.to_string(), key.kind(), key.fingerprint());
        if let Some(line) = self.revoked.iter().find(same) {
            return Err(SshError::RevokedHostKey { host, kind, fingerprint, at: line.at.clone() });
        }
        if self.keys.iter().any(|line| same(&line)) {
            return Ok(());
        }
        let print = |line: &Line| {
            let fingerprint = line.key.as_deref().map(signature::ssh_fingerprint);
            format!("{} ({})", fingerprint.unwrap_or_default(), line.at)
        };
        if let Some(line) = self.keys.iter().find(|line| line.kind == kind) {
            return Err(SshError::ChangedHostKey { host, kind, fingerprint, known: print(line) });
        }
        Err(SshError::UnknownHostKey { host, kind, fingerprint, known: self.instead() })
    }

    /// What is known and does not help.
    fn instead(&self) -> Option<String> {
        if let Some(line) = self.keys.first() {
            return Some(format!("known is only a key of kind {} ({})", line.kind, line.at));
        }
        if let Some(at) = &self.authority {
            return Some(format!("certificates of host keys are not supported ({at})"));
        }
        if let Some(text) = &self.unreadable {
            return Some(format!("a line for it cannot be read ({text})"));
        }
        if self.files.is_empty() {
            return Some("there is no file of known hosts".to_owned());
        }
        Some(format!("no line of {} names it", self.files.join(", ")))
    }
}

/// One line; nothing when it is empty or a comment.
fn read(line: &str, at: &dyn Fn() -> String) -> Option<Line> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') || line.len() > KNOWN_HOSTS_LINE_BYTES_MAX {
        return None;
    }
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let first = words.next()?;
    let (marker, hosts) = match first {
        "@revoked" => (Marker::Revoked, words.next()?),
        "@cert-authority" => (Marker::Authority, words.next()?),
        _ => (Marker::None, first),
    };
    // A marker that is not known makes the line mean something that is not known either.
    if hosts.starts_with('@') {
        return None;
    }
    let kind = words.next().unwrap_or_default().to_owned();
    let key = words.next().ok_or("it has no key").and_then(|word| key(&kind, word));
    Some(Line { marker, hosts: hosts.to_owned(), kind, key, at: at() })
}

fn key(kind: &str, word: &str) -> Result<Vec<u8>, &'static str> {
    let blob = STANDARD.decode(word).map_err(|_| "its key is not valid base64")?;
    match crate::wire::Reader::new(&blob).text() {
        Some(own) if own == kind => Ok(blob),
        _ => Err("its key is of another kind than it says"),
    }
}

/// Whether the first word of a line speaks for a name.
fn matches(hosts: &str, name: &str) -> bool {
    if name.len() > HOST_BYTES_MAX + "[]:65535".len() {
        return false;
    }
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return matches_hashed(hashed, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        let (excludes, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        if glob(pattern.as_bytes(), name.as_bytes()) {
            if excludes {
                return false;
            }
            found = true;
        }
    }
    found
}

fn matches_hashed(text: &str, name: &str) -> Option<bool> {
    let (salt, hash) = text.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    // SHA-1 hides names here and proves nothing.
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(hmac::verify(&key, name.as_bytes(), &hash).is_ok())
}

/// `*` is any text, `?` any byte; letters are equal in both cases. Goes back to the last star
/// only, so that it takes at most the pattern times the name.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(n) {
        match (pattern.get(p), star) {
            (Some(b'*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (Some(own), _) if *own == b'?' || own.eq_ignore_ascii_case(byte) => {
                p += 1;
                n += 1;
            }
            (_, Some((at, from))) => {
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
            _ => return false,
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
