//! Decrypts documents in their order and checks the code that SOPS made over the plain values.
//!
//! The code is SHA-512 over every scalar as text, in document order: `True`, `False`, integers
//! and floats in decimal, nulls not at all, comments neither. Each encrypted value is bound to
//! the keys above it, joined and ended by `:`; items of lists have no part in that.

use crate::cipher::Cipher;
use crate::document::{Documents, Node};
use crate::metadata::Metadata;
use crate::{SopsError, ValueError};
use ring::digest::{Context, SHA512};
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// The code begins with these bytes when it covers encrypted values only, so that the two kinds
/// of code are never equal: the SHA-256 digest of `sops`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// Decrypts every value in place.
pub(crate) fn decrypt(
    documents: &mut Documents,
    metadata: &Metadata,
    key: &[u8; 32],
) -> Result<(), SopsError> {
    let cipher = Cipher::new(key);
    let expected = cipher
        .open(&metadata.mac, &metadata.last_modified)
        .map_err(|source| SopsError::MacValue { source })?;
    let mut walker = Walker { cipher, metadata, code: Context::new(&SHA512) };
    if metadata.mac_only_encrypted {
        walker.code.update(&ONLY_ENCRYPTED);
    }
    for (document, number) in documents.0.iter_mut().zip(1..) {
        let mut place = Place::default();
        walker.node(document, &mut place, false).map_err(|source| SopsError::Value {
            document: number,
            path: place.shown(),
            source,
        })?;
    }
    let code = walker.code.finish();
    let mut found = String::new();
    for byte in code.as_ref() {
        write!(found, "{byte:02X}").map_err(|_| SopsError::Mac)?;
    }
    let expected = expected.text().unwrap_or_default();
    // Both texts are secrets of nobody but the key's holder; the comparison still tells no prefix.
    let differs = found.bytes().zip(expected.bytes()).fold(0, |acc, (a, b)| acc | (a ^ b));
    if found.len() == expected.len() && differs == 0 { Ok(()) } else { Err(SopsError::Mac) }
}

/// Where the walk is: keys for the cipher, and items too for messages.
#[derive(Default)]
struct Place {
    steps: Vec<Step>,
}

enum Step {
    Key(String),
    Item(usize),
}

impl Place {
    /// What a value here is bound to.
    fn bound(&self) -> String {
        let mut out = String::new();
        for step in &self.steps {
            if let Step::Key(key) = step {
                out.push_str(key);
                out.push(':');
            }
        }
        if out.is_empty() { ":".to_owned() } else { out }
    }

    fn shown(&self) -> String {
        let mut out = String::new();
        for step in &self.steps {
            match step {
                Step::Key(key) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.extend(key.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
                }
                Step::Item(index) => out.push_str(&format!("[{index}]")),
            }
        }
        out
    }
}

struct Walker<'a> {
    cipher: Cipher,
    metadata: &'a Metadata,
    code: Context,
}

impl Walker<'_> {
    /// On an error `place` stays where it happened.
    fn node(&mut self, node: &mut Node, place: &mut Place, turned: bool) -> Result<(), ValueError> {
        match node {
            Node::Map(fields) => {
                for (key, value) in fields {
                    place.steps.push(Step::Key(key.clone()));
                    let turned = turned || self.metadata.rules.turns(key);
                    self.node(value, place, turned)?;
                    place.steps.pop();
                }
                Ok(())
            }
            Node::List(items) => {
                for (item, index) in items.iter_mut().zip(0..) {
                    place.steps.push(Step::Item(index));
                    self.node(item, place, turned)?;
                    place.steps.pop();
                }
                Ok(())
            }
            Node::Null => Ok(()),
            leaf => self.leaf(leaf, place, turned),
        }
    }

    fn leaf(&mut self, leaf: &mut Node, place: &Place, turned: bool) -> Result<(), ValueError> {
        let encrypted = self.metadata.rules.is_encrypted(turned);
        if encrypted {
            let Node::Text(text) = leaf else { return Err(ValueError::NotEncrypted) };
            let opened = self.cipher.open(text, &place.bound())?;
            *leaf = opened;
        }
        if encrypted || !self.metadata.mac_only_encrypted {
            self.code.update(&as_text(leaf)?);
        }
        match leaf {
            Node::Float(value) if !value.is_finite() => Err(ValueError::NotExpressible),
            Node::Large => Err(ValueError::NotExpressible),
            Node::Time(_) => Err(ValueError::Time),
            _ => Ok(()),
        }
    }
}

/// A scalar as Go prints it for the code.
fn as_text(leaf: &Node) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    let text = match leaf {
        Node::Text(text) => text.clone(),
        Node::Bool(true) => "True".to_owned(),
        Node::Bool(false) => "False".to_owned(),
        Node::Integer(value) => value.to_string(),
        // The shortest digits that read back, never with an exponent: Go's `'f', -1`.
        Node::Float(value) if value.is_finite() => value.to_string(),
        Node::Float(_) | Node::Large => return Err(ValueError::NotExpressible),
        Node::Time(_) => return Err(ValueError::Time),
        Node::Null | Node::Map(_) | Node::List(_) => String::new(),
    };
    Ok(Zeroizing::new(text.into_bytes()))
}
