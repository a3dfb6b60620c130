//! Fetches over ssh from a real OpenSSH server: host keys are checked, failures told by phase.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

mod broken;
mod keys;

use model::Explain;
use repo::{Fetch, Reference, RepoError, RepoUrl, Tree, fetch};
use std::sync::atomic::AtomicBool;
use testkit::git::Repository;
use testkit::sshd::Sshd;

static GO: AtomicBool = AtomicBool::new(false);

struct Fixture {
    sshd: Sshd,
    repository: Repository,
    root: tempfile::TempDir,
}

fn fixture(test: &str) -> Option<Fixture> {
    match Sshd::start().unwrap() {
        Ok(sshd) => {
            let root = tempfile::tempdir().unwrap();
            let repository = Repository::create(&root.path().join("with blank's.git")).unwrap();
            repository.push(&[("a.yaml", b"1")], "first").unwrap();
            Some(Fixture { sshd, repository, root })
        }
        Err(reason) => {
            eprintln!("SKIP {test}: {reason}");
            None
        }
    }
}

impl Fixture {
    fn spec(&self) -> Fetch {
        let url = RepoUrl::parse(&self.sshd.url(self.repository.path())).unwrap();
        let mut spec = Fetch::new(url, Reference::parse("main").unwrap());
        spec.ssh.identity_file = Some(self.sshd.user_key());
        spec.ssh.known_hosts = Some(self.sshd.known_hosts());
        spec
    }

    fn run(&self, spec: &Fetch) -> Result<Tree, RepoError> {
        fetch(spec, &self.root.path().join("cache"), &GO, &|_| {})
    }
}

#[test]
fn a_tree_is_fetched_over_ssh_and_fetched_again() {
    let Some(f) = fixture("a_tree_is_fetched_over_ssh") else { return };
    let tree = f.run(&f.spec()).unwrap_or_else(|error| panic!("{error:?}\n{}", f.sshd.log()));
    assert_eq!(tree.list(&GO).unwrap().entries.len(), 1);
    f.repository.push(&[("b.yaml", b"2")], "second").unwrap();
    assert_eq!(f.run(&f.spec()).unwrap().list(&GO).unwrap().entries.len(), 2);
}

#[test]
fn gitops_15_an_unknown_or_changed_host_key_is_refused() {
    let Some(f) = fixture("gitops_15_an_unknown_or_changed_host_key") else { return };
    let mut spec = f.spec();
    spec.ssh.known_hosts = Some(f.sshd.no_hosts());
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::HostKey { changed: false, .. }), "{error:?}");
    assert!(error.hint().unwrap().as_str().contains("fingerprint"));
    spec.ssh.known_hosts = Some(f.sshd.wrong_hosts());
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::HostKey { changed: true, .. }), "{error:?}");
}

#[test]
fn a_key_that_is_not_let_in_is_told() {
    let Some(f) = fixture("a_key_that_is_not_let_in_is_told") else { return };
    let mut spec = f.spec();
    spec.ssh.identity_file = Some(f.sshd.stranger_key());
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::Authenticate { sent: true, .. }), "{error:?}");
}

#[test]
fn a_missing_repository_is_told() {
    let Some(f) = fixture("a_missing_repository_is_told") else { return };
    let mut spec = f.spec();
    spec.url = RepoUrl::parse(&f.sshd.url(&f.root.path().join("missing.git"))).unwrap();
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::RepositoryNotFound { .. }), "{error:?}");
}
