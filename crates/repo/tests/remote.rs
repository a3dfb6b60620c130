//! Fetches from a real Git server over HTTP: what is asked for, what is kept, what goes wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::string_slice, reason = "a test fails by panicking")]

use model::{Explain, Retry};
use repo::{
    Credentials, Fetch, Limits, Reference, Refusal, RepoError, RepoUrl, Secret, Step, Tree, fetch,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use testkit::git::{Change, GitFault, GitServer, GitServerOptions, Repository};

const CANARY: &str = "canary-7f3a";
const GO: AtomicBool = AtomicBool::new(false);

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

#[test]
fn gitops_15_branch_tag_and_commit_are_found_and_read() {
    let f = fixture();
    let first = f.repository.push(&[("a.yaml", b"1")], "first").unwrap();
    let second = f.repository.push(&[("b/c.yaml", b"2")], "second").unwrap();
    f.repository.tag("light", &first).unwrap();
    f.repository.annotated_tag("v1", &first).unwrap();
    assert_eq!(f.commit_of("HEAD"), second);
    assert_eq!(f.commit_of("main"), second);
    assert_eq!(f.commit_of("refs/heads/main"), second);
    assert_eq!(f.commit_of("light"), first);
    assert_eq!(f.commit_of("v1"), first);
    assert_eq!(f.commit_of(&first), first);
    let tree = f.fetch("main").unwrap();
    let files = content(&tree);
    assert_eq!(files, [("a.yaml".into(), "1".into()), ("b/c.yaml".into(), "2".into())]);
}

#[test]
fn gitops_15_a_reference_is_asked_for_by_its_exact_name() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    for number in 0..50 {
        f.repository.set_branch(&format!("other-{number}"), &first).unwrap();
    }
    f.repository.set_branch("main-2", &first).unwrap();
    f.fetch("main").unwrap();
    let requests = f.server.requests();
    let asked = requests.iter().find(|r| r.body.contains("command=ls-refs")).unwrap();
    let prefixes: Vec<_> =
        asked.body.match_indices("ref-prefix ").map(|(at, _)| &asked.body[at..]).collect();
    assert_eq!(prefixes.len(), 2, "{}", asked.body);
    assert!(prefixes[0].starts_with("ref-prefix refs/heads/main\n"));
    assert!(prefixes[1].starts_with("ref-prefix refs/tags/main\n"));
}

#[test]
fn gitops_14_a_branch_and_a_tag_of_the_same_name_are_told_apart() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let second = f.repository.push(&[("a", b"2")], "second").unwrap();
    f.repository.tag("main", &first).unwrap();
    let error = f.fetch("main").unwrap_err();
    assert!(matches!(&error, RepoError::AmbiguousReference { .. }));
    let text = error.to_string();
    assert!(text.contains("refs/heads/main") && text.contains("refs/tags/main"), "{text}");
    assert_eq!(f.commit_of("refs/heads/main"), second);
    assert_eq!(f.commit_of("refs/tags/main"), first);
}

#[test]
fn a_missing_reference_names_those_that_are_near() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let error = f.fetch("mian").unwrap_err();
    assert!(matches!(&error, RepoError::ReferenceNotFound { near, .. } if near == &["main"]));
    assert!(error.hint().unwrap().as_str().contains("main"));
    assert_eq!(error.retry(), Retry::Never);
}

#[test]
fn a_missing_commit_is_told_clearly() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let error = f.fetch(&"ab".repeat(20)).unwrap_err();
    assert!(matches!(error, RepoError::CommitNotFound { .. }), "{error:?}");
}

