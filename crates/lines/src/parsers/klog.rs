//! klog, the format of Kubernetes components: `E0506 07:08:09.123456  1234 file.go:56] message`.
//!
//! The line has no year and no zone; both are taken as for RFC 3164 syslog. Structured messages
//! (`"Starting" pod="default/web"`) keep their pairs in the body.

use super::Parser;
use super::words::Words;
use crate::draft::Draft;
use crate::options::Body;
use crate::time;

/// The parser.
pub(super) const PARSER: Parser =
    Parser { name: "klog", about: "the format of Kubernetes components", parse };

fn parse(draft: &mut Draft<'_>) -> Option<()> {
    let line = draft.line;
    let [letter, m1, m2, d1, d2, b' ', h1, h2, b':', n1, n2, b':', s1, s2, b'.', ..] =
        *line.as_bytes()
    else {
        return None;
    };
    let severity = match letter {
        b'I' => 9,
        b'W' => 13,
        b'E' => 17,
        b'F' => 21,
        _ => return None,
    };
    let (month, day) = (time::pair(m1, m2)?, time::pair(d1, d2)?);
    let clock = (time::pair(h1, h2)?, time::pair(n1, n2)?, time::pair(s1, s2)?);
    let (nanos, taken) = time::fraction(line.as_bytes(), 14);
    let when = time::yearless((month, day), clock, nanos, draft.record.observed)?;
    let mut words = Words::new(line.get(taken..)?);
    words.expect(" ")?;
    words.spaces();
    let thread = words.word()?;
    let place = words.until("] ").or_else(|| words.until("]"))?;
    let (file, number) = place.rsplit_once(':')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(thread) || !digits(number) || file.contains(' ') {
        return None;
    }
    draft.record.time = when;
    draft.record.severity = severity;
    draft.record.severity_text = draft.span(0, 1);
    draft.constant("thread.id", draft.slice(thread));
    draft.constant("code.file.path", draft.slice(file));
    draft.constant("code.line.number", draft.slice(number));
    if draft.options.body == Body::Message {
        let start = draft.offset(words.rest());
        draft.record.body = draft.span(start, start + words.rest().len());
    }
    Some(())
}
