//! Which replica works on which GitSync.
//!
//! Rendezvous hashing: each replica gets a number for each GitSync and the highest one has it.
//! All replicas come to the same answer without talking, the shares are even, and when one goes
//! only its own GitSyncs move.

use crate::chance::{hash, mix};
use crate::spec::SyncKey;

/// The replica, of those given by name, that works on a GitSync; none when there is none. The
/// order of the names does not matter.
#[must_use]
pub fn owner<'a>(sync: &SyncKey, replicas: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let key = hash(&sync.to_string());
    // Two replicas with the same number are told apart by name.
    replicas.into_iter().max_by_key(|name| (mix(key ^ hash(name)), *name))
}

/// Whether replica `index` of `count` works on a GitSync.
#[must_use]
pub fn owns(sync: &SyncKey, index: u32, count: u32) -> bool {
    let key = hash(&sync.to_string());
    let number = |replica: u32| (mix(key ^ mix(u64::from(replica))), replica);
    (0..count).map(number).max().is_some_and(|(_, best)| best == index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syncs() -> impl Iterator<Item = SyncKey> {
        (0..3000).map(|n| SyncKey::new(format!("team-{}", n % 7), format!("app-{n}")))
    }

    #[test]
    fn every_sync_has_exactly_one_owner_and_shares_are_even() {
        let mut shares = [0; 3];
        for sync in syncs() {
            let owners: Vec<u32> = (0..3).filter(|index| owns(&sync, *index, 3)).collect();
            assert_eq!(owners.len(), 1);
            shares[owners[0] as usize] += 1;
        }
        assert!(shares.iter().all(|share| (900..1100).contains(share)), "{shares:?}");
        assert!(!owns(&SyncKey::new("a", "b"), 0, 0));
    }

    #[test]
    fn when_a_replica_goes_only_its_own_syncs_move() {
        for sync in syncs() {
            let before = owner(&sync, ["a", "b", "c"]).unwrap();
            let after = owner(&sync, ["c", "a"]).unwrap();
            assert!(before == "b" || before == after);
        }
        assert_eq!(owner(&SyncKey::new("a", "b"), []), None);
    }
}