#[test]
fn only_one_commit_is_fetched_however_long_the_history_is() {
    let f = fixture();
    let mut commits = Vec::new();
    for number in 0..5 {
        let text = format!("{number}");
        commits.push(f.repository.push(&[("a", text.as_bytes())], "change").unwrap());
    }
    f.fetch("main").unwrap();
    let request = f.server.requests().pop().unwrap();
    assert!(request.body.contains("deepen 1\n"), "{}", request.body);
    assert_eq!(packed_objects(f.cache.path()), 3, "one commit, one tree, one file");
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

#[test]
fn a_second_fetch_receives_only_what_is_new_and_none_when_nothing_is() {
    let f = fixture();
    let files: Vec<_> = (0..20).map(|n| (format!("f{n}"), format!("text {n}"))).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    f.repository.push(&files, "first").unwrap();
    f.fetch("main").unwrap();
    assert_eq!(packed_objects(f.cache.path()), 22);
    f.server.forget_requests();
    f.fetch("main").unwrap();
    assert!(f.server.requests().iter().all(|r| !r.body.contains("command=fetch")));
    f.repository.push(&[("f3", b"changed")], "second").unwrap();
    let tree = f.fetch("main").unwrap();
    assert!(content(&tree).contains(&("f3".into(), "changed".into())));
    assert!(content(&tree).contains(&("f4".into(), "text 4".into())));
    assert!(packed_objects(f.cache.path()) <= 22 + 4, "{}", packed_objects(f.cache.path()));
}

#[test]
fn gitops_15_force_push_and_branch_deletion_are_followed() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.fetch("main").unwrap();
    let other = f.repository.force_push(&[("b", b"2")], "other").unwrap();
    let tree = f.fetch("main").unwrap();
    assert_eq!(tree.commit().unwrap().id, other);
    assert_eq!(content(&tree), [("b".into(), "2".into())]);
    f.repository.set_branch("side", &other).unwrap();
    f.fetch("side").unwrap();
    f.repository.delete_branch("side").unwrap();
    let error = f.fetch("side").unwrap_err();
    assert!(matches!(error, RepoError::ReferenceNotFound { .. }));
}

