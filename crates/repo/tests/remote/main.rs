//! Fetches from a real Git server over HTTP: what is asked for, what is kept, what goes wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::string_slice, reason = "a test fails by panicking")]

mod cache;
mod credentials;
mod failures;
mod glance;
mod poll;
mod range;
mod revisions;

use model::{Explain, Retry};
use repo::{
    Connections, Credentials, Fetch, Head, Limits, Reference, Refusal, RepoError, RepoUrl, Secret,
    Step, Tree, fetch,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use testkit::git::{Change, GitFault, GitServer, GitServerOptions, Repository, Zeros};

const CANARY: &str = "canary-7f3a";
static GO: AtomicBool = AtomicBool::new(false);

struct Fixture {
    server: GitServer,
    repository: Repository,
    cache: tempfile::TempDir,
}

fn fixture_with(options: &GitServerOptions) -> Fixture {
    let server = GitServer::start_with(options).unwrap();
    let repository = server.repository("a.git").unwrap();
    Fixture { server, repository, cache: tempfile::tempdir().unwrap() }
}

fn tls(credentials: Option<(String, String)>) -> GitServerOptions {
    GitServerOptions { credentials, tls: true, ..GitServerOptions::default() }
}

fn fixture() -> Fixture {
    fixture_with(&GitServerOptions::default())
}

impl Fixture {
    fn spec(&self, reference: &str) -> Fetch {
        let url = RepoUrl::parse(&self.server.url("a.git")).unwrap();
        let mut spec = Fetch::new(url, Reference::parse(reference).unwrap());
        spec.ca_file = self.server.ca_file().map(Path::to_owned);
        spec
    }

    fn fetch(&self, reference: &str) -> Result<Tree, RepoError> {
        self.run(&self.spec(reference))
    }

    fn run(&self, spec: &Fetch) -> Result<Tree, RepoError> {
        fetch(spec, self.cache.path(), &GO, &|_| {})
    }

    fn commit_of(&self, reference: &str) -> String {
        self.fetch(reference).unwrap().commit().unwrap().id.clone()
    }
}

fn content(tree: &Tree) -> Vec<(String, String)> {
    let listing = tree.list(&GO).unwrap();
    let read = |entry| String::from_utf8(tree.read(entry).unwrap()).unwrap();
    listing.entries.iter().map(|entry| (entry.path.clone(), read(entry))).collect()
}

/// Every file below a folder contains none of the words.
fn assert_nowhere(folder: &Path, word: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.to_string_lossy().contains(word), "{}", path.display());
        if path.is_dir() {
            assert_nowhere(&path, word);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(word), "{}", path.display());
        }
    }
}

/// Objects in all pack indexes below a folder, counted by Git's index format (version 2).
fn packed_objects(folder: &Path) -> u32 {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += packed_objects(&path);
        } else if path.extension().is_some_and(|e| e == "idx") {
            let bytes = std::fs::read(&path).unwrap();
            count += u32::from_be_bytes(bytes[1028..1032].try_into().unwrap());
        }
    }
    count
}

/// All files with one of the endings below a folder.
fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn overwrite(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}
