//! The line format of the Container Runtime Interface: `TIME STREAM TAGS CONTENT`.
//!
//! `2016-10-06T00:17:09.669794202Z stdout F a line`: RFC 3339 with 0 to 9 fraction digits and any
//! offset, `stdout` or `stderr`, tags with colons between them of which the first is `F` (the
//! line ends here) or `P` (it goes on in the stream's next entry). Anything else is malformed.

use crate::time::Calendar;

/// One entry of a container's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// When the runtime read it, nanoseconds since the epoch.
    pub(crate) time: u64,
    /// Written to standard error.
    pub(crate) stderr: bool,
    /// The line goes on in the next entry of the stream.
    pub(crate) partial: bool,
    /// What was written.
    pub(crate) content: &'a [u8],
}

/// Reads an entry; `None` when it is malformed.
#[must_use]
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each line")]
pub(crate) fn parse<'a>(line: &'a [u8], calendar: &mut Calendar) -> Option<Entry<'a>> {
    let (time, taken) = calendar.rfc3339(line, false)?;
    let (stream, rest) = line.get(taken..)?.split_first_chunk()?;
    // As one number each.
    let stderr = *stream == *b" stderr ";
    if !stderr && *stream != *b" stdout " {
        return None;
    }
    let (partial, content) = match rest {
        [b'F', b' ', content @ ..] => (false, content),
        [b'P', b' ', content @ ..] => (true, content),
        // Some runtimes trim the space after the tag of an empty line.
        [b'F'] => (false, &[][..]),
        [b'P'] => (true, &[][..]),
        [tag @ (b'F' | b'P'), b':', more @ ..] => {
            let end = memchr::memchr(b' ', more).unwrap_or(more.len());
            (*tag == b'P', more.get(end + 1..).unwrap_or_default())
        }
        _ => return None,
    };
    Some(Entry { time, stderr, partial, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_entries_are_read_with_offsets_fractions_and_further_tags() {
        for (line, wanted) in [
            ("1970-01-01T00:00:01Z stdout F a b ", Some((1_000_000_000, false, false, "a b "))),
            ("1970-01-01T08:00:01.5+08:00 stderr P x", Some((1_500_000_000, true, true, "x"))),
            ("1970-01-01T00:00:01Z stdout F:T:x  y", Some((1_000_000_000, false, false, " y"))),
            ("1970-01-01T00:00:01Z stdout P:T y", Some((1_000_000_000, false, true, "y"))),
            ("1970-01-01T00:00:01Z stdout F ", Some((1_000_000_000, false, false, ""))),
            ("1970-01-01T00:00:01Z stdout F", Some((1_000_000_000, false, false, ""))),
            ("1970-01-01T00:00:01Z stdout F:", Some((1_000_000_000, false, false, ""))),
            ("1970-01-01T00:00:01Z stdout X a", None),
            ("1970-01-01T00:00:01Z stdout FX a", None),
            ("1970-01-01T00:00:01Z stdin F a", None),
            ("1970-01-01T00:00:01Z  stdout F a", None),
            ("1970-01-01T00:00:01 stdout F a", None),
            ("1970-01-01T00:00:01Z stdout", None),
            ("1970-01-01T00:00:01Z", None),
            ("", None),
            ("F", None),
        ] {
            let found = parse(line.as_bytes(), &mut Calendar::default());
            let found = found.map(|one| (one.time, one.stderr, one.partial, one.content));
            let wanted = wanted.map(|(time, stderr, partial, content)| {
                (time, stderr, partial, content.as_bytes())
            });
            assert_eq!(found, wanted, "{line}");
        }
    }
}