#[test]
fn gitops_15_a_large_file_is_left_at_the_server_or_refused() {
    for filter in ["true", "false"] {
        let f = fixture();
        f.repository.configure("uploadpack.allowFilter", filter).unwrap();
        let noise: Vec<u8> =
            (0..20_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
        let at = &noise[..1000];
        f.repository.push(&[("at", at), ("large", &noise)], "first").unwrap();
        let mut spec = f.spec("main");
        spec.limits.file_bytes = 1000;
        let tree = f.run(&spec).unwrap();
        let listing = tree.list(&GO).unwrap();
        assert!(listing.complete);
        assert_eq!(tree.read(&listing.entries[0]).unwrap(), at);
        let error = tree.read(&listing.entries[1]).unwrap_err();
        let refused = matches!(
            error,
            RepoError::FileRefused { refusal: Refusal::TooLarge { limit: 1000, .. }, .. }
        );
        assert!(refused, "{error}");
        assert_eq!(packed_objects(f.cache.path()), if filter == "true" { 3 } else { 4 });
    }
}

#[test]
fn a_pack_is_received_up_to_the_limit_and_not_beyond() {
    let f = fixture();
    let noise: Vec<u8> =
        (0..9_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    f.repository.push(&[("noise", &noise)], "first").unwrap();
    let largest = AtomicUsize::new(0);
    let size = {
        let see = |step| {
            if let Step::Receive { bytes } = step {
                largest.fetch_max(usize::try_from(bytes).unwrap(), Ordering::Relaxed);
            }
        };
        fetch(&f.spec("main"), f.cache.path(), &GO, &see).unwrap();
        u64::try_from(largest.load(Ordering::Relaxed)).unwrap()
    };
    for (limit, fits) in [(size, true), (size - 1, false)] {
        let cache = tempfile::tempdir().unwrap();
        let mut spec = f.spec("main");
        spec.limits.pack_bytes = limit;
        match fetch(&spec, cache.path(), &GO, &|_| {}) {
            Ok(_) => assert!(fits),
            Err(RepoError::PackTooLarge { .. }) => assert!(!fits),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn an_old_server_without_protocol_2_is_understood() {
    let f = fixture_with(&GitServerOptions { old_protocol: true, ..GitServerOptions::default() });
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    f.repository.annotated_tag("v1", &first).unwrap();
    assert_eq!(content(&f.fetch("main").unwrap()), [("a".into(), "1".into())]);
    f.repository.push(&[("a", b"2")], "second").unwrap();
    assert_eq!(f.commit_of("v1"), first);
    assert_eq!(content(&f.fetch("main").unwrap()), [("a".into(), "2".into())]);
    let hidden = f.repository.force_push(&[("b", b"3")], "third").unwrap();
    f.repository.force_push(&[("b", b"4")], "fourth").unwrap();
    let error = f.fetch(&hidden).unwrap_err();
    assert!(matches!(error, RepoError::CommitNotFound { .. }), "{error:?}");
    assert!(matches!(f.fetch("mian").unwrap_err(), RepoError::ReferenceNotFound { .. }));
}

#[test]
fn gitops_15_credentials_reach_the_server_and_nothing_else() {
    let credentials = Some(("me".to_owned(), CANARY.to_owned()));
    let f = fixture_with(&tls(credentials));
    f.repository.push(&[("a", b"1")], "first").unwrap();

    let error = f.fetch("main").unwrap_err();
    assert!(matches!(error, RepoError::Authenticate { sent: false, .. }), "{error:?}");

    let mut spec = f.spec("main");
    spec.credentials = Some(Credentials::new("me", Secret::new(format!("{CANARY}-wrong"))));
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::Authenticate { sent: true, .. }), "{error:?}");
    assert!(!format!("{spec:?} {error} {error:?}").contains(CANARY));

    spec.credentials = Some(Credentials::new("me", Secret::new(CANARY)));
    let tree = f.run(&spec).unwrap();
    let shown = format!("{tree:?} {} {:?}", tree.source(), tree.commit());
    assert!(!shown.contains(CANARY), "{shown}");

    let url = f.server.url("a.git").replace("https://", &format!("https://me:{CANARY}@"));
    let mut embedded = f.spec("main");
    embedded.url = RepoUrl::parse(&url).unwrap();
    let tree = f.run(&embedded).unwrap();
    assert!(!format!("{embedded:?} {tree:?}").contains(CANARY));
    assert_nowhere(f.cache.path(), CANARY);
}

#[test]
fn gitops_15_credentials_are_not_sent_in_clear_text() {
    let url = RepoUrl::parse("http://git.example.org/a.git").unwrap();
    let mut spec = Fetch::new(url, Reference::Head);
    spec.credentials = Some(Credentials::token(Secret::new(CANARY)));
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&spec, cache.path(), &GO, &|_| {}).unwrap_err();
    assert!(matches!(error, RepoError::InsecureCredentials { .. }), "{error:?}");
}

#[test]
fn gitops_15_a_redirect_to_another_host_drops_the_credentials() {
    let elsewhere = fixture();
    elsewhere.repository.push(&[("a", b"there")], "first").unwrap();
    let credentials = Some(("me".to_owned(), CANARY.to_owned()));
    let f = fixture_with(&GitServerOptions { credentials, ..GitServerOptions::default() });
    f.repository.push(&[("a", b"here")], "first").unwrap();
    f.server.fault("info/refs", GitFault::Redirect(elsewhere.server.base()));
    let mut spec = f.spec("main");
    spec.credentials = Some(Credentials::new("me", Secret::new(CANARY)));
    let tree = f.run(&spec).unwrap();
    assert_eq!(content(&tree), [("a".into(), "there".into())]);
    assert!(f.server.requests().iter().all(|r| r.authorization.is_some()));
    let there = elsewhere.server.requests();
    assert!(there.len() >= 3 && there.iter().all(|r| r.authorization.is_none()), "{there:?}");
}

#[test]
fn a_redirect_that_leaves_https_or_the_repository_is_not_followed() {
    let plain = fixture();
    let f = fixture_with(&tls(None));
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.server.fault("info/refs", GitFault::Redirect(plain.server.base()));
    let error = f.fetch("main").unwrap_err();
    assert!(matches!(error, RepoError::Redirect { .. }), "{error:?}");
    assert!(plain.server.requests().is_empty());
    f.server.fault("info/refs", GitFault::Redirect(format!("{}/x?y=", f.server.base())));
    let error = f.fetch("main").unwrap_err();
    assert!(matches!(error, RepoError::RepositoryNotFound { .. } | RepoError::Redirect { .. }));
}

#[test]
fn redirects_are_followed_up_to_the_limit_and_not_beyond() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    for _ in 0..5 {
        f.server.fault("info/refs", GitFault::Redirect(f.server.base()));
    }
    f.fetch("main").unwrap();
    for _ in 0..6 {
        f.server.fault("info/refs", GitFault::Redirect(f.server.base()));
    }
    let error = f.fetch("main").unwrap_err();
    assert!(error.to_string().contains("too many redirects"), "{error}");
}

#[test]
fn an_unknown_certificate_is_told_with_a_hint() {
    let f = fixture_with(&tls(None));
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let mut spec = f.spec("main");
    spec.ca_file = None;
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::Tls { .. }), "{error:?}");
    assert!(error.hint().unwrap().as_str().contains("certificate"));
    let empty = f.cache.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    spec.ca_file = Some(empty);
    assert!(matches!(f.run(&spec).unwrap_err(), RepoError::Certificates { .. }));
}

