//! OpenPGP certificates: a primary key with its user ids and subkeys, and what binds them.
//!
//! Input: the packets of a key ring. Output: [`Certificate`]s in which every signature that is
//! kept has been checked against the primary key, and for each certificate what was left out and
//! why. Signatures of other people are not kept: the ring itself says which keys are trusted.
//! Expiry and revocation depend on the time and are decided in [`Certificate::status`].
//!
//! Limits: [`COMPONENTS_MAX`] user ids and subkeys, [`SELF_SIGNATURES_MAX`] self-signatures on
//! each, because each of them costs a verification.

use super::key::Key;
use super::packet::{self, Packet};
use super::signature::{FLAG_SIGN, Kind, Signature};
use crate::verdict::{Fault, printable};

/// More user ids and subkeys of one key are refused.
pub(crate) const COMPONENTS_MAX: usize = 500;
/// More self-signatures on one component are refused.
pub(crate) const SELF_SIGNATURES_MAX: usize = 100;

/// A primary key and what is bound to it.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) primary: Key,
    pub(crate) users: Vec<User>,
    pub(crate) subkeys: Vec<Subkey>,
    direct: Vec<Signature>,
    revoked: bool,
}

/// A user id and the primary key's signatures over it.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: Vec<u8>,
    /// A picture or another attribute: it is bound like a user id and names nobody.
    is_attribute: bool,
    certifications: Vec<Signature>,
    revocations: Vec<Signature>,
}

/// A subkey and what binds it.
#[derive(Debug, Clone)]
pub(crate) struct Subkey {
    pub(crate) key: Key,
    /// With whether the subkey signed back, so that nobody can adopt a foreign key.
    bindings: Vec<(Signature, bool)>,
    revoked: bool,
}

/// Whether a key of the certificate may sign.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Valid,
    Expired(String),
    Revoked(String),
    MayNotSign(String),
}

impl User {
    /// The newest certification that counts, unless the user id was revoked after it.
    fn certification(&self, at: i64) -> Option<&Signature> {
        let newest = newest(self.certifications.iter(), at)?;
        let revoked = self.revocations.iter().any(|sig| sig.info.created >= newest.info.created);
        (!revoked && !self.is_attribute).then_some(newest)
    }

    pub(crate) fn name(&self) -> String {
        printable(&String::from_utf8_lossy(&self.id))
    }

    /// Whether the user id holds this e-mail address: `Name <a@b>` or `a@b` alone.
    pub(crate) fn has_address(&self, address: &str) -> bool {
        let text = String::from_utf8_lossy(&self.id);
        let own = match text.trim_end().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((_, address)) => address,
            None => text.trim(),
        };
        own.contains('@') && own.eq_ignore_ascii_case(address)
    }
}

impl Certificate {
    /// The user ids that are valid at this time, the primary one first.
    pub(crate) fn valid_users(&self, at: i64) -> Vec<&User> {
        let mut valid: Vec<(&User, &Signature)> =
            self.users.iter().filter_map(|user| Some((user, user.certification(at)?))).collect();
        valid.sort_by_key(|(_, sig)| std::cmp::Reverse((sig.info.primary_user, sig.info.created)));
        valid.into_iter().map(|(user, _)| user).collect()
    }

    /// Whether a key (the primary one, or the subkey at this place) may sign at this time.
    pub(crate) fn status(&self, subkey: Option<&Subkey>, at: i64) -> Status {
        if self.revoked {
            return Status::Revoked("the key is revoked".to_owned());
        }
        let users = self.valid_users(at);
        let Some(user) = users.first() else {
            let any_revoked = self.users.iter().any(|user| !user.revocations.is_empty());
            return if any_revoked {
                Status::Revoked("every user id of the key is revoked".to_owned())
            } else {
                Status::MayNotSign("no user id is bound to the key".to_owned())
            };
        };
        let direct = newest(self.direct.iter(), at);
        let about_primary = [direct, user.certification(at)];
        let about_primary = about_primary.iter().flatten();
        for signature in about_primary.clone() {
            if key_expired(&self.primary, signature, at) {
                return Status::Expired("the key is expired".to_owned());
            }
        }
        if self.primary.created > at {
            return Status::Expired("the key is made in the future".to_owned());
        }
        match subkey {
            Some(subkey) => subkey.status(at),
            // A certificate without flags is from before they were written.
            None if about_primary
                .filter_map(|sig| sig.info.key_flags)
                .all(|flags| flags & FLAG_SIGN != 0) =>
            {
                Status::Valid
            }
            None => Status::MayNotSign("the primary key may not sign data".to_owned()),
        }
    }
}

