//! The armour of age files: strict base64 in lines of 64 characters between two dashed lines.

use super::AgeError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";

/// Characters of every line but the last.
const LINE_CHARS: usize = 64;

pub(super) fn is_armoured(file: &[u8]) -> bool {
    file.trim_ascii_start().starts_with(BEGIN.as_bytes())
}

pub(super) fn decode(file: &[u8]) -> Result<Vec<u8>, AgeError> {
    let text = std::str::from_utf8(file).map_err(|_| AgeError::Malformed("armour is text"))?;
    let mut lines = text.trim_ascii().lines().skip(1).peekable();
    let mut base64 = String::new();
    while let Some(line) = lines.next() {
        if line == END {
            return match lines.next() {
                Some(_) => Err(AgeError::Malformed("there is more behind the armour")),
                None => STANDARD
                    .decode(base64)
                    .map_err(|_| AgeError::Malformed("the armour is not base64")),
            };
        }
        let last = lines.peek() == Some(&END);
        if line.is_empty() || line.len() > LINE_CHARS || (!last && line.len() != LINE_CHARS) {
            return Err(AgeError::Malformed("a line of the armour has not 64 characters"));
        }
        base64.push_str(line);
    }
    Err(AgeError::Malformed("the armour has no end"))
}
