//! The names that follow from a GitSync's name.

use cluster::Impersonate;
use gitops::spec::SyncKey;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use sync::DeliveryName;

/// Bytes of the digest in a delivery's name.
const DIGEST_BYTES: usize = 4;
/// Characters of a GitSync's name that a delivery's name begins with; digest and `-` follow.
const NAME_CHARS_MAX: usize = 54;

/// The delivery of a GitSync: `NAME-DIGEST`, where the digest is that of namespace and name, so
/// that two of one name in two namespaces share neither label nor field manager.
///
/// # Errors
/// When the GitSync's name is no label.
pub fn delivery_name(key: &SyncKey) -> Result<DeliveryName, sync::name::NameError> {
    let digest = Sha256::digest(format!("{}/{}", key.namespace, key.name));
    let mut text: String = key.name.chars().take(NAME_CHARS_MAX).collect();
    text.push('-');
    for byte in digest.iter().take(DIGEST_BYTES) {
        let _ = write!(text, "{byte:02x}");
    }
    text.parse()
}

/// The field manager of a GitSync.
///
/// # Errors
/// As [`delivery_name`].
pub fn manager_of(key: &SyncKey) -> Result<String, sync::name::NameError> {
    delivery_name(key).map(|name| name.manager())
}

/// The user that a service account is to the API server. Its groups are left to the server, so
/// that nobody needs the right to act as a group.
#[must_use]
pub fn user_of(namespace: &str, service_account: &str) -> Impersonate {
    Impersonate {
        user: format!("system:serviceaccount:{namespace}:{service_account}"),
        groups: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_gitsyncs_of_one_name_share_no_delivery_and_every_name_is_a_label() {
        let one = delivery_name(&SyncKey::new("a", "b-c")).unwrap();
        let two = delivery_name(&SyncKey::new("a-b", "c")).unwrap();
        assert!(one.as_str().starts_with("b-c-") && two.as_str().starts_with("c-"));
        assert_ne!(one, delivery_name(&SyncKey::new("x", "b-c")).unwrap());
        let long = "x".repeat(63);
        assert_eq!(delivery_name(&SyncKey::new("a", long)).unwrap().as_str().len(), 63);
    }
}
