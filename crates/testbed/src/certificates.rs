//! Keys, authorities and certificates for clusters and tests: ECDSA P-256, made anew each time.
//!
//! `rcgen` writes the certificates and `ring` signs. rcgen's own keys are not used: the feature
//! that has them locks a parser of certificates with a dozen packages that nothing here needs.
//! Certificates never expire: they are worthless once their cluster or test is gone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm, SigningKey,
};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use std::net::IpAddr;

/// Characters in a line of PEM (RFC 7468, section 2).
const PEM_LINE_CHARS: usize = 64;
/// Bytes of the digest that serve as key identifier and serial number (RFC 5280: at most 20).
const IDENTIFIER_BYTES: usize = 20;

/// Why a key or a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The system gave no key, or refused the one it was given.
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// The certificate cannot be written.
    #[error(transparent)]
    Write(#[from] rcgen::Error),
}

/// A private key. Debug shows nothing of it.
pub struct Key {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, CertificateError> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(|error| CertificateError::Key(error.to_string()))?;
        Self::of(pkcs8.as_ref().to_vec())
    }

    /// The key in a PEM text of [`Key::pem`].
    ///
    /// # Errors
    /// When the text holds no such key.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| CertificateError::Key(error.to_string()))?;
        Self::of(der.secret_pkcs8_der().to_vec())
    }

    fn of(pkcs8: Vec<u8>) -> Result<Self, CertificateError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random)
            .map_err(|error| CertificateError::Key(error.to_string()))?;
        Ok(Self { pair, pkcs8 })
    }

    /// The private key in PKCS#8 PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// The public key in PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.subject_public_key_info())
    }

    /// The ECDSA signature (ASN.1 DER) of the SHA-256 of a message.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CertificateError> {
        Ok(SigningKey::sign(self, message)?)
    }

    fn identifier(&self) -> Vec<u8> {
        let mut bytes = digest(&SHA256, &self.subject_public_key_info()).as_ref().to_vec();
        bytes.truncate(IDENTIFIER_BYTES);
        bytes
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        Ok(signature.map_err(|_| rcgen::Error::RemoteKeyError)?.as_ref().to_vec())
    }
}

/// An authority that signs.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, Key>,
}

/// A certificate with its key, both as PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A new authority that signs itself.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let key = Key::generate()?;
        let mut params = params(&key, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// The authority's certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The authority's private key.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.issuer.key()
    }

    /// A certificate for a server or a client: common name, organization (none when empty), and
    /// the names and addresses at which a server answers.
    ///
    /// # Errors
    /// [`CertificateError`], also for a name that no certificate can hold.
    pub fn issue(
        &self,
        name: &str,
        organization: &str,
        names: &[&str],
        addresses: &[IpAddr],
    ) -> Result<Identity, CertificateError> {
        let key = Key::generate()?;
        let mut params = params(&key, name);
        if !organization.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, organization);
        }
        for name in names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.pem() })
    }
}

fn params(key: &Key, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let mut serial = key.identifier();
    // A serial number is positive.
    if let Some(first) = serial.first_mut() {
        *first &= 0x7f;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.identifier());
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(PEM_LINE_CHARS) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
    use rustls::server::WebPkiClientVerifier;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn what_an_authority_issued_is_trusted_by_those_who_trust_it_and_nobody_else() {
        let (one, other) = (Authority::new("one").unwrap(), Authority::new("other").unwrap());
        let leaf = one.issue("client", "group", &["localhost"], &[]).unwrap();
        let leaf = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusts = |authority: &Authority| {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .unwrap();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
            verifier.verify_client_cert(&leaf, &[], now).is_ok()
        };
        assert!(trusts(&one) && !trusts(&other));
        assert!(ServerName::try_from("localhost").is_ok());
    }

    #[test]
    fn a_key_survives_its_pem_and_shows_nothing_of_itself() {
        let key = Key::generate().unwrap();
        let again = Key::from_pem(&key.pem()).unwrap();
        assert_eq!(again.public_pem(), key.public_pem());
        assert!(PrivateKeyDer::from_pem_slice(key.pem().as_bytes()).is_ok());
        assert_eq!(format!("{key:?}"), "Key { .. }");
        assert!(
            Key::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_err()
        );
        assert!(key.pem().lines().all(|line| line.len() <= PEM_LINE_CHARS));
    }
}