impl Subkey {
    fn status(&self, at: i64) -> Status {
        if self.revoked {
            return Status::Revoked("the subkey is revoked".to_owned());
        }
        let Some(binding) = newest(self.bindings.iter().map(|(binding, _)| binding), at) else {
            return Status::MayNotSign("the subkey is not bound to its key".to_owned());
        };
        if key_expired(&self.key, binding, at) {
            return Status::Expired("the subkey is expired".to_owned());
        }
        if self.key.created > at {
            return Status::Expired("the subkey is made in the future".to_owned());
        }
        if binding.info.key_flags.unwrap_or(0) & FLAG_SIGN == 0 {
            return Status::MayNotSign("the subkey may not sign data".to_owned());
        }
        let signed_back =
            self.bindings.iter().any(|(sig, back)| *back && std::ptr::eq(sig, binding));
        if !signed_back {
            return Status::MayNotSign("the subkey has not signed back to its key".to_owned());
        }
        Status::Valid
    }
}

/// The newest one that is made by then; nothing when that one is expired.
fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>, at: i64) -> Option<&'a Signature> {
    let made = signatures.filter(|sig| sig.info.created <= at);
    made.max_by_key(|sig| sig.info.created).filter(|sig| !sig.is_expired(at))
}

fn key_expired(key: &Key, signature: &Signature, at: i64) -> bool {
    let after = signature.info.key_expires_after.filter(|after| *after != 0);
    after.is_some_and(|after| key.created + i64::from(after) <= at)
}

/// The certificates of a ring, and what is wrong with them.
pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<Certificate>, Vec<String>), Fault> {
    let mut reader = Reader::default();
    for Packet { tag, body } in packet::all(bytes)? {
        match tag {
            packet::MARKER | packet::TRUST | packet::PADDING | 40.. => {}
            packet::PUBLIC_KEY => reader.begin(Key::read(body)),
            packet::SECRET_KEY | packet::SECRET_SUBKEY => {
                let fault = Fault::unsupported("a secret key in a ring of public keys");
                reader.begin(Err(fault));
            }
            packet::USER_ID | packet::USER_ATTRIBUTE => {
                reader.add_user(body, tag == packet::USER_ATTRIBUTE);
            }
            packet::PUBLIC_SUBKEY => reader.add_subkey(body),
            packet::SIGNATURE => reader.add_signature(body),
            other => reader.begin(Err(Fault::unsupported(format!("an OpenPGP packet {other}")))),
        }
    }
    reader.finish();
    Ok((reader.done, reader.wrong))
}

/// What the next signature packet is about.
#[derive(Debug, Clone, Copy, Default)]
enum Component {
    #[default]
    Primary,
    User,
    Subkey,
    Nothing,
}

#[derive(Default)]
struct Reader {
    done: Vec<Certificate>,
    wrong: Vec<String>,
    current: Option<Certificate>,
    component: Component,
    /// Self-signatures on the current component.
    signatures: usize,
    /// Revocations of the current key by others.
    foreign: Vec<Signature>,
}

impl Reader {
    fn begin(&mut self, key: Result<Key, Fault>) {
        self.finish();
        (self.component, self.signatures) = (Component::Primary, 0);
        match key {
            Ok(primary) => {
                self.current = Some(Certificate {
                    primary,
                    users: Vec::new(),
                    subkeys: Vec::new(),
                    direct: Vec::new(),
                    revoked: false,
                });
            }
            Err(fault) => self.wrong.push(format!("a key is left out: {}", fault.text())),
        }
    }

    fn finish(&mut self) {
        let foreign = std::mem::take(&mut self.foreign);
        let Some(mut certificate) = self.current.take() else { return };
        certificate.revoked |=
            foreign.iter().any(|revocation| certificate.is_appointed_revoker(revocation));
        if certificate.users.iter().all(|user| user.certifications.is_empty()) {
            self.note(&certificate, "no user id is bound to it, so it verifies nothing");
        }
        self.done.push(certificate);
    }

    fn note(&mut self, certificate: &Certificate, message: &str) {
        self.wrong.push(format!("key {}: {message}", certificate.primary.name()));
    }

    /// Whether one more user id or subkey fits; when not, the whole certificate is left out.
    fn has_room(&mut self) -> bool {
        let Some(certificate) = &self.current else { return false };
        if certificate.users.len() + certificate.subkeys.len() < COMPONENTS_MAX {
            return true;
        }
        self.leave_out(&format!("it has more than {COMPONENTS_MAX} user ids and subkeys"));
        false
    }

    fn leave_out(&mut self, why: &str) {
        if let Some(certificate) = self.current.take() {
            self.note(&certificate, &format!("left out, because {why}"));
        }
    }

    fn add_user(&mut self, id: &[u8], is_attribute: bool) {
        if !self.has_room() {
            return;
        }
        (self.component, self.signatures) = (Component::User, 0);
        if let Some(certificate) = &mut self.current {
            certificate.users.push(User {
                id: id.to_vec(),
                is_attribute,
                certifications: Vec::new(),
                revocations: Vec::new(),
            });
        }
    }

