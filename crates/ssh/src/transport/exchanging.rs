//! The messages of a key exchange, the first and all later ones.

use super::{Algorithms, Exchanging, NEWKEYS, Transport, Used};
use crate::error::SshError;
use crate::exchange::{ECDH_REPLY, Half, Reply, Said, Shared};
use crate::identification;
use crate::negotiate::{self, Agreement, COOKIE_BYTES};
use crate::wire::Writer;
use signature::SshPublicKey;

impl Transport {
    /// Begins an exchange.
    pub(super) fn make_offer(&mut self) -> Result<(), SshError> {
        let mut cookie = [0; COOKIE_BYTES];
        self.random.fill(&mut cookie).map_err(|_| SshError::Random)?;
        let offer = negotiate::offer(&cookie, &self.host_keys, self.session.is_none());
        self.seal(&offer)?;
        self.exchanging = Exchanging::Offered { offer };
        Ok(())
    }

    /// The server's offer: an answer to ours, or the beginning of an exchange.
    pub(super) fn offered(&mut self, payload: &[u8], rest: &[u8]) -> Result<(), SshError> {
        if matches!(self.exchanging, Exchanging::No) {
            self.make_offer()?;
        }
        let exchanging = std::mem::replace(&mut self.exchanging, Exchanging::No);
        let Exchanging::Offered { offer } = exchanging else {
            return Err(self.failed("it offers algorithms in the middle of an exchange"));
        };
        let agreement = negotiate::agree(&self.host, &self.host_keys, rest)?;
        if self.session.is_none() {
            self.strict = agreement.strict;
            if self.strict && self.last_sequence != 0 {
                return Err(self.failed("a message came before the keys that must not be there"));
            }
        }
        let half = Half::new(agreement.exchange, &*self.random).ok_or(SshError::Random)?;
        self.seal(&half.message())?;
        let skip = agreement.guessed_wrong;
        let their_offer = payload.to_vec();
        self.exchanging = Exchanging::Asked { offer, their_offer, agreement, half, skip };
        Ok(())
    }

    /// The server's half, or its word that it uses the new keys.
    pub(super) fn exchange(&mut self, number: u8, rest: &[u8]) -> Result<(), SshError> {
        match (number, std::mem::replace(&mut self.exchanging, Exchanging::No)) {
            (ECDH_REPLY, Exchanging::Asked { offer, their_offer, agreement, half, .. }) => {
                let reply = Reply::read(rest)
                    .ok_or_else(|| self.failed("its half of the exchange is not well formed"))?;
                let said = Said {
                    our_identification: identification::OURS.as_bytes(),
                    their_identification: self.identification.as_deref().unwrap_or_default(),
                    our_offer: &offer,
                    their_offer: &their_offer,
                };
                let shared = Shared::new(agreement.exchange, half, &said, &reply)
                    .ok_or_else(|| self.failed("its half of the exchange is not a valid key"))?;
                self.prove(&agreement, &reply, &shared)?;
                self.use_keys(&agreement, &shared)
            }
            (NEWKEYS, Exchanging::Agreed { opener, strict }) if rest.is_empty() => {
                self.opener = opener;
                self.received = Used::default();
                if strict {
                    self.receive_sequence = 0;
                }
                self.established = true;
                Ok(())
            }
            _ => Err(self.failed("a message of the exchange came at the wrong time")),
        }
    }

    /// The host key is one that the host may show, and it has signed this exchange.
    fn prove(
        &mut self,
        agreement: &Agreement,
        reply: &Reply<'_>,
        shared: &Shared,
    ) -> Result<(), SshError> {
        let key = SshPublicKey::read(reply.host_key)
            .map_err(|_| self.failed("its host key is not well formed or not accepted"))?;
        let algorithm = agreement.host_key;
        let kinds = negotiate::HOST_KEY_ALGORITHMS;
        if !kinds.contains(&(algorithm, key.kind())) {
            return Err(self.failed("its host key is of another kind than agreed on"));
        }
        if !key.holds(algorithm, shared.hash(), reply.signature) {
            return Err(self.failed("the signature of its host key does not hold"));
        }
        match &self.host_key {
            Some(first) if first != key.blob() => {
                Err(self.failed("it shows another host key than before"))
            }
            Some(_) => Ok(()),
            None => {
                self.known.judge(&self.host, &key)?;
                self.host_key = Some(key.blob().to_vec());
                Ok(())
            }
        }
    }

    /// Uses the new keys for what we send, and sends what waited.
    fn use_keys(&mut self, agreement: &Agreement, shared: &Shared) -> Result<(), SshError> {
        let session = self.session.get_or_insert_with(|| shared.hash().to_vec());
        let keys = shared.keys(session, agreement);
        let (sealer, opener) = keys.ok_or_else(|| self.failed("the keys cannot be made"))?;
        self.seal(Writer::message(NEWKEYS).as_slice())?;
        self.sealer = sealer;
        self.sent = Used::default();
        if self.strict {
            self.send_sequence = 0;
        }
        self.algorithms = Some(Algorithms {
            exchange: agreement.exchange_name,
            host_key: agreement.host_key,
            outward: agreement.outward.name(),
            inward: agreement.inward.name(),
            strict: self.strict,
        });
        self.exchanging = Exchanging::Agreed { opener, strict: self.strict };
        self.held_bytes = 0;
        for payload in std::mem::take(&mut self.held) {
            self.seal(&payload)?;
        }
        Ok(())
    }
}
