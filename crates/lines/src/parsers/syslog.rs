//! Syslog: RFC 5424 (`<34>1 2024-…Z host app procid msgid [data] message`) and RFC 3164
//! (`<34>May  6 07:08:09 host app[123]: message`), the latter also without its priority.
//!
//! RFC 3164 has no year and no zone. The year is that of the time of reading, or the one before
//! when the date would be more than a day ahead; the zone is UTC. Times of RFC 3339 in its place
//! (as rsyslog writes them) are understood.

use super::Parser;
use super::words::{Words, month};
use crate::draft::{Draft, Raw};
use crate::options::Body;
use crate::{meaning, time};

/// The parser of RFC 3164.
pub(super) const RFC3164: Parser =
    Parser { name: "syslog-rfc3164", about: "the traditional format of /var/log", parse: old };

/// The parser of RFC 5424.
pub(super) const RFC5424: Parser =
    Parser { name: "syslog-rfc5424", about: "syslog with structured data", parse: new };

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

fn new(draft: &mut Draft<'_>) -> Option<()> {
    let mut words = Words::new(draft.line);
    priority(draft, &mut words)?;
    words.expect("1 ")?;
    let when = words.word()?;
    if when != "-" {
        draft.record.time = whole_time(when)?;
    }
    for key in ["host.name", "app", "pid", "msgid"] {
        let word = words.word()?;
        if word != "-" {
            draft.constant(key, draft.slice(word));
        }
    }
    structured(draft, &mut words)?;
    let message = words.rest();
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    body(draft, message);
    Some(())
}

/// `-`, or `[id name="value" …]` any number of times; then the end or one space.
fn structured(draft: &mut Draft<'_>, words: &mut Words<'_>) -> Option<()> {
    if words.expect("-").is_none() {
        let mut elements = 0;
        while words.expect("[").is_some() {
            element(draft, words)?;
            elements += 1;
        }
        if elements == 0 {
            return None;
        }
    }
    if words.rest().is_empty() { Some(()) } else { words.expect(" ") }
}

fn element(draft: &mut Draft<'_>, words: &mut Words<'_>) -> Option<()> {
    let end = words.rest().find([' ', ']'])?;
    let id = words.rest().get(..end)?;
    let mut key = std::mem::take(&mut draft.scratch.key);
    words.expect(id)?;
    while words.expect(" ").is_some() {
        let name = words.until("=\"")?;
        if name.is_empty() || name.contains([' ', ']', '"']) {
            return None;
        }
        let rest = words.rest();
        let length = closing(rest.as_bytes())?;
        let raw = rest.get(..length)?;
        words.expect(raw)?;
        words.expect("\"")?;
        key.clear();
        key.extend([id, ".", name]);
        if raw.contains('\\') {
            let mut text = std::mem::take(&mut draft.scratch.value);
            decode(raw, &mut text);
            draft.take(&key, None, Raw::Text(&text, None));
            draft.scratch.value = text;
        } else {
            let start = draft.offset(raw);
            draft.take(&key, None, draft.text(start, start + length));
        }
    }
    draft.scratch.key = key;
    words.expect("]")
}

/// Where the quote that ends a value is.
fn closing(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// `\"`, `\\` and `\]` are escapes, another backslash is itself.
fn decode(raw: &str, out: &mut String) {
    out.clear();
    let mut chars = raw.chars().peekable();
    while let Some(one) = chars.next() {
        let escaped = (one == '\\').then(|| chars.next_if(|next| "\"\\]".contains(*next)));
        out.push(escaped.flatten().unwrap_or(one));
    }
}

fn old(draft: &mut Draft<'_>) -> Option<()> {
    let mut words = Words::new(draft.line);
    if words.rest().starts_with('<') {
        priority(draft, &mut words)?;
    }
    let when = words.rest();
    let (time, taken) = match time::rfc3339(when.as_bytes(), false) {
        Some(found) => found,
        None => traditional(when.as_bytes(), draft.record.observed)?,
    };
    draft.record.time = time;
    words.expect(when.get(..taken)?)?;
    words.expect(" ")?;
    let host = words.word()?;
    let rest = words.rest();
    // `app[123]: ` or `app: `, else all of it is the message.
    let (tag, message) = rest
        .split_once(": ")
        .or_else(|| rest.strip_suffix(':').map(|tag| (tag, "")))
        .filter(|(tag, _)| !tag.is_empty() && !tag.contains(' '))
        .unwrap_or(("", rest));
    draft.constant("host.name", draft.slice(host));
    let (app, pid) = match tag.strip_suffix(']').and_then(|tag| tag.split_once('[')) {
        Some((app, pid)) => (app, pid),
        None => (tag, ""),
    };
    for (key, value) in [("app", app), ("pid", pid)] {
        if !value.is_empty() {
            draft.constant(key, draft.slice(value));
        }
    }
    body(draft, message);
    Some(())
}

/// `<34>`: facility and level.
fn priority(draft: &mut Draft<'_>, words: &mut Words<'_>) -> Option<()> {
    words.expect("<")?;
    let digits = words.until(">")?;
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let priority: usize = digits.parse().ok()?;
    let facility = FACILITIES.get(priority / 8)?;
    let level = u32::try_from(priority % 8).ok()?;
    draft.record.severity = meaning::syslog(level);
    draft.constant("facility", Raw::Text(facility, None));
    Some(())
}

/// `May  6 07:08:09` in the year of `now`; gives also how many bytes it took.
fn traditional(text: &[u8], now: u64) -> Option<(u64, usize)> {
    let [m1, m2, m3, b' ', d1, d2, b' ', h1, h2, b':', n1, n2, b':', s1, s2] =
        *text.first_chunk::<15>()?
    else {
        return None;
    };
    let month = month(&[m1, m2, m3])?;
    let day = time::pair(if d1 == b' ' { b'0' } else { d1 }, d2)?;
    let clock = (time::pair(h1, h2)?, time::pair(n1, n2)?, time::pair(s1, s2)?);
    let (nanos, taken) = time::fraction(text, 15);
    Some((time::yearless((month, day), clock, nanos, now)?, taken))
}

fn whole_time(text: &str) -> Option<u64> {
    time::rfc3339(text.as_bytes(), false).filter(|(_, taken)| *taken == text.len()).map(|one| one.0)
}

fn body(draft: &mut Draft<'_>, message: &str) {
    if draft.options.body == Body::Message {
        let start = draft.offset(message);
        draft.record.body = draft.span(start, start + message.len());
    }
}