    fn add_subkey(&mut self, body: &[u8]) {
        if !self.has_room() {
            return;
        }
        (self.component, self.signatures) = (Component::Subkey, 0);
        let key = Key::read(body);
        let Some(certificate) = &mut self.current else { return };
        match key {
            Ok(key) => {
                certificate.subkeys.push(Subkey { key, bindings: Vec::new(), revoked: false });
            }
            Err(fault) => {
                self.component = Component::Nothing;
                let name = certificate.primary.name();
                self.wrong.push(format!("key {name}: a subkey is left out: {}", fault.text()));
            }
        }
    }

    fn add_signature(&mut self, body: &[u8]) {
        let Some(certificate) = &mut self.current else { return };
        let signature = match Signature::read(body) {
            Ok(signature) => signature,
            Err(fault) => {
                let name = certificate.primary.name();
                self.wrong.push(format!("key {name}: a signature is left out: {}", fault.text()));
                return;
            }
        };
        let named = !signature.info.issuers.is_empty() || !signature.info.issuer_ids.is_empty();
        if named && !signature.names(&certificate.primary) {
            // Somebody else's: of interest only when it comes from an appointed revoker, and
            // whether it does is known when the whole key has been read.
            if signature.kind == Kind::KeyRevocation && self.foreign.len() < SELF_SIGNATURES_MAX {
                self.foreign.push(signature);
            }
            return;
        }
        self.signatures += 1;
        if self.signatures > SELF_SIGNATURES_MAX {
            self.leave_out(&format!("a part has more than {SELF_SIGNATURES_MAX} self-signatures"));
            return;
        }
        if let Err(fault) = certificate.bind(self.component, signature) {
            let name = certificate.primary.name();
            self.wrong.push(format!("key {name}: a self-signature is left out: {}", fault.text()));
        }
    }
}

impl Certificate {
    /// The revoker's own key may not be in the ring, so that its revocation counts unchecked:
    /// a ring is the owner's input, and too many revocations are safer than one too few.
    fn is_appointed_revoker(&self, signature: &Signature) -> bool {
        let users = self.users.iter().flat_map(|user| &user.certifications);
        let mut revokers = self.direct.iter().chain(users).flat_map(|sig| &sig.info.revokers);
        revokers.any(|revoker| {
            signature.info.issuers.contains(revoker)
                || signature.info.issuer_ids.iter().any(|id| revoker.ends_with(id))
        })
    }

    /// Checks a self-signature and keeps it where it belongs.
    fn bind(&mut self, component: Component, signature: Signature) -> Result<(), Fault> {
        let Self { primary, users, subkeys, direct, revoked } = self;
        let check = |data: &[&[u8]]| match signature.holds(primary, data) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Fault::bad("it does not hold")),
            Err(fault) => Err(fault),
        };
        // A revocation with a hash that is not accepted still says what its owner wants.
        let check_revocation = |data: &[&[u8]]| match signature.holds(primary, data) {
            Ok(true) | Err(Fault::Unsupported(_)) => Ok(()),
            Ok(false) => Err(Fault::bad("it does not hold")),
            Err(fault) => Err(fault),
        };
        match (component, signature.kind) {
            (Component::Primary, Kind::DirectKey) => {
                check(&[primary.hashed()])?;
                direct.push(signature);
            }
            (_, Kind::KeyRevocation) => {
                check_revocation(&[primary.hashed()])?;
                *revoked = true;
            }
            (Component::User, Kind::Certification | Kind::CertificationRevocation) => {
                let Some(user) = users.last_mut() else { return Ok(()) };
                let prefix = if user.is_attribute { 0xd1 } else { 0xb4 };
                let length = u32::try_from(user.id.len()).unwrap_or(u32::MAX).to_be_bytes();
                let data: [&[u8]; 4] = [primary.hashed(), &[prefix], &length, &user.id];
                if signature.kind == Kind::Certification {
                    check(&data)?;
                    user.certifications.push(signature);
                } else {
                    check_revocation(&data)?;
                    user.revocations.push(signature);
                }
            }
            (Component::Subkey, Kind::SubkeyBinding | Kind::SubkeyRevocation) => {
                let Some(subkey) = subkeys.last_mut() else { return Ok(()) };
                let data = [primary.hashed(), subkey.key.hashed()];
                if signature.kind == Kind::SubkeyRevocation {
                    check_revocation(&data)?;
                    subkey.revoked = true;
                } else {
                    check(&data)?;
                    let back = signs_back(primary, &subkey.key, &signature);
                    subkey.bindings.push((signature, back));
                }
            }
            (Component::Nothing, _) => {}
            _ => return Err(Fault::bad("it is of a kind that has no place there")),
        }
        Ok(())
    }
}

/// Whether the subkey itself says that it belongs to the primary key.
fn signs_back(primary: &Key, subkey: &Key, binding: &Signature) -> bool {
    let embedded = binding.info.embedded.as_deref().map(Signature::read);
    let Some(Ok(back)) = embedded else { return false };
    back.kind == Kind::PrimaryKeyBinding
        && back.holds(subkey, &[primary.hashed(), subkey.hashed()]) == Ok(true)
}
