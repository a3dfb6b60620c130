//! Files that were parsed before, so that a push costs what it changed and not what the tree is.
//!
//! A file of a commit is known by its path and its Git blob id, before it is read: one that is
//! known is neither read nor parsed. A file of a folder is read, because neither its size nor its
//! time of change says that it is the same, and known by the hash of its bytes. The path is part
//! of the key because it stands in origins and diagnostics.
//!
//! Bounded in bytes ([`TREE_CACHE_BYTES_MAX`] unless told otherwise); what was not asked for the
//! longest goes first. What a tree in use has of a file is shared with the cache and not counted
//! twice.

use crate::source::{Defined, Document};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync::Problem;

/// What a cache holds unless told otherwise: a tree of some 100,000 objects.
pub const TREE_CACHE_BYTES_MAX: usize = 64 << 20;
/// What a document takes beside its text.
const DOCUMENT_BYTES: usize = 96;
/// What a file takes beside its documents.
const FILE_BYTES: usize = 256;

/// Parsed files of one or several sources; copies share them.
#[derive(Clone)]
pub struct TreeCache(Arc<Mutex<Files>>);

/// One file after it was parsed.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) documents: Vec<Document>,
    pub(crate) defined: Vec<Defined>,
    pub(crate) problems: Vec<Problem>,
    /// The hash of its bytes.
    pub(crate) hash: [u8; 32],
    /// Whether it was decrypted, or would have to be: then it is never kept.
    pub(crate) is_encrypted: bool,
}

/// What tells the content of a file from any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ContentKey {
    /// The id of a Git blob.
    Blob([u8; 20]),
    /// The hash of its bytes.
    Hash([u8; 32]),
}

struct Files {
    bytes_max: usize,
    bytes: usize,
    turn: u64,
    kept: HashMap<(Arc<str>, ContentKey), Kept>,
}

struct Kept {
    parsed: Arc<Parsed>,
    bytes: usize,
    used: u64,
}

impl Default for TreeCache {
    fn default() -> Self {
        Self::new(TREE_CACHE_BYTES_MAX)
    }
}

impl TreeCache {
    /// An empty cache that holds at most so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let files = Files { bytes_max, bytes: 0, turn: 0, kept: HashMap::new() };
        Self(Arc::new(Mutex::new(files)))
    }

    /// What it holds now, in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// How many files it holds now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().kept.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, path: &Arc<str>, content: ContentKey) -> Option<Arc<Parsed>> {
        let mut files = self.lock();
        files.turn += 1;
        let turn = files.turn;
        let kept = files.kept.get_mut(&(path.clone(), content))?;
        kept.used = turn;
        Some(kept.parsed.clone())
    }

    pub(crate) fn put(&self, path: &Arc<str>, content: ContentKey, parsed: &Arc<Parsed>) {
        let bytes = parsed.len_bytes() + path.len();
        let mut files = self.lock();
        if bytes > files.bytes_max {
            return;
        }
        files.turn += 1;
        let kept = Kept { parsed: parsed.clone(), bytes, used: files.turn };
        files.bytes += bytes;
        if let Some(before) = files.kept.insert((path.clone(), content), kept) {
            files.bytes -= before.bytes;
        }
        files.shrink();
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TreeCache {
    /// Without the content: Secrets are in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.lock();
        write!(f, "TreeCache({} files, {} bytes)", files.kept.len(), files.bytes)
    }
}

impl Files {
    /// Drops what was not used the longest, and a tenth more, so that this is rare.
    fn shrink(&mut self) {
        if self.bytes <= self.bytes_max {
            return;
        }
        let mut turns: Vec<(u64, usize)> =
            self.kept.values().map(|kept| (kept.used, kept.bytes)).collect();
        turns.sort_unstable();
        let goal = self.bytes_max - self.bytes_max / 10;
        let (mut left, mut oldest) = (self.bytes, 0);
        // The last one was put just now: it stays whatever it weighs.
        turns.pop();
        for (used, bytes) in turns {
            if left <= goal {
                break;
            }
            left -= bytes;
            oldest = used;
        }
        self.kept.retain(|_, kept| kept.used > oldest);
        self.bytes = left;
    }
}

