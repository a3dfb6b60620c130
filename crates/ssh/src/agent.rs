//! The messages of an agent that holds keys (`SSH_AUTH_SOCK`): listing them, and having one sign.
//!
//! Input and output: messages with their length in front, as they go over the agent's socket.
//! Limits: [`AGENT_MESSAGE_BYTES_MAX`], [`AGENT_KEYS_MAX`]. An agent is never forwarded: a server
//! that asks for it is refused.

use crate::auth::SignRequest;
use crate::limits::{AGENT_KEYS_MAX, AGENT_MESSAGE_BYTES_MAX};
use crate::wire::{Reader, Writer};
use std::fmt;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// RSA with these hashes instead of SHA-1.
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// A key that an agent holds.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentKey {
    kind: String,
    blob: Vec<u8>,
}

impl AgentKey {
    /// The kind as SSH names it.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The public key in its wire form.
    #[must_use]
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentKey({} {})", self.kind, signature::ssh_fingerprint(&self.blob))
    }
}

/// Asks for the list of keys.
#[must_use]
pub fn list_request() -> Vec<u8> {
    framed(&Writer::message(REQUEST_IDENTITIES))
}

/// Asks for a signature.
#[must_use]
pub fn sign_request(request: &SignRequest) -> Vec<u8> {
    let flags = match request.algorithm.as_str() {
        "rsa-sha2-256" => RSA_SHA2_256,
        "rsa-sha2-512" => RSA_SHA2_512,
        _ => 0,
    };
    framed(
        &Writer::message(SIGN_REQUEST).string(request.key.blob()).string(&request.data).u32(flags),
    )
}

/// The bytes of a message from the four in front of it.
///
/// # Errors
/// When it is empty or larger than [`AGENT_MESSAGE_BYTES_MAX`].
pub fn message_bytes(length: [u8; 4]) -> Result<usize, &'static str> {
    match usize::try_from(u32::from_be_bytes(length)) {
        Ok(0) => Err("the agent sends an empty message"),
        Ok(bytes) if bytes <= AGENT_MESSAGE_BYTES_MAX => Ok(bytes),
        _ => Err("the agent sends too long a message"),
    }
}

/// The keys of a list, without the length in front; certificates are left out.
///
/// # Errors
/// When it is another message or not well formed.
pub fn read_list(message: &[u8]) -> Result<Vec<AgentKey>, &'static str> {
    let list = || {
        let mut reader = Reader::new(message);
        if reader.u8()? != IDENTITIES_ANSWER {
            return None;
        }
        let count = usize::try_from(reader.u32()?).ok()?;
        let mut keys = Vec::new();
        for _ in 0..count.min(AGENT_KEYS_MAX) {
            let (blob, _comment) = (reader.string()?, reader.string()?);
            let kind = Reader::new(blob).text()?.to_owned();
            if !kind.contains("-cert-") {
                keys.push(AgentKey { kind, blob: blob.to_vec() });
            }
        }
        Some(keys)
    };
    list().ok_or("the agent does not list its keys")
}

/// The signature of an answer, without the length in front.
///
/// # Errors
/// When the agent refuses, or answers with a signature of another algorithm.
pub fn read_signature(message: &[u8], algorithm: &str) -> Result<Vec<u8>, &'static str> {
    let mut reader = Reader::new(message);
    let blob = match (reader.u8(), reader.string()) {
        (Some(SIGN_RESPONSE), Some(blob)) if reader.is_empty() => blob,
        _ => return Err("the agent refuses to sign"),
    };
    if Reader::new(blob).text() != Some(algorithm) {
        return Err("the agent signs with another algorithm than asked for");
    }
    Ok(blob.to_vec())
}

fn framed(message: &Writer) -> Vec<u8> {
    Writer::default().string(message.as_slice()).into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize) -> Vec<u8> {
        let mut writer = Writer::message(IDENTITIES_ANSWER).u32(u32::try_from(count).unwrap());
        for number in 0..count {
            let kind = if number == 1 { "ssh-rsa-cert-v01@openssh.com" } else { "ssh-ed25519" };
            let blob = Writer::default().string(kind.as_bytes()).into_vec();
            writer = writer.string(&blob).string(b"comment");
        }
        writer.into_vec()
    }

    #[test]
    fn keys_are_listed_up_to_the_bound_and_without_certificates() {
        assert_eq!(read_list(&list(3)).unwrap().len(), 2);
        assert_eq!(read_list(&list(AGENT_KEYS_MAX)).unwrap().len(), AGENT_KEYS_MAX - 1);
        assert_eq!(read_list(&list(AGENT_KEYS_MAX + 9)).unwrap().len(), AGENT_KEYS_MAX - 1);
        let whole = list(2);
        assert!((0..whole.len()).all(|cut| read_list(&whole[..cut]).is_err()));
        assert!(read_list(&[5]).is_err());
    }

    #[test]
    fn a_message_is_taken_up_to_the_limit_and_not_beyond() {
        let most = u32::try_from(AGENT_MESSAGE_BYTES_MAX).unwrap();
        assert_eq!(message_bytes(most.to_be_bytes()), Ok(AGENT_MESSAGE_BYTES_MAX));
        assert!(message_bytes((most + 1).to_be_bytes()).is_err());
        assert!(message_bytes([0; 4]).is_err());
    }

    #[test]
    fn rsa_is_never_asked_for_with_sha1_and_never_taken_with_it() {
        let key = AgentKey { kind: "ssh-rsa".into(), blob: vec![1] };
        let request = |algorithm: &str| {
            let request =
                SignRequest { key: key.clone(), algorithm: algorithm.into(), data: vec![2] };
            *sign_request(&request).last().unwrap()
        };
        assert_eq!((request("rsa-sha2-256"), request("rsa-sha2-512")), (2, 4));
        let answer = |algorithm: &str| {
            let blob = Writer::default().string(algorithm.as_bytes()).string(b"s").into_vec();
            Writer::message(SIGN_RESPONSE).string(&blob).into_vec()
        };
        assert!(read_signature(&answer("rsa-sha2-512"), "rsa-sha2-512").is_ok());
        assert!(read_signature(&answer("ssh-rsa"), "rsa-sha2-512").is_err());
        assert!(read_signature(&[5], "rsa-sha2-512").is_err());
    }
}
