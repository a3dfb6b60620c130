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
fn a_server_that_sends_a_byte_now_and_then_is_given_up_when_patience_is_used_up() {
    for part in ["info/refs", "command=fetch"] {
        let f = fixture();
        f.repository.push(&[("a", &[b'x'; 4000])], "first").unwrap();
        f.server.fault(part, GitFault::Trickle(50));
        let mut spec = f.spec("main");
        spec.limits.patience = Duration::from_millis(500);
        let error = f.run(&spec).unwrap_err();
        assert!(matches!(error, RepoError::TooSlow { .. }), "{part}: {error:?}");
        assert_eq!(error.retry(), Retry::After(repo::RETRY_PAUSE));
        // One that is slow and has the time for it is waited for.
        f.server.fault("info/refs", GitFault::Trickle(1));
        f.fetch("main").unwrap();
    }
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

/// What a cut or a lie may be told as.
fn is_told(error: &RepoError) -> bool {
    matches!(
        error,
        RepoError::ListReferences { .. }
            | RepoError::Connect { .. }
            | RepoError::Negotiate { .. }
            | RepoError::ReceivePack { .. }
            | RepoError::ReferenceNotFound { .. }
    )
}

#[test]
fn gitops_15_a_connection_that_is_cut_anywhere_leaves_nothing_that_is_used() {
    let f = fixture();
    f.repository.push(&[("a.yaml", b"1")], "first").unwrap();
    let parts = ["info/refs", "command=ls-refs", "command=fetch"];
    for part in parts {
        // The reader itself is cut at every byte in its own tests; the step has no common factor
        // with the four digits before each line.
        for bytes in (0..).step_by(7) {
            let cache = tempfile::tempdir().unwrap();
            f.server.fault(part, GitFault::Truncate(bytes));
            match fetch(&f.spec("main"), cache.path(), &GO, &|_| {}) {
                Err(error) => assert!(is_told(&error), "{part} {bytes}: {error:?}"),
                // All that means something was there.
                Ok(tree) => {
                    assert_eq!(content(&tree), [("a.yaml".into(), "1".into())]);
                    break;
                }
            }
            let state = files(cache.path(), "/state");
            assert!(state.is_empty(), "{part} {bytes}");
        }
    }
}

#[test]
fn garbage_instead_of_any_answer_is_told_and_the_next_fetch_is_whole() {
    let f = fixture();
    f.repository.push(&[("a.yaml", b"1")], "first").unwrap();
    let garbage: [&[u8]; 6] = [
        b"",
        b"0000",
        b"<html>not git</html>",
        b"ffff",
        b"0010ERR go away\n0000",
        b"000eversion 2\n0000000dpackfile\n0009\x01PACK0000",
    ];
    for part in ["info/refs", "command=ls-refs", "command=fetch"] {
        for bytes in garbage {
            f.server.fault(part, GitFault::Replace(bytes.to_vec()));
            let error = f.fetch("main").unwrap_err();
            assert!(is_told(&error), "{part} {bytes:?}: {error:?}");
        }
    }
    assert_eq!(content(&f.fetch("main").unwrap()), [("a.yaml".into(), "1".into())]);
}

#[test]
fn a_pause_that_the_server_asks_for_is_passed_on_at_every_phase() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    for part in ["info/refs", "command=ls-refs", "command=fetch"] {
        f.server.fault(part, GitFault::Status(503, Some(11)));
        let error = f.fetch("main").unwrap_err();
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(11)), "{part}: {error:?}");
    }
}

#[test]
fn a_server_that_closes_a_kept_connection_is_asked_again_on_another_one() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    for part in ["info/refs", "command=ls-refs", "command=fetch"] {
        f.server.fault(part, GitFault::Drop);
    }
    assert_eq!(content(&f.fetch("main").unwrap()), [("a".into(), "1".into())]);
}

#[test]
fn gitops_15_a_force_push_during_a_fetch_is_followed() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.fetch("main").unwrap();
    let path = f.repository.path().to_owned();
    f.repository.push(&[("a", b"2")], "second").unwrap();
    f.server.before("command=fetch", move || {
        let repository = Repository::create(&path).unwrap();
        repository.force_push(&[("b", b"3")], "other").unwrap();
        let forget = ["reflog", "expire", "--expire=now", "--all"];
        repository.git(&forget, &[]).unwrap();
        repository.git(&["gc", "--quiet", "--prune=now"], &[]).unwrap();
    });
    assert_eq!(content(&f.fetch("main").unwrap()), [("b".into(), "3".into())]);
}

