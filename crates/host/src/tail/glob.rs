//! Patterns of paths: `*`, `?`, `[…]` within a name, `**` over any number of directories.
//!
//! Pure. A pattern is absolute and is walked from its base, the directory before its first
//! wildcard, so that no more of the disk is looked at than it can name. While directories are
//! walked, a [`Progress`] says how much of the pattern a path has matched, as a set of positions;
//! a directory whose set is empty is not entered. As in a shell, a wildcard does not match a dot
//! at the beginning of a name, and `\` takes the next character as it is. Errors: [`GlobError`].

use std::path::{Component, Path, PathBuf};

/// The longest pattern, in bytes: what the kernel takes as a path.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// The most names in one pattern; a set of positions is one machine word.
pub const PATTERN_NAMES_MAX: usize = 62;

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GlobError {
    /// It does not begin at the root.
    #[error("`{0}` does not begin with `/`")]
    Relative(String),
    /// It names nothing.
    #[error("`{0}` names no file")]
    Empty(String),
    /// It is too long or has too many names.
    #[error("a pattern has at most {PATTERN_BYTES_MAX} bytes and {PATTERN_NAMES_MAX} names")]
    TooLong,
    /// A class has no end.
    #[error("`{0}` has a `[` without its `]`")]
    OpenClass(String),
    /// It climbs.
    #[error("`{0}` has the name `..`, which cannot be matched")]
    Climbs(String),
}

impl model::Explain for GlobError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new("write it like /var/log/**/*.log"))
    }

    fn retry(&self) -> model::Retry {
        model::Retry::Never
    }
}

/// What one place of a name must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(u32),
    One,
    Many,
    Class { negated: bool, ranges: Vec<(u32, u32)> },
}

/// What one name of a path must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Wild(Vec<Token>),
    Deep,
}

/// A pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    base: PathBuf,
    parts: Vec<Part>,
}

/// How much of a pattern a path has matched: a set of positions.
pub(crate) type Progress = u64;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`GlobError`] when the text is none.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if !text.starts_with('/') {
            return Err(GlobError::Relative(text.to_owned()));
        }
        let names: Vec<&str> = text.split('/').filter(|n| !n.is_empty() && *n != ".").collect();
        if text.len() > PATTERN_BYTES_MAX || names.len() > PATTERN_NAMES_MAX {
            return Err(GlobError::TooLong);
        }
        if names.contains(&"..") {
            return Err(GlobError::Climbs(text.to_owned()));
        }
        let mut parts = Vec::new();
        for name in &names {
            let part = part(name).ok_or_else(|| GlobError::OpenClass(text.to_owned()))?;
            if part != Part::Deep || parts.last() != Some(&Part::Deep) {
                parts.push(part);
            }
        }
        let last = parts.len().checked_sub(1).ok_or_else(|| GlobError::Empty(text.to_owned()))?;
        let mut base = PathBuf::from("/");
        let mut literal = 0;
        for part in parts.iter().take(last) {
            let Part::Literal(name) = part else { break };
            base.push(os(name));
            literal += 1;
        }
        parts.drain(..literal);
        Ok(Self { text: text.to_owned(), base, parts })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The directory where a walk begins.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// What has matched at the base: nothing yet.
    pub(crate) fn start(&self) -> Progress {
        self.close(1)
    }

    /// What has matched one name further down.
    pub(crate) fn step(&self, from: Progress, name: &[u8]) -> Progress {
        let mut next = 0;
        for (index, part) in self.parts.iter().enumerate() {
            if from & (1 << index) == 0 {
                continue;
            }
            match part {
                Part::Deep if name.first() == Some(&b'.') => {}
                Part::Deep => next |= 1 << index,
                Part::Literal(wanted) if wanted == name => next |= 1 << (index + 1),
                Part::Wild(tokens) if fits(tokens, name) => next |= 1 << (index + 1),
                Part::Literal(_) | Part::Wild(_) => {}
            }
        }
        self.close(next)
    }

    /// Whether a file with this progress is named by the pattern.
    pub(crate) fn accepts(&self, progress: Progress) -> bool {
        progress & (1 << self.parts.len()) != 0
    }

    /// Whether something below a directory with this progress can be named by the pattern.
    pub(crate) fn goes_on(&self, progress: Progress) -> bool {
        progress & ((1 << self.parts.len()) - 1) != 0
    }

    /// Whether the pattern names this path.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let Ok(rest) = path.strip_prefix(&self.base) else { return false };
        let mut progress = self.start();
        for component in rest.components() {
            let Component::Normal(name) = component else { return false };
            progress = self.step(progress, name.as_encoded_bytes());
        }
        self.accepts(progress)
    }

    /// Adds the positions that are reached without a further name.
    fn close(&self, mut progress: Progress) -> Progress {
        for (index, part) in self.parts.iter().enumerate() {
            if *part == Part::Deep && progress & (1 << index) != 0 {
                progress |= 1 << (index + 1);
            }
        }
        progress
    }
}

