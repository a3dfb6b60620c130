//! Proving who we are (RFC 4252) with public keys, one after the other.
//!
//! Input: keys, and the server's messages. Output: our messages, and what an agent is asked to
//! sign. Keys of an agent are offered without a signature first, so that it is asked only for a
//! key that the server takes. Every signature is bound to the session, and SHA-1 is never used.

use crate::agent::AgentKey;
use crate::error::{SshError, printable};
use crate::limits::{BANNER_BYTES_MAX, IDENTITIES_MAX};
use crate::private::PrivateKey;
use crate::transport::Transport;
use crate::wire::{Reader, Writer};
use std::collections::VecDeque;

const REQUEST: u8 = 50;
const FAILURE: u8 = 51;
const SUCCESS: u8 = 52;
const BANNER: u8 = 53;
const PUBLIC_KEY_OK: u8 = 60;

/// The service that is used afterwards.
const CONNECTION: &[u8] = b"ssh-connection";

/// The only method.
const METHOD: &str = "publickey";

/// A key to prove who we are with.
#[derive(Debug)]
pub enum Identity {
    /// A key that is here.
    Private(PrivateKey),
    /// A key that an agent holds.
    Agent(AgentKey),
}

impl Identity {
    fn kind(&self) -> &str {
        match self {
            Self::Private(key) => key.public().kind(),
            Self::Agent(key) => key.kind(),
        }
    }

    fn blob(&self) -> &[u8] {
        match self {
            Self::Private(key) => key.public().blob(),
            Self::Agent(key) => key.blob(),
        }
    }
}

/// What an agent is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignRequest {
    /// The key.
    pub key: AgentKey,
    /// The algorithm.
    pub algorithm: String,
    /// The bytes; they hold the session's name, the user and the key, and no secret.
    pub data: Vec<u8>,
}

