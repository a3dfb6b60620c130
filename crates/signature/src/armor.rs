//! ASCII armour of SSH signatures and OpenPGP: the base64 between two dashed lines.
//!
//! Input: text. Output: the bytes of one block ([`only`]) or of each block with its line
//! ([`all`]). The checksum of OpenPGP armour is not looked at: what is inside is checked by a
//! signature, and RFC 9580 drops it. Errors: a [`Fault`] that says what is not well formed.

use crate::verdict::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One block and the line of its first dashes, counted from 1.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) line: u32,
    pub(crate) bytes: Result<Vec<u8>, Fault>,
}

/// The one block of this label that the text must consist of.
pub(crate) fn only(text: &[u8], label: &str) -> Result<Vec<u8>, Fault> {
    let text =
        std::str::from_utf8(text).map_err(|_| Fault::bad("the signature's armour is not text"))?;
    let mut lines = text.lines().map(str::trim_end);
    if lines.next() != Some(format!("-----BEGIN {label}-----").as_str()) {
        return Err(Fault::bad(format!("the armour does not begin with `{label}`")));
    }
    let bytes = body(&mut lines, label)?;
    if lines.any(|line| !line.is_empty()) {
        return Err(Fault::bad("there is more after the end of the signature"));
    }
    Ok(bytes)
}

/// Every block of this label; text between blocks is skipped.
pub(crate) fn all(text: &str, label: &str) -> Vec<Block> {
    let begin = format!("-----BEGIN {label}-----");
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end).zip(1_u32..);
    while let Some((line, number)) = lines.next() {
        if line == begin {
            let mut inside = lines.by_ref().map(|(line, _)| line);
            blocks.push(Block { line: number, bytes: body(&mut inside, label) });
        }
    }
    blocks
}

/// From behind the first dashed line to the last one.
fn body(lines: &mut dyn Iterator<Item = &str>, label: &str) -> Result<Vec<u8>, Fault> {
    let end = format!("-----END {label}-----");
    let mut base64 = String::new();
    let mut first = true;
    let mut in_headers = false;
    for line in lines {
        if line == end {
            return STANDARD
                .decode(&base64)
                .map_err(|_| Fault::bad("the armour is not valid base64"));
        }
        if line.starts_with("-----") {
            break;
        }
        // Armour headers are `Key: value` lines up to an empty one.
        in_headers = (first || in_headers) && line.contains(": ");
        first = false;
        if !in_headers && !line.starts_with('=') {
            base64.push_str(line);
        }
    }
    Err(Fault::bad(format!("the armour has no `END {label}` line")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_checksum_are_skipped_and_a_second_block_is_refused() {
        let text = "-----BEGIN X-----\nVersion: 1\nComment: a\n\nAQID\n=abcd\n-----END X-----\n";
        assert_eq!(only(text.as_bytes(), "X"), Ok(vec![1, 2, 3]));
        assert!(only(text.repeat(2).as_bytes(), "X").is_err());
        assert!(only(b"-----BEGIN X-----\nAQID\n", "X").is_err());
        assert!(only(b"-----BEGIN X-----\nA!\n-----END X-----\n", "X").is_err());
        assert!(only(b"", "X").is_err());
    }

    #[test]
    fn every_block_is_found_with_its_line() {
        let text = "note\n-----BEGIN X-----\n\nAQ==\n-----END X-----\n\n-----BEGIN X-----\nAg==\n";
        let blocks = all(text, "X");
        assert_eq!(blocks.iter().map(|block| block.line).collect::<Vec<_>>(), [2, 7]);
        assert_eq!(blocks.first().map(|block| block.bytes.clone()), Some(Ok(vec![1])));
        assert!(blocks.last().is_some_and(|block| block.bytes.is_err()));
    }
}
