//! What is remembered of one managed object: enough to say that nothing is to be done about it,
//! and never the object itself.

use objects::health::Health;
use sync::Digest;
use sync::directives::PruneRule;

pub(crate) use objects::{Uid, Version};

/// What a memo may take, without what an unhealthy object's reason takes.
pub(crate) const MEMO_BYTES_MAX: usize = 128;

/// What is known of a managed object in its newest version.
#[derive(Debug, Clone)]
pub(crate) struct Memo {
    pub(crate) uid: Uid,
    pub(crate) version: Version,
    /// The desired document that it was last seen equal to, or that was applied last.
    pub(crate) digest: Option<Digest>,
    pub(crate) standing: Standing,
    /// Its health when it is not healthy.
    pub(crate) health: Option<Box<Health>>,
    /// Another writer's ownership may have to be taken over before it is applied.
    pub(crate) takes: bool,
    pub(crate) prune: PruneRule,
    pub(crate) prune_last: bool,
    pub(crate) wave: i32,
    pub(crate) heal_disabled: bool,
    /// This version is the answer to a write of ours, and its event has not come yet.
    pub(crate) written: bool,
}

/// How an object stands to its desired document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Applying the document of the memo's digest would change nothing.
    Clean,
    /// It might change something.
    Unproven,
    /// It is being deleted.
    Going,
    /// The tree does not name it.
    Unnamed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::ObjectRef;

    #[test]
    fn a_memo_takes_no_more_than_its_bound() {
        const { assert!(size_of::<(ObjectRef, Memo)>() <= MEMO_BYTES_MAX) };
    }
}