fn os(name: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}

/// Reads one name of a pattern; `None` when a class has no end.
fn part(name: &str) -> Option<Part> {
    if name == "**" {
        return Some(Part::Deep);
    }
    let mut tokens = Vec::new();
    let mut chars = name.chars().peekable();
    let mut wild = false;
    while let Some(char) = chars.next() {
        tokens.push(match char {
            '*' => Token::Many,
            '?' => Token::One,
            '[' => class(&mut chars)?,
            '\\' => Token::Char(u32::from(chars.next().unwrap_or('\\'))),
            other => Token::Char(u32::from(other)),
        });
        wild |= matches!(char, '*' | '?' | '[');
    }
    if wild {
        tokens.dedup_by(|a, b| *a == Token::Many && *b == Token::Many);
        return Some(Part::Wild(tokens));
    }
    let literal: String = tokens
        .iter()
        .filter_map(|token| match token {
            Token::Char(code) => char::from_u32(*code),
            _ => None,
        })
        .collect();
    Some(Part::Literal(literal.into_bytes()))
}

/// Reads a class after its `[`; a `]` right at its beginning belongs to it.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let mut low = chars.next()?;
        if low == ']' && !ranges.is_empty() {
            return Some(Token::Class { negated, ranges });
        }
        if low == '\\' {
            low = chars.next()?;
        }
        let mut ahead = chars.clone();
        let high = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) if high != ']' => {
                *chars = ahead;
                high
            }
            _ => low,
        };
        ranges.push((u32::from(low), u32::from(high)));
    }
}

/// The first character of a name and what follows it; a byte that is none stands for itself.
fn next(name: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = name.split_first()?;
    let bytes = match first {
        0x00..0x80 => return Some((u32::from(*first), rest)),
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    };
    let char = name.get(..bytes).and_then(|b| std::str::from_utf8(b).ok()?.chars().next());
    match char {
        Some(char) => Some((u32::from(char), name.get(bytes..)?)),
        None => Some((0x11_0000 + u32::from(*first), rest)),
    }
}

/// Whether a name fits, in time proportional to the product of both lengths at most.
fn fits(tokens: &[Token], name: &[u8]) -> bool {
    let dotted = matches!(tokens.first(), Some(Token::Char(code)) if *code == u32::from('.'));
    if name.first() == Some(&b'.') && !dotted {
        return false;
    }
    let (mut left, mut rest) = (tokens, name);
    // Where to go back to: after the last `*`, one character later each time.
    let mut retry: Option<(&[Token], &[u8])> = None;
    loop {
        if let Some((Token::Many, after)) = left.split_first() {
            retry = Some((after, rest));
            left = after;
            continue;
        }
        match (left.split_first(), next(rest)) {
            (None, None) => return true,
            (Some((token, after)), Some((char, behind))) if one(token, char) => {
                (left, rest) = (after, behind);
                continue;
            }
            _ => {}
        }
        let Some((tokens, from)) = retry else { return false };
        let Some((_, behind)) = next(from) else { return false };
        retry = Some((tokens, behind));
        (left, rest) = (tokens, behind);
    }
}

