//! Whether a request comes from somebody who knows the shared secret.

use super::{
    BODY_BYTES_MAX, SECRET_BYTES_MIN, SECRETS_MAX, SIGNATURES_MAX, TIMESTAMP_TOLERANCE,
    WebhookError,
};
use crate::spec::WebhookProvider;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;

/// Bytes of a delivery's id that are kept.
const DELIVERY_BYTES_MAX: usize = 128;
/// Bytes of an event's name that are kept.
const EVENT_BYTES_MAX: usize = 64;
/// Bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;
/// Marks a secret of Standard Webhooks: base64 of the key follows.
const STANDARD_PREFIX: &[u8] = b"whsec_";

/// The headers of a request; names are compared without case. Headers that are no text are left
/// out by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a>(
    /// Name and value, in the order of the request.
    pub &'a [(&'a str, &'a str)],
);

impl<'a> Headers<'a> {
    /// The value of a header that is there once. One that is there twice is as good as none: two
    /// readers could read two things.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut found = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = found.next()?;
        found.next().is_none().then_some(*value)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

/// A body that was sent by somebody who knows the secret.
#[derive(Debug, Clone, Copy)]
pub struct Authentic<'a> {
    provider: WebhookProvider,
    event: &'a str,
    delivery: Option<&'a str>,
    body: &'a [u8],
}

impl<'a> Authentic<'a> {
    /// Who sent it.
    #[must_use]
    pub fn provider(&self) -> WebhookProvider {
        self.provider
    }

    /// The id of the delivery, for [`super::Deliveries`]; not every sender has one.
    #[must_use]
    pub fn delivery(&self) -> Option<&'a str> {
        self.delivery
    }

    /// The name of the event, as the sender calls it.
    #[must_use]
    pub fn event(&self) -> &'a str {
        self.event
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// For tests and the fuzz target: a body that nobody signed.
    pub(crate) fn unproven(provider: WebhookProvider, event: &'a str, body: &'a [u8]) -> Self {
        Self { provider, event, delivery: None, body }
    }
}

/// How a sender proves itself.
enum Scheme {
    /// HMAC-SHA256 of the body in hex, behind this prefix.
    Hex { header: &'static str, prefix: &'static str },
    /// The secret itself.
    Token { header: &'static str, prefix: &'static str },
    /// HMAC-SHA256 of id, time and body in base64.
    Standard,
}

/// One row of the table of senders: what tells it, its event, its delivery's id and its proof.
struct Sender {
    provider: WebhookProvider,
    event: &'static str,
    delivery: &'static str,
    scheme: Scheme,
}

const fn hex(header: &'static str, prefix: &'static str) -> Scheme {
    Scheme::Hex { header, prefix }
}

/// The senders, the most specific first.
const SENDERS: [Sender; 6] = [
    Sender {
        provider: WebhookProvider::Forgejo,
        event: "x-forgejo-event",
        delivery: "x-forgejo-delivery",
        scheme: hex("x-forgejo-signature", ""),
    },
    Sender {
        provider: WebhookProvider::Gitea,
        event: "x-gitea-event",
        delivery: "x-gitea-delivery",
        scheme: hex("x-gitea-signature", ""),
    },
    Sender {
        provider: WebhookProvider::Gogs,
        event: "x-gogs-event",
        delivery: "x-gogs-delivery",
        scheme: hex("x-gogs-signature", ""),
    },
    Sender {
        provider: WebhookProvider::GitLab,
        event: "x-gitlab-event",
        delivery: "x-gitlab-event-uuid",
        scheme: Scheme::Token { header: "x-gitlab-token", prefix: "" },
    },
    Sender {
        provider: WebhookProvider::Bitbucket,
        event: "x-event-key",
        delivery: "x-request-uuid",
        scheme: hex("x-hub-signature", "sha256="),
    },
    Sender {
        provider: WebhookProvider::GitHub,
        event: "x-github-event",
        delivery: "x-github-delivery",
        scheme: hex("x-hub-signature-256", "sha256="),
    },
];

/// The header of a Standard Webhooks signature.
const STANDARD_SIGNATURE: &str = "webhook-signature";
/// The header of a Standard Webhooks id.
const STANDARD_ID: &str = "webhook-id";

fn sender(headers: Headers<'_>) -> Sender {
    let known = SENDERS.into_iter().find(|sender| headers.has(sender.event));
    // A sender that can sign does sign; falling back to its token would undo that.
    let signed = headers.has(STANDARD_SIGNATURE);
    match known {
        Some(sender) if signed && sender.provider == WebhookProvider::GitLab => {
            Sender { scheme: Scheme::Standard, delivery: STANDARD_ID, ..sender }
        }
        Some(sender) => sender,
        None => {
            let scheme = if signed {
                Scheme::Standard
            } else if headers.has("x-signature-256") {
                hex("x-signature-256", "sha256=")
            } else {
                Scheme::Token { header: "authorization", prefix: "Bearer " }
            };
            let (event, delivery) = ("x-event", STANDARD_ID);
            Sender { provider: WebhookProvider::Generic, event, delivery, scheme }
        }
    }
}

