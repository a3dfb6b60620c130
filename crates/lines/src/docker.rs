//! Docker's json-file format: `{"log":"a line\n","stream":"stdout","time":"2016-…Z"}`.
//!
//! The runtime splits lines of more than 16 KiB; a piece without a newline at its end goes on in
//! the stream's next entry. Fields in any order, further ones (`attrs`) are passed over.

use crate::json::scan::Index;
use crate::json::text::unescape;
use crate::json::walk::{self, Kind};
use crate::time;

/// One entry of a container's log; its content was written to the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    pub(crate) time: u64,
    pub(crate) stderr: bool,
    pub(crate) partial: bool,
}

/// Reads an entry and replaces `content` by what it says; `None` when it is malformed.
pub(crate) fn parse(line: &str, index: &mut Index, content: &mut String) -> Option<Entry> {
    content.clear();
    let mut entry = Entry::default();
    let (mut log, mut stream) = (None, None);
    walk::object(line, index, |member: walk::Member| {
        let text = member.value.text(line);
        match member.key.text(line) {
            "log" => log = Some((member.value.kind, text)),
            "stream" if member.value.kind == Kind::Plain => stream = Some(text),
            "time" => entry.time = time::any(text).unwrap_or(0),
            _ => {}
        }
    })?;
    let (kind, text) = log?;
    match kind {
        Kind::Plain => content.push_str(text),
        Kind::Escaped => unescape(text, content)?,
        _ => return None,
    }
    entry.stderr = stream == Some("stderr");
    entry.partial = !content.ends_with('\n');
    if !entry.partial {
        content.pop();
        if content.ends_with('\r') {
            content.pop();
        }
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_a_piece_without_a_newline_is_partial() {
        for (line, wanted) in [
            (
                r#"{"log":"a\n","stream":"stderr","time":"1970-01-01T00:00:01Z"}"#,
                Some(("a", true, false, 1)),
            ),
            (
                r#"{"time":"1970-01-01T00:00:02Z","stream":"stdout","log":"a\"b"}"#,
                Some(("a\"b", false, true, 2)),
            ),
            (r#"{"log":"\r\n","attrs":{"a":"b"}}"#, Some(("", false, false, 0))),
            (r#"{"log":"","stream":"stdout"}"#, Some(("", false, true, 0))),
            (r#"{"log":5}"#, None),
            (r#"{"stream":"stdout"}"#, None),
            (r#"{"log":"a"#, None),
            ("", None),
        ] {
            let mut content = "old".to_owned();
            let entry = parse(line, &mut Index::default(), &mut content);
            let found = entry
                .map(|one| (content.as_str(), one.stderr, one.partial, one.time / time::SECOND));
            assert_eq!(found, wanted, "{line}");
        }
    }
}