/// What we wait for.
enum Waiting {
    /// An answer to a signature.
    Answer,
    /// Whether the server would take this key.
    Taken { key: AgentKey, algorithm: &'static str },
    /// The agent's signature.
    Agent(SignRequest),
}

/// What came of a message.
pub(crate) enum Step {
    GoOn,
    LetIn,
}

/// One login.
pub(crate) struct Auth {
    user: String,
    left: VecDeque<Identity>,
    offered: usize,
    waiting: Waiting,
    banner: Vec<u8>,
    /// Keys that could not be used, and why.
    notes: Vec<String>,
}

impl Auth {
    pub(crate) fn new(user: String, mut identities: Vec<Identity>) -> Self {
        identities.truncate(IDENTITIES_MAX);
        Self {
            user,
            left: identities.into(),
            offered: 0,
            waiting: Waiting::Answer,
            banner: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Offers the next key.
    pub(crate) fn go_on(&mut self, transport: &mut Transport, said: &str) -> Result<(), SshError> {
        while let Some(identity) = self.left.pop_front() {
            let Some(algorithm) = algorithm(identity.kind(), transport.signature_algorithms())
            else {
                let why = format!("the server takes no {} signatures", identity.kind());
                self.notes.push(why);
                continue;
            };
            self.offered += 1;
            let blob = identity.blob();
            match &identity {
                Identity::Private(key) => {
                    let request = self.request(true, algorithm, blob);
                    let data = Writer::default().string(transport.session()).raw(&request);
                    let signature = key.sign(algorithm, data.as_slice(), transport.random());
                    let signature = signature.ok_or(SshError::Random)?;
                    let signed = Writer::default().raw(&request).string(&signature).into_vec();
                    self.waiting = Waiting::Answer;
                    return transport.send(signed);
                }
                Identity::Agent(key) => {
                    let request = self.request(false, algorithm, blob);
                    self.waiting = Waiting::Taken { key: key.clone(), algorithm };
                    return transport.send(request);
                }
            }
        }
        Err(self.refused(transport, said))
    }

    /// The data that the agent is asked to sign, if it is asked.
    pub(crate) fn wanted(&self) -> Option<&SignRequest> {
        match &self.waiting {
            Waiting::Agent(request) => Some(request),
            _ => None,
        }
    }

    /// The agent's answer; without a signature the next key is offered.
    pub(crate) fn signed(
        &mut self,
        transport: &mut Transport,
        answer: Result<Vec<u8>, String>,
    ) -> Result<(), SshError> {
        let request = match std::mem::replace(&mut self.waiting, Waiting::Answer) {
            Waiting::Agent(request) => request,
            other => {
                self.waiting = other;
                return Ok(());
            }
        };
        match answer {
            Ok(signature) => {
                let unsigned = self.request(true, &request.algorithm, request.key.blob());
                let message = Writer::default().raw(&unsigned).string(&signature).into_vec();
                transport.send(message)
            }
            Err(why) => {
                self.notes.push(printable(why.as_bytes()));
                self.go_on(transport, "")
            }
        }
    }

    /// Takes a message of the server.
    pub(crate) fn handle(
        &mut self,
        payload: &[u8],
        transport: &mut Transport,
    ) -> Result<Step, SshError> {
        let malformed = "a message of the login is not well formed";
        let Some((number, rest)) = payload.split_first() else { return Ok(Step::GoOn) };
        let mut reader = Reader::new(rest);
        match (*number, &self.waiting) {
            (SUCCESS, Waiting::Answer) if rest.is_empty() => return Ok(Step::LetIn),
            (BANNER, _) => {
                let text = reader.string().ok_or_else(|| transport.broken(malformed))?;
                let free = BANNER_BYTES_MAX - self.banner.len();
                self.banner.extend_from_slice(text.get(..free).unwrap_or(text));
            }
            (FAILURE, Waiting::Answer | Waiting::Taken { .. }) => {
                let methods = reader.names().ok_or_else(|| transport.broken(malformed))?;
                let partial = reader.bool().ok_or_else(|| transport.broken(malformed))?;
                let said = methods.join(", ");
                if !methods.contains(&METHOD) {
                    self.left.clear();
                }
                if partial {
                    self.notes.push("the key is right and another proof is wanted".to_owned());
                }
                self.go_on(transport, &said)?;
            }
            (PUBLIC_KEY_OK, Waiting::Taken { key, algorithm }) => {
                let same = reader.string() == Some(algorithm.as_bytes())
                    && reader.string() == Some(key.blob());
                if !same {
                    return Err(transport.broken("it takes another key than the one offered"));
                }
                let (key, algorithm) = (key.clone(), (*algorithm).to_owned());
                let request = self.request(true, &algorithm, key.blob());
                let data = Writer::default().string(transport.session()).raw(&request);
                let data = data.into_vec();
                self.waiting = Waiting::Agent(SignRequest { key, algorithm, data });
            }
            _ => return Err(transport.broken("a message came before we were let in")),
        }
        Ok(Step::GoOn)
    }

    /// The text that the server shows to who logs in.
    pub(crate) fn banner(&self) -> String {
        printable(&self.banner)
    }

    #[cfg(test)]
    pub(crate) fn banner_bytes(&self) -> usize {
        self.banner.len()
    }

    /// A request, which its signature follows where there is one.
    fn request(&self, signed: bool, algorithm: &str, blob: &[u8]) -> Vec<u8> {
        Writer::message(REQUEST)
            .string(self.user.as_bytes())
            .string(CONNECTION)
            .string(METHOD.as_bytes())
            .bool(signed)
            .string(algorithm.as_bytes())
            .string(blob)
            .into_vec()
    }

    /// Nothing is left to offer.
    fn refused(&self, transport: &Transport, said: &str) -> SshError {
        let mut reasons = self.notes.clone();
        reasons.push(match self.offered {
            0 => "no key was offered".to_owned(),
            1 => "it does not take the key".to_owned(),
            count => format!("it takes none of {count} keys"),
        });
        if !said.is_empty() && !said.split(", ").any(|method| method == METHOD) {
            reasons.push(format!("it takes only: {}", printable(said.as_bytes())));
        }
        let banner = self.banner();
        if !banner.is_empty() {
            reasons.push(format!("it says `{banner}`"));
        }
        SshError::Authenticate {
            host: transport.host().to_string(),
            user: self.user.clone(),
            offered: self.offered,
            reason: reasons.join("; "),
        }
    }

    /// A connection that ends while we log in was ended because of it.
    pub(crate) fn ended(&self, transport: &Transport, why: &SshError) -> SshError {
        SshError::Authenticate {
            host: transport.host().to_string(),
            user: self.user.clone(),
            offered: self.offered,
            reason: why.to_string(),
        }
    }
}

/// The algorithm to sign with; nothing when the server takes none that this kind of key has.
fn algorithm(kind: &str, taken: Option<&[String]>) -> Option<&'static str> {
    const OTHERS: [&str; 6] = [
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    if kind == "ssh-rsa" {
        let Some(taken) = taken else { return Some("rsa-sha2-512") };
        return ["rsa-sha2-512", "rsa-sha2-256"]
            .into_iter()
            .find(|name| taken.iter().any(|taken| taken == name));
    }
    // Servers leave names out of the list that they take all the same: only for RSA does it decide.
    OTHERS.into_iter().find(|name| *name == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsa_keys_sign_with_sha2_only_and_as_the_server_wants_it() {
        let taken = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(algorithm("ssh-rsa", None), Some("rsa-sha2-512"));
        let both = taken(&["rsa-sha2-256", "rsa-sha2-512"]);
        assert_eq!(algorithm("ssh-rsa", Some(&both)), Some("rsa-sha2-512"));
        assert_eq!(algorithm("ssh-rsa", Some(&taken(&["rsa-sha2-256"]))), Some("rsa-sha2-256"));
        assert_eq!(algorithm("ssh-rsa", Some(&taken(&["ssh-rsa"]))), None);
        assert_eq!(algorithm("ssh-ed25519", Some(&taken(&[]))), Some("ssh-ed25519"));
        assert_eq!(algorithm("ssh-dss", None), None);
    }
}
