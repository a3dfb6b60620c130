//! The identification lines that open a connection (RFC 4253, 4.2).
//!
//! Input: what came so far. Output: the server's line without its end, and how many bytes it took
//! with the lines before it. Limits: [`IDENTIFICATION_BYTES_MAX`] and those of the lines before.

use crate::error::printable;
use crate::limits::{
    IDENTIFICATION_BYTES_MAX, LINE_BEFORE_IDENTIFICATION_BYTES_MAX, LINES_BEFORE_IDENTIFICATION_MAX,
};

/// Ours; the version of Orlop is nobody's business.
pub(crate) const OURS: &str = "SSH-2.0-orlop";

/// The server's line, and the bytes up to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identification {
    pub(crate) line: Vec<u8>,
    pub(crate) bytes: usize,
}

/// Looks for the server's identification; nothing when more must come.
pub(crate) fn find(input: &[u8]) -> Result<Option<Identification>, String> {
    let mut at = 0;
    for _ in 0..=LINES_BEFORE_IDENTIFICATION_MAX {
        let rest = input.get(at..).unwrap_or_default();
        let ours = rest.starts_with(b"SSH-");
        let most =
            if ours { IDENTIFICATION_BYTES_MAX } else { LINE_BEFORE_IDENTIFICATION_BYTES_MAX };
        let window = rest.get(..most).unwrap_or(rest);
        let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
            if rest.len() >= most {
                return Err(format!("it sends a line of more than {most} bytes"));
            }
            return Ok(None);
        };
        let line = rest.get(..end).unwrap_or_default();
        at += end + 1;
        if ours {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return checked(line).map(|()| Some(Identification { line: line.to_vec(), bytes: at }));
        }
        // A server that speaks first in another protocol is told by its own words.
        if line.starts_with(b"HTTP/") {
            return Err(format!("it answers `{}`", printable(line)));
        }
    }
    Err(format!(
        "it sends more than {LINES_BEFORE_IDENTIFICATION_MAX} lines before it says who it is"
    ))
}

fn checked(line: &[u8]) -> Result<(), String> {
    let known = [&b"SSH-2.0-"[..], b"SSH-1.99-"].iter().any(|start| line.starts_with(start));
    if !known {
        return Err(format!("it says it is `{}`, which is not version 2", printable(line)));
    }
    if line.contains(&0) || line.contains(&b'\r') {
        return Err("its identification has a control character".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_behind_others_and_without_its_end() {
        let found = find(b"hello\r\nthere\nSSH-2.0-x y\r\nrest").unwrap().unwrap();
        assert_eq!((found.line.as_slice(), found.bytes), (&b"SSH-2.0-x y"[..], 26));
        assert_eq!(find(b"SSH-1.99-a\n").unwrap().unwrap().line, b"SSH-1.99-a");
        for part in [&b""[..], b"S", b"SSH-2.0-x", b"SSH-2.0-x\r", b"hello\r\nSSH-2.0"] {
            assert_eq!(find(part), Ok(None));
        }
    }

    #[test]
    fn other_protocols_and_versions_are_refused() {
        for bad in [
            &b"SSH-1.5-old\n"[..],
            b"SSH-3.0-new\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"SSH-2.0-a\0b\n",
            b"SSH-2.0-a\rb\n",
        ] {
            assert!(find(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lines_are_taken_up_to_their_bounds() {
        let line = |bytes: usize| {
            let mut line = b"SSH-2.0-".to_vec();
            line.resize(bytes - 1, b'x');
            line.push(b'\n');
            line
        };
        assert!(find(&line(IDENTIFICATION_BYTES_MAX)).unwrap().is_some());
        assert!(find(&line(IDENTIFICATION_BYTES_MAX + 1)).is_err());
        let before = |bytes: usize| {
            let mut line = vec![b'x'; bytes - 1];
            line.extend_from_slice(b"\nSSH-2.0-a\n");
            line
        };
        assert!(find(&before(LINE_BEFORE_IDENTIFICATION_BYTES_MAX)).unwrap().is_some());
        assert!(find(&before(LINE_BEFORE_IDENTIFICATION_BYTES_MAX + 1)).is_err());
        let lines = |count: usize| [b"x\n".repeat(count), b"SSH-2.0-a\n".to_vec()].concat();
        assert!(find(&lines(LINES_BEFORE_IDENTIFICATION_MAX)).unwrap().is_some());
        assert!(find(&lines(LINES_BEFORE_IDENTIFICATION_MAX + 1)).is_err());
    }
}