#[test]
fn what_the_server_answers_is_told_by_phase() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let told = |fault: GitFault, part: &str| {
        f.server.fault(part, fault);
        f.fetch("main").unwrap_err()
    };
    let error = told(GitFault::Status(503, Some(7)), "info/refs");
    assert!(matches!(error, RepoError::Server { status: 503, .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
    let error = told(GitFault::Status(403, None), "info/refs");
    assert!(matches!(error, RepoError::Forbidden { .. }), "{error:?}");
    let error = told(GitFault::Status(500, None), "command=fetch");
    assert!(matches!(error, RepoError::Server { status: 500, .. }), "{error:?}");
    let mut spec = f.spec("main");
    spec.url = RepoUrl::parse(&f.server.url("missing.git")).unwrap();
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::RepositoryNotFound { .. }), "{error:?}");
    f.fetch("main").unwrap();
}

#[test]
fn an_unreachable_or_unknown_host_is_told_by_phase() {
    let cache = tempfile::tempdir().unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let run = |url: &str| {
        let spec = Fetch::new(RepoUrl::parse(url).unwrap(), Reference::Head);
        fetch(&spec, cache.path(), &GO, &|_| {}).unwrap_err()
    };
    let error = run(&format!("http://127.0.0.1:{closed}/a.git"));
    assert!(matches!(error, RepoError::Connect { .. }), "{error:?}");
    assert!(matches!(error.retry(), Retry::After(_)));
    let error = run("http://no-such-host.invalid/a.git");
    assert!(matches!(error, RepoError::Resolve { .. }), "{error:?}");
}

#[test]
fn a_server_that_is_no_git_server_is_told() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.server.fault("info/refs", GitFault::Status(200, None));
    let error = f.fetch("main").unwrap_err();
    assert!(matches!(error, RepoError::ListReferences { .. }), "{error:?}");
}

#[test]
fn a_truncated_or_damaged_pack_is_never_used_and_the_next_fetch_is_whole() {
    for fault in [GitFault::Truncate(150), GitFault::Corrupt(7), GitFault::Corrupt(20)] {
        let f = fixture();
        f.repository.push(&[("a.yaml", b"some text that is long enough")], "first").unwrap();
        f.server.fault("command=fetch", fault.clone());
        let error = f.fetch("main").unwrap_err();
        let told = matches!(error, RepoError::ReceivePack { .. } | RepoError::Negotiate { .. });
        assert!(told, "{fault:?}: {error:?}");
        assert_eq!(f.fetch("main").unwrap().list(&GO).unwrap().entries.len(), 1);
    }
}

#[test]
fn a_stalled_server_is_given_up() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.server.fault("command=fetch", GitFault::Stall(100));
    let mut spec = f.spec("main");
    spec.limits.stall_timeout = Duration::from_millis(300);
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::Stalled { .. }), "{error:?}");
}

