//! One encrypted value: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.
//!
//! Input: the text, the key and the path that the value is bound to. Output: the plain value.
//! The nonce has 32 bytes, which is why this is not done by `ring`.

use crate::ValueError;
use crate::document::Node;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{AeadInPlace as _, KeyInit as _};
use aes_gcm::{AesGcm, aes::Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Bytes of a nonce.
const NONCE_BYTES: usize = 32;
/// Bytes of a tag.
const TAG_BYTES: usize = 16;

/// Decrypts values with one key.
pub(crate) struct Cipher(AesGcm<Aes256, U32>);

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(AesGcm::new(key.into()))
    }

    /// The plain value of a text; `path` is what it is bound to.
    pub(crate) fn open(&self, text: &str, path: &str) -> Result<Node, ValueError> {
        if text.is_empty() {
            // SOPS leaves empty texts as they are; the code of the file covers them.
            return Ok(Node::Text(String::new()));
        }
        let (bytes, kind) = self.open_bytes(text, path)?;
        let text = || std::str::from_utf8(&bytes).map_err(|_| ValueError::Type);
        Ok(match kind {
            // Go makes a text of any bytes; a document can hold only UTF-8.
            "str" | "bytes" | "time" => Node::Text(text()?.to_owned()),
            "int" | "int64" => Node::Integer(text()?.parse().map_err(|_| ValueError::Type)?),
            "float" => match text()?.parse::<f64>() {
                Ok(value) => Node::Float(value),
                Err(_) => return Err(ValueError::Type),
            },
            "bool" => match text()? {
                "True" | "true" => Node::Bool(true),
                "False" | "false" => Node::Bool(false),
                _ => return Err(ValueError::Type),
            },
            _ => return Err(ValueError::UnknownType),
        })
    }

    fn open_bytes<'a>(
        &self,
        text: &'a str,
        path: &str,
    ) -> Result<(Zeroizing<Vec<u8>>, &'a str), ValueError> {
        let inside = text.strip_prefix("ENC[AES256_GCM,").and_then(|text| text.strip_suffix(']'));
        let inside = inside.ok_or(ValueError::NotEncrypted)?;
        let fields: Vec<&str> = inside.split(',').collect();
        let [data, nonce, tag, kind] = fields.as_slice() else {
            return Err(ValueError::Malformed);
        };
        let decode = |field: &str, name: &str| {
            let base64 = field.strip_prefix(name).ok_or(ValueError::Malformed)?;
            STANDARD.decode(base64).map_err(|_| ValueError::Malformed)
        };
        let mut bytes = Zeroizing::new(decode(data, "data:")?);
        let (nonce, tag) = (decode(nonce, "iv:")?, decode(tag, "tag:")?);
        let kind = kind.strip_prefix("type:").ok_or(ValueError::Malformed)?;
        let nonce: &[u8; NONCE_BYTES] =
            nonce.as_slice().try_into().map_err(|_| ValueError::Malformed)?;
        let tag: &[u8; TAG_BYTES] = tag.as_slice().try_into().map_err(|_| ValueError::Malformed)?;
        self.0
            .decrypt_in_place_detached(nonce.into(), path.as_bytes(), &mut bytes, tag.into())
            .map_err(|_| ValueError::Forged)?;
        Ok((bytes, kind))
    }
}