/// Checks a request. `secrets` are those that may have signed it, at most [`SECRETS_MAX`] of
/// them; `only` is the one sender that is listened to, if the spec names one.
///
/// # Errors
/// [`WebhookError::TooLarge`] and [`WebhookError::Unauthorized`].
pub fn verify<'a>(
    headers: Headers<'a>,
    body: &'a [u8],
    secrets: &[&[u8]],
    only: Option<WebhookProvider>,
    now: Timestamp,
) -> Result<Authentic<'a>, WebhookError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(WebhookError::TooLarge);
    }
    let sender = sender(headers);
    if only.is_some_and(|only| only != sender.provider) {
        return Err(WebhookError::Unauthorized("another sender is expected"));
    }
    let long = |secret: &&&[u8]| secret.len() >= SECRET_BYTES_MIN;
    let secrets: Vec<&[u8]> = secrets.iter().filter(long).take(SECRETS_MAX).copied().collect();
    if secrets.is_empty() {
        return Err(WebhookError::Unauthorized("there is no secret of at least 8 bytes"));
    }
    match sender.scheme {
        Scheme::Hex { header, prefix } => {
            let tag = value(headers, header, prefix)?;
            let tag = unhex(tag).ok_or(WebhookError::Unauthorized("the signature is no hex"))?;
            signed(&secrets, &[body], &[tag])?;
        }
        Scheme::Token { header, prefix } => token(&secrets, value(headers, header, prefix)?)?,
        Scheme::Standard => standard(headers, body, &secrets, now)?,
    }
    let delivery = headers.get(sender.delivery).filter(|id| id.len() <= DELIVERY_BYTES_MAX);
    let event = headers.get(sender.event).filter(|event| event.len() <= EVENT_BYTES_MAX);
    let event = event.unwrap_or_default();
    Ok(Authentic { provider: sender.provider, event, delivery, body })
}

/// The value of a header behind its prefix.
fn value<'a>(headers: Headers<'a>, name: &str, prefix: &str) -> Result<&'a str, WebhookError> {
    let missing = WebhookError::Unauthorized("there is no signature or token");
    let value = headers.get(name).ok_or(missing)?;
    let behind = value.strip_prefix(prefix).filter(|rest| !rest.is_empty());
    behind.ok_or(WebhookError::Unauthorized("the signature has another form"))
}

/// Whether one of the tags is the HMAC of the parts by one of the secrets.
fn signed(
    secrets: &[&[u8]],
    parts: &[&[u8]],
    tags: &[[u8; TAG_BYTES]],
) -> Result<(), WebhookError> {
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let mut context = hmac::Context::with_key(&key);
        parts.iter().for_each(|part| context.update(part));
        let own = context.sign();
        if tags.iter().any(|tag| equal(own.as_ref(), tag)) {
            return Ok(());
        }
    }
    Err(WebhookError::Unauthorized("the signature is not by our secret"))
}

/// Whether a token is one of the secrets.
fn token(secrets: &[&[u8]], token: &str) -> Result<(), WebhookError> {
    if secrets.iter().any(|secret| equal(secret, token.as_bytes())) {
        return Ok(());
    }
    Err(WebhookError::Unauthorized("the token is not ours"))
}

/// Compares in a time that depends on neither text: both are hashed by a key first, and the
/// hashes are compared in constant time.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"orlop webhook comparison");
    hmac::verify(&key, right, hmac::sign(&key, left).as_ref()).is_ok()
}

/// The scheme of Standard Webhooks: the time is signed too.
fn standard(
    headers: Headers<'_>,
    body: &[u8],
    secrets: &[&[u8]],
    now: Timestamp,
) -> Result<(), WebhookError> {
    let id = value(headers, STANDARD_ID, "")?;
    let time = value(headers, "webhook-timestamp", "")?;
    let plain = !time.is_empty() && time.len() <= 12 && time.bytes().all(|b| b.is_ascii_digit());
    let seconds: i64 = plain
        .then(|| time.parse().ok())
        .flatten()
        .ok_or(WebhookError::Unauthorized("the signed time is no number"))?;
    if now.as_second().abs_diff(seconds) > TIMESTAMP_TOLERANCE.as_secs() {
        return Err(WebhookError::Unauthorized("the signed time is too far from ours"));
    }
    let tags: Vec<[u8; TAG_BYTES]> = value(headers, STANDARD_SIGNATURE, "")?
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .filter_map(|text| STANDARD.decode(text).ok()?.try_into().ok())
        .take(SIGNATURES_MAX)
        .collect();
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(|secret| standard_key(secret)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    signed(&keys, &[id.as_bytes(), b".", time.as_bytes(), b".", body], &tags)
}

/// The key in a secret: what follows `whsec_` is base64, anything else is the key itself. None
/// when the key would be too short to believe.
pub(crate) fn standard_key(secret: &[u8]) -> Option<Vec<u8>> {
    let key = match secret.strip_prefix(STANDARD_PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.to_vec(),
    };
    (key.len() >= SECRET_BYTES_MIN).then_some(key)
}

fn unhex(text: &str) -> Option<[u8; TAG_BYTES]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}
