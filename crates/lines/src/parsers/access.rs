//! Access logs in the common and the combined format, as nginx and Apache write them.
//!
//! `ADDRESS IDENT USER [06/May/2024:07:08:09 +0200] "GET /path HTTP/1.1" 200 51 "REFERER" "AGENT"`,
//! with anything after it or after the size (`rest`), and with Apache's virtual host and its port
//! (`www.example.com:443 `) before it. Apache's `\"` within quotes is understood; a request that is
//! no HTTP (nginx logs raw bytes as `\x16\x03`) is kept whole in `request`. Fields have the names
//! of OpenTelemetry's conventions; the body is the line.

use super::Parser;
use super::words::{Words, month};
use crate::draft::{Draft, Raw};
use crate::{meaning, time};

/// The parser.
pub(super) const PARSER: Parser =
    Parser { name: "access", about: "the combined log format of nginx and Apache", parse };

fn parse(draft: &mut Draft<'_>) -> Option<()> {
    let mut words = Words::new(draft.line);
    let (first, second) = (words.word()?, words.word()?);
    // A user's name may have spaces in it; the time's bracket ends it.
    let last = words.until(" [")?;
    let behind = last.split_once(' ').filter(|_| second.contains(['.', ':']));
    let (server, address, user) = match (host(first), behind) {
        (Some(server), Some((_ident, user))) => (Some(server), second, user),
        _ => (None, first, last),
    };
    let when = words.until("] ")?;
    draft.record.time = date(when)?;
    let request = words.quoted()?;
    let status = words.word()?;
    let code = meaning::status(status.as_bytes())?;
    let size = words.word()?;
    if size != "-" && !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Some((host, port)) = server {
        draft.constant("server.address", draft.slice(host));
        number(draft, "server.port", port);
    }
    draft.constant("client.address", draft.slice(address));
    if user != "-" {
        draft.constant("user.name", draft.slice(user));
    }
    let mut parts = request.split(' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some(version), None) if version.starts_with("HTTP/") => {
            draft.constant("http.request.method", draft.slice(method));
            draft.constant("url.original", draft.slice(target));
            let version = version.get(5..).unwrap_or_default();
            draft.constant("network.protocol.version", draft.slice(version));
        }
        _ => draft.constant("request", draft.slice(request)),
    }
    draft.record.status = code;
    number(draft, "http.response.status_code", status);
    if size != "-" {
        number(draft, "http.response.body.size", size);
    }
    if words.rest().starts_with('"') {
        let referer = words.quoted()?;
        let agent = words.quoted()?;
        if referer != "-" {
            draft.constant("http.request.header.referer", draft.slice(referer));
        }
        if agent != "-" {
            draft.constant("user_agent.original", draft.slice(agent));
        }
    }
    if !words.rest().is_empty() {
        draft.constant("rest", draft.slice(words.rest()));
    }
    Some(())
}

/// `www.example.com:443`, which no address of a client is.
fn host(word: &str) -> Option<(&str, &str)> {
    let (host, port) = word.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !host.is_empty() && !host.contains(':')).then_some((host, port))
}

fn number(draft: &mut Draft<'_>, key: &str, digits: &str) {
    let start = draft.offset(digits);
    let span = draft.span(start, start + digits.len());
    // With zeros before it, it is no number of JSON; as a text it is kept exactly too.
    let raw = match digits.as_bytes() {
        [b'0', _, ..] => Raw::Text(digits, Some(span)),
        _ => Raw::Number(digits, true, span),
    };
    draft.constant(key, raw);
}

/// `06/May/2024:07:08:09 +0200`
fn date(text: &str) -> Option<u64> {
    let [d1, d2, b'/', m1, m2, m3, b'/', rest @ ..] = text.as_bytes() else { return None };
    let [y1, y2, y3, y4, b':', h1, h2, b':', n1, n2, b':', s1, s2, b' ', sign, zone @ ..] = rest
    else {
        return None;
    };
    let pair = |tens: &u8, ones: &u8| time::pair(*tens, *ones);
    let year = i64::from(pair(y1, y2)? * 100 + pair(y3, y4)?);
    let date = (year, month(&[*m1, *m2, *m3])?, pair(d1, d2)?);
    let local = time::civil(date, (pair(h1, h2)?, pair(n1, n2)?, pair(s1, s2)?), 0)?;
    let (minutes, taken) = time::zone(zone)?;
    if taken != zone.len() {
        return None;
    }
    let offset = minutes.unsigned_abs() * 60 * time::SECOND;
    match sign {
        b'+' => local.checked_sub(offset),
        b'-' => local.checked_add(offset),
        _ => None,
    }
}
