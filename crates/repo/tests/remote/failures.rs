//! What goes wrong is told by phase, and nothing half-received is used.

use super::*;

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
fn a_missing_commit_is_told_clearly() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let error = f.fetch(&"ab".repeat(20)).unwrap_err();
    assert!(matches!(error, RepoError::CommitNotFound { .. }), "{error:?}");
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