impl Parsed {
    fn len_bytes(&self) -> usize {
        let documents: usize = self
            .documents
            .iter()
            .map(|document| document.packed.len_bytes() + DOCUMENT_BYTES)
            .sum();
        let problems: usize = self
            .problems
            .iter()
            .map(|problem| problem.message.len() + problem.hint.as_ref().map_or(0, String::len))
            .sum();
        FILE_BYTES + documents + problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;

    fn parsed(path: &str, bytes: usize) -> Arc<Parsed> {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{k: '{}'}}\n",
            "x".repeat(bytes)
        );
        Arc::new(source::parse(path, text.as_bytes(), None))
    }

    fn key(number: u8) -> ContentKey {
        ContentKey::Blob([number; 20])
    }

    #[test]
    fn a_cache_holds_its_bound_and_drops_what_was_not_used_the_longest() {
        let (one, path) = (parsed("a", 1000), Arc::<str>::from("a"));
        let each = one.len_bytes() + path.len();
        let cache = TreeCache::new(3 * each);
        for number in 0..3 {
            cache.put(&path, key(number), &one);
        }
        assert_eq!((cache.len(), cache.len_bytes()), (3, 3 * each), "exactly full");
        assert!(cache.get(&path, key(0)).is_some());
        cache.put(&path, key(3), &one);
        let there: Vec<u8> = (0..4).filter(|n| cache.get(&path, key(*n)).is_some()).collect();
        assert_eq!(there, [0, 3], "used last, and put last");
        assert_eq!(cache.len_bytes(), cache.len() * each);
        cache.put(&path, key(9), &parsed("a", 4 * each));
        assert!(cache.get(&path, key(9)).is_none(), "larger than the whole cache");
    }

    #[test]
    fn a_file_that_is_put_twice_is_counted_once() {
        let (cache, path) = (TreeCache::default(), Arc::<str>::from("a"));
        let one = parsed("a", 10);
        cache.put(&path, key(0), &one);
        let held = cache.len_bytes();
        cache.put(&path, key(0), &one);
        assert_eq!((cache.len(), cache.len_bytes()), (1, held));
        assert!(cache.get(&Arc::from("b"), key(0)).is_none(), "the path stands in diagnostics");
    }

    #[tokio::test]
    async fn a_push_is_parsed_as_far_as_it_changed_something_and_reads_as_without_a_cache() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(repository) = testkit::git::Repository::create(&folder.path().join("origin")) else {
            return testkit::cluster::skip("git is not installed");
        };
        let document = |name: &str, value: &str| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: '{value}'}}\n"
            )
        };
        let (a, b) = (document("a", "1"), document("b", "1"));
        let files = [("a.yaml", a.as_bytes()), ("b.yaml", b.as_bytes()), ("c.yaml", b"kind: X")];
        repository.push(&files, "first").unwrap();
        let source = source::Source::Git {
            fetch: Box::new(repo::Fetch::new(
                repo::RepoUrl::local(repository.path()),
                repo::Reference::Head,
            )),
            cache: folder.path().join("fetched"),
        };
        let (cache, token) = (TreeCache::default(), tokio_util::sync::CancellationToken::new());
        let options =
            source::LoadOptions { cache: Some(cache.clone()), ..source::LoadOptions::default() };
        let first = source::load(&source, &options, &token).await.unwrap();
        assert_eq!((first.len(), first.problems().len(), cache.len()), (2, 1, 3));
        repository.push(&[("b.yaml", document("b", "2").as_bytes())], "second").unwrap();
        let second = source::load(&source, &options, &token).await.unwrap();
        assert_eq!(cache.len(), 4, "one file was parsed");
        let plain = source::load(&source, &source::LoadOptions::default(), &token).await.unwrap();
        assert_eq!(second.source(), plain.source());
        assert_ne!(second.source().digest, first.source().digest);
        assert_eq!(second.problems(), plain.problems());
        let packed = |tree: &source::Tree| {
            tree.documents.iter().map(|document| document.packed.clone()).collect::<Vec<_>>()
        };
        assert_eq!(packed(&second), packed(&plain));
    }

    #[test]
    fn gitops_15_a_cache_is_not_printed() {
        let (cache, path) = (TreeCache::default(), Arc::<str>::from("a"));
        cache.put(&path, key(0), &parsed("a", 1));
        assert!(format!("{cache:?}").starts_with("TreeCache(1 files"));
    }
}