#[test]
fn a_fetch_is_cancelled_promptly_at_any_step() {
    for part in ["info/refs", "/git-upload-pack"] {
        let f = fixture();
        f.repository.push(&[("a", b"1")], "first").unwrap();
        f.server.fault(part, GitFault::Stall(4));
        let cancel = AtomicBool::new(false);
        let spec = f.spec("main");
        let result = std::thread::scope(|scope| {
            let fetching = scope.spawn(|| fetch(&spec, f.cache.path(), &cancel, &|_| {}));
            while f.server.requests().iter().all(|r| !r.target.contains(part)) {
                std::thread::yield_now();
            }
            cancel.store(true, Ordering::Relaxed);
            fetching.join().unwrap()
        });
        let error = result.unwrap_err();
        assert!(matches!(error, RepoError::Cancelled { .. }), "{part}: {error:?}");
    }
}

#[test]
fn waiting_for_another_process_can_be_cancelled() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.fetch("main").unwrap();
    let lock = std::fs::read_dir(f.cache.path()).unwrap().next().unwrap().unwrap().path();
    let lock = std::fs::File::open(lock.join("fetch.lock")).unwrap();
    lock.lock().unwrap();
    let cancel = AtomicBool::new(false);
    let see = |step| {
        if step == Step::Lock {
            cancel.store(true, Ordering::Relaxed);
        }
    };
    let error = fetch(&f.spec("main"), f.cache.path(), &cancel, &see).unwrap_err();
    assert!(matches!(error, RepoError::Cancelled { .. }), "{error:?}");
}

#[test]
fn many_at_once_share_one_cache() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..8).map(|_| scope.spawn(|| content(&f.fetch("main").unwrap()))).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), [("a".into(), "1".into())]);
        }
    });
    assert_eq!(packed_objects(f.cache.path()), 3, "fetched once");
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

#[test]
fn a_damaged_cache_is_made_afresh() {
    for ending in [".pack", ".idx", "/state", "/shallow"] {
        let f = fixture();
        f.repository.push(&[("d/a", b"1")], "first").unwrap();
        f.fetch("main").unwrap();
        for path in files(f.cache.path(), ending) {
            overwrite(&path, b"garbage");
        }
        f.repository.push(&[("d/a", b"2")], "second").unwrap();
        let tree = f.fetch("main").unwrap();
        assert_eq!(content(&tree), [("d/a".into(), "2".into())], "{ending}");
        drop(tree);
        assert_eq!(content(&f.fetch("main").unwrap()), [("d/a".into(), "2".into())]);
    }
}

#[test]
fn what_a_crash_leaves_behind_does_not_matter() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.fetch("main").unwrap();
    let shallow = files(f.cache.path(), "/state").remove(0);
    let generation = shallow.parent().unwrap();
    for name in ["shallow.lock", "state.new", "objects/pack/.tmp123", "objects/pack/tmp_pack"] {
        std::fs::write(generation.join(name), "half").unwrap();
    }
    f.repository.push(&[("a", b"2")], "second").unwrap();
    assert_eq!(content(&f.fetch("main").unwrap()), [("a".into(), "2".into())]);
    assert!(files(f.cache.path(), "tmp_pack").is_empty());
}

#[test]
fn a_tree_is_readable_while_another_fetch_makes_the_cache_afresh() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let tree = f.fetch("main").unwrap();
    std::fs::remove_file(files(f.cache.path(), "/state").remove(0)).unwrap();
    f.repository.push(&[("a", b"2")], "second").unwrap();
    let second = f.fetch("main").unwrap();
    assert_eq!(content(&tree), [("a".into(), "1".into())]);
    assert_eq!(content(&second), [("a".into(), "2".into())]);
    drop(tree);
    f.fetch("main").unwrap();
    assert_eq!(files(f.cache.path(), "/use.lock").len(), 1, "the old generation is gone");
}