#[test]
fn a_reference_that_never_holds_still_is_told_with_a_pause() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let line = "ERR upload-pack: not our ref 0123456789abcdef0123456789abcdef01234567\n";
    let line = format!("{:04x}{line}", line.len() + 4).into_bytes();
    for _ in 0..2 {
        f.server.fault("command=fetch", GitFault::Replace(line.clone()));
    }
    let error = f.fetch("main").unwrap_err();
    assert!(matches!(error, RepoError::ReferenceMoved { .. }), "{error:?}");
    assert!(matches!(error.retry(), Retry::After(_)));
}

#[test]
fn an_endless_greeting_or_list_is_stopped_at_the_limit() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let names: Vec<String> = (0..12).map(|number| format!("v1.{number}.0")).collect();
    for name in &names {
        f.repository.tag(name, &first).unwrap();
    }
    let mut spec = f.spec("semver:1.x");
    spec.limits.references = 12;
    assert_eq!(f.run(&spec).unwrap().commit().unwrap().id, first);
    spec.limits.references = 11;
    let error = f.run(&spec).unwrap_err();
    let told = matches!(error, RepoError::TooMany { what: "references", limit: 11, .. });
    assert!(told, "{error:?}");
}

/// A tenth of a gigabyte that compresses to a tenth of a megabyte: what counts is what a client
/// would have to hold, and a server that filters never reads it.
#[test]
fn gitops_15_a_blob_beyond_the_limit_is_neither_received_nor_held() {
    let f = fixture();
    let large = vec![b'x'; 100_000_000];
    f.repository.push(&[("a.yaml", b"1"), ("large.bin", &large)], "first").unwrap();
    drop(large);
    let received = AtomicUsize::new(0);
    let see = |step| {
        if let Step::Receive { bytes } = step {
            received.fetch_max(usize::try_from(bytes).unwrap(), Ordering::Relaxed);
        }
    };
    f.repository.configure("uploadpack.allowFilter", "true").unwrap();
    let tree = fetch(&f.spec("main"), f.cache.path(), &GO, &see).unwrap();
    let listing = tree.list(&GO).unwrap();
    let large = &listing.entries[1];
    assert_eq!((large.path.as_str(), large.size), ("large.bin", None));
    assert!(matches!(tree.read(large), Err(RepoError::FileRefused { .. })));
    assert!(received.load(Ordering::Relaxed) < 1000);

    f.repository.configure("uploadpack.allowFilter", "false").unwrap();
    let mut spec = f.spec("main");
    spec.limits.pack_bytes = 50_000;
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&spec, cache.path(), &GO, &|_| {}).unwrap_err();
    assert!(matches!(error, RepoError::PackTooLarge { .. }), "{error:?}");
    spec.limits = Limits::default();
    spec.limits.object_bytes = 1_000_000;
    let error = fetch(&spec, cache.path(), &GO, &|_| {}).unwrap_err();
    let told = matches!(error, RepoError::ObjectTooLarge { bytes: 100_000_000, .. });
    assert!(told, "{error:?}");
}

#[test]
fn gitops_15_a_file_of_10_gib_is_refused_by_its_size_before_it_is_unpacked() {
    let f = fixture();
    f.repository.push(&[("a.yaml", b"1")], "first").unwrap();
    f.fetch("main").unwrap();
    f.repository.push_zeros("huge.yaml", Zeros::LONG, "huge").unwrap();
    let received = AtomicUsize::new(0);
    let see = |step| {
        if let Step::Receive { bytes } = step {
            received.fetch_max(usize::try_from(bytes).unwrap(), Ordering::Relaxed);
        }
    };
    let error = fetch(&f.spec("main"), f.cache.path(), &GO, &see).unwrap_err();
    assert!(matches!(error, RepoError::ObjectTooLarge { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Never);
    assert!(error.to_string().contains("sends an object of 10 GiB, the limit is 256 MiB"));
    assert!(received.load(Ordering::Relaxed) < 1_000_000, "of the 10 MB that it has packed");
    let mended = f.repository.commit("main", &[Change::Remove("huge.yaml")], "mended").unwrap();
    assert_eq!(f.commit_of("main"), mended);
}
