//! Pushes that a Git server tells about: who sent them, and what they say.
//!
//! The two steps cannot be swapped: [`verify`] looks at headers and raw bytes only and gives an
//! [`Authentic`] body, and only such a body can be read ([`Authentic::read`]). A request without
//! a signature or token, or with a wrong one, is [`WebhookError::Unauthorized`] and nothing more
//! is said about it.
//!
//! The sender is told by its most specific header, because Forgejo also sends Gitea's headers,
//! Gitea those of Gogs, and all of them those of GitHub. Comparisons take the same time whatever
//! the answer is.
//!
//! | Sender | Proof |
//! |---|---|
//! | Forgejo, Gitea, Gogs | `X-Forgejo-Signature`, `X-Gitea-Signature`, `X-Gogs-Signature`: HMAC-SHA256 in hex |
//! | GitLab | `webhook-signature` (Standard Webhooks) where there is one, else `X-Gitlab-Token` |
//! | Bitbucket | `X-Hub-Signature`: `sha256=` and HMAC-SHA256 in hex |
//! | GitHub | `X-Hub-Signature-256`: `sha256=` and HMAC-SHA256 in hex |
//! | generic | `webhook-signature`, or `X-Signature-256` as GitHub's, or `Authorization: Bearer` |
//!
//! GitHub and its like sign no time, so an old request can be sent again by whoever has seen one;
//! [`Deliveries`] drops those whose id was seen, and what slips through costs one look at the
//! source. Limits: [`BODY_BYTES_MAX`] and the other constants here.

mod address;
mod payload;
mod replay;
#[cfg(test)]
mod tests;
mod verify;

pub use address::{Address, same_repository};
pub use payload::{Event, Push, RefChange, RefKind, Repository};
pub use replay::{DELIVERIES_MAX, Deliveries, REPLAY_WINDOW};
pub(crate) use verify::standard_key;
pub use verify::{Authentic, Headers, verify};

use model::{Explain, Hint, Retry};
use std::time::Duration;

/// A larger body is refused; GitHub sends at most 25 MB.
pub const BODY_BYTES_MAX: usize = 25 * 1024 * 1024;
/// A shorter shared secret is never believed.
pub const SECRET_BYTES_MIN: usize = 8;
/// Secrets that one request is checked with: the present one and those before it.
pub const SECRETS_MAX: usize = 8;
/// How far a signed time may be from ours, in both directions.
pub const TIMESTAMP_TOLERANCE: Duration = Duration::from_secs(300);
/// Signatures of one `webhook-signature` header that are looked at.
pub const SIGNATURES_MAX: usize = 8;
/// Changes of references in one push; Bitbucket tells several at once.
pub const CHANGES_MAX: usize = 200;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The body is larger than [`BODY_BYTES_MAX`].
    #[error("the body of the push is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// There is no signature or token, or it is not ours. Which one is for our own log only.
    #[error("the push is not believed: {0}")]
    Unauthorized(&'static str),
    /// The body is signed and makes no sense.
    #[error("the push cannot be read: {0}")]
    Unreadable(String),
}

impl WebhookError {
    /// The status of the HTTP response.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Unauthorized(_) => 401,
            Self::Unreadable(_) => 400,
        }
    }
}

impl Explain for WebhookError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Unauthorized(_) => Some(Hint::new(
                "compare the secret of the webhook at the Git server with the one in the Secret",
            )),
            _ => None,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}