#[test]
fn packs_are_gathered_up_to_the_limit_and_then_made_into_one() {
    let f = fixture();
    for number in 0..19 {
        let text = format!("{number}");
        f.repository.push(&[("a", text.as_bytes())], "change").unwrap();
        assert_eq!(content(&f.fetch("main").unwrap()), [("a".into(), text)]);
        assert!(files(f.cache.path(), ".pack").len() <= 17);
    }
    assert!(files(f.cache.path(), ".pack").len() < 5);
}

#[test]
fn an_empty_repository_has_no_default_branch_yet() {
    let f = fixture();
    let error = f.fetch("HEAD").unwrap_err();
    assert!(matches!(error, RepoError::ReferenceNotFound { .. }), "{error:?}");
}

#[test]
fn a_submodule_link_and_odd_entries_survive_the_wire() {
    let f = fixture();
    let changes = [
        Change::File("a", b"1"),
        Change::Link("l", "a"),
        Change::Submodule("s", "0123456789abcdef0123456789abcdef01234567"),
    ];
    f.repository.commit("main", &changes, "first").unwrap();
    let tree = f.fetch("main").unwrap();
    assert_eq!(content(&tree), [("a".into(), "1".into()), ("l".into(), "1".into())]);
    assert!(!tree.list(&GO).unwrap().complete);
}

#[test]
fn a_local_repository_is_read_in_place_without_a_cache() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    f.repository.annotated_tag("v1", &first).unwrap();
    for url in [
        f.repository.path().display().to_string(),
        format!("file://{}", f.repository.path().display()),
    ] {
        for reference in ["", "main", "v1", &first] {
            let spec =
                Fetch::new(RepoUrl::parse(&url).unwrap(), Reference::parse(reference).unwrap());
            let tree = f.run(&spec).unwrap();
            assert_eq!(content(&tree), [("a".into(), "1".into())]);
        }
    }
    assert_eq!(std::fs::read_dir(f.cache.path()).unwrap().count(), 0);
    let run = |url: &str, reference: &str| {
        let reference = Reference::parse(reference).unwrap();
        f.run(&Fetch::new(RepoUrl::parse(url).unwrap(), reference)).unwrap_err()
    };
    let path = f.repository.path().display().to_string();
    assert!(matches!(run("/nonexistent", ""), RepoError::RepositoryNotFound { .. }));
    assert!(matches!(run(&path, "mian"), RepoError::ReferenceNotFound { .. }));
    assert!(matches!(run(&path, &"ab".repeat(20)), RepoError::CommitNotFound { .. }));
    f.repository.tag("main", &first).unwrap();
    assert!(matches!(run(&path, "main"), RepoError::AmbiguousReference { .. }));
}

#[test]
fn the_default_limits_are_the_documented_constants() {
    let limits = Limits::default();
    assert_eq!(limits.file_bytes, repo::FILE_BYTES_MAX);
    assert_eq!(limits.pack_bytes, repo::PACK_BYTES_MAX);
    assert_eq!(limits.stall_timeout, repo::STALL_TIMEOUT);
}

/// A small file system of its own, which only root can have.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(dir)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_that_is_taken_for_whole() {
    let disk = match SmallDisk::mount() {
        Ok(disk) => disk,
        Err(reason) => {
            eprintln!("SKIP a_full_disk_is_told: no file system of its own: {reason}");
            return;
        }
    };
    let f = fixture();
    let noise: Vec<u8> =
        (0..200_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    f.repository.push(&[("noise", &noise)], "first").unwrap();
    let error = fetch(&f.spec("main"), disk.0.path(), &GO, &|_| {}).unwrap_err();
    assert!(matches!(error, RepoError::DiskFull { .. }), "{error:?}");
    assert!(files(disk.0.path(), "/state").is_empty());
    f.repository.force_push(&[("a", b"1")], "small").unwrap();
    let tree = fetch(&f.spec("main"), disk.0.path(), &GO, &|_| {}).unwrap();
    assert_eq!(content(&tree), [("a".into(), "1".into())]);
}