fn one(token: &Token, char: u32) -> bool {
    match token {
        Token::Char(wanted) => *wanted == char,
        Token::One => true,
        Token::Many => false,
        Token::Class { negated, ranges } => {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&char)) != *negated
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(Path::new(path))
    }

    #[test]
    fn patterns_name_what_a_shell_would_name() {
        let table = [
            ("/var/log/*.log", "/var/log/a.log", true),
            ("/var/log/*.log", "/var/log/.a.log", false),
            ("/var/log/.*.log", "/var/log/.a.log", true),
            ("/var/log/*.log", "/var/log/b/a.log", false),
            ("/var/log/**/*.log", "/var/log/a.log", true),
            ("/var/log/**/*.log", "/var/log/b/c/a.log", true),
            ("/var/log/**/*.log", "/var/log/.git/a.log", false),
            ("/var/log/**", "/var/log/b/c", true),
            ("/var/log/**/x/**/y", "/var/log/a/x/b/c/y", true),
            ("/var/log/**/x/**/y", "/var/log/a/b/c/y", false),
            ("/l/?.log", "/l/é.log", true),
            ("/l/??.log", "/l/é.log", false),
            ("/l/[a-c].log", "/l/b.log", true),
            ("/l/[!a-c].log", "/l/b.log", false),
            ("/l/[]x].log", "/l/].log", true),
            ("/l/[a-].log", "/l/-.log", true),
            ("/l/\\*.log", "/l/*.log", true),
            ("/l/\\*.log", "/l/a.log", false),
            ("/l/a*b*c", "/l/aXbYbZc", true),
            ("/l/a*b*c", "/l/aXbYbZ", false),
            ("/l/messages", "/l/messages", true),
            ("//l/./messages", "/l/messages", true),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(named(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_walk_begins_before_the_first_wildcard_and_enters_only_what_can_match() {
        let pattern = Pattern::parse("/var/log/pods/*/*/*.log").unwrap();
        assert_eq!(pattern.base(), Path::new("/var/log/pods"));
        assert_eq!(Pattern::parse("/var/log/messages").unwrap().base(), Path::new("/var/log"));
        let one = pattern.step(pattern.start(), b"ns_pod_uid");
        assert!(pattern.goes_on(one) && !pattern.accepts(one));
        let two = pattern.step(pattern.step(one, b"web"), b"0.log");
        assert!(pattern.accepts(two) && !pattern.goes_on(two));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let parse = Pattern::parse;
        assert!(matches!(parse("var/log"), Err(GlobError::Relative(_))));
        assert!(matches!(parse("/"), Err(GlobError::Empty(_))));
        assert!(matches!(parse("/a/[b"), Err(GlobError::OpenClass(_))));
        assert!(matches!(parse("/a/../b"), Err(GlobError::Climbs(_))));
        assert_eq!(parse(&format!("/{}", "a".repeat(PATTERN_BYTES_MAX))), Err(GlobError::TooLong));
        assert!(parse(&"/a".repeat(PATTERN_NAMES_MAX)).is_ok());
        assert_eq!(parse(&"/a".repeat(PATTERN_NAMES_MAX + 1)), Err(GlobError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_and_no_name_make_the_matcher_panic(
            pattern in "/[a*?\\[\\]!^/.\\\\-]{0,40}",
            name in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        ) {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                pattern.step(pattern.start(), &name);
                pattern.step(u64::MAX >> 1, &name);
            }
        }

        #[test]
        fn a_literal_name_matches_itself_alone(name in "[a-z]{1,8}", other in "[a-z]{1,8}") {
            let path = format!("/l/{other}");
            proptest::prop_assert_eq!(named(&format!("/l/{name}"), &path), name == other);
            let starred = format!("/l/*{name}*");
            proptest::prop_assert_eq!(named(&starred, &path), other.contains(&name));
        }
    }
}
