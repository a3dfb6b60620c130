//! Where a reference is now: one request, over a connection that is kept, with nothing written.

use super::*;
use std::sync::Mutex;

impl Fixture {
    fn poll(&self, connections: &Connections, reference: &str) -> Result<Head, RepoError> {
        connections.poll(&self.spec(reference), &GO)
    }

    fn asked(&self) -> usize {
        self.server.requests().len()
    }
}

#[test]
fn gitops_15_a_poll_is_one_request_for_the_exact_name_on_a_kept_connection() {
    for options in [GitServerOptions::default(), tls(None)] {
        let f = fixture_with(&options);
        let first = f.repository.push(&[("a", b"1")], "first").unwrap();
        let connections = Connections::new();
        assert_eq!(f.poll(&connections, "refs/heads/main").unwrap().commit, first);
        assert_eq!(f.asked(), 2, "a greeting and a question");
        f.server.forget_requests();
        let second = f.repository.push(&[("a", b"2")], "second").unwrap();
        for _ in 0..5 {
            let head = f.poll(&connections, "refs/heads/main").unwrap();
            assert_eq!(head.commit, second);
            assert_eq!((head.reference.as_str(), head.tag), ("refs/heads/main", None));
        }
        let requests = f.server.requests();
        assert_eq!(requests.len(), 5);
        for request in &requests {
            assert_eq!(request.body.matches("ref-prefix ").count(), 1, "{}", request.body);
            assert!(request.body.contains("ref-prefix refs/heads/main\n"), "{}", request.body);
        }
        assert_eq!(f.server.connections(), 1);
        assert_eq!(std::fs::read_dir(f.cache.path()).unwrap().count(), 0);
    }
}

#[test]
fn gitops_15_a_poll_and_the_fetch_after_it_share_a_connection() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let connections = Connections::new();
    f.poll(&connections, "main").unwrap();
    let fetch = |reference: &str| {
        f.server.forget_requests();
        connections.fetch(&f.spec(reference), f.cache.path(), &GO, &|_| {}).unwrap()
    };
    assert_eq!(fetch("main").commit().unwrap().id, first);
    assert_eq!(f.asked(), 2, "where it is, and what is new");
    let second = f.repository.push(&[("a", b"2")], "second").unwrap();
    assert_eq!(content(&fetch(&second)), [("a".into(), "2".into())]);
    assert_eq!(f.asked(), 1, "only what is new, when the commit is known from a poll");
    assert_eq!(f.server.connections(), 1);
}

#[test]
fn gitops_15_branch_and_tag_are_told_apart_and_an_annotated_tag_is_peeled() {
    for old_protocol in [false, true] {
        let f = fixture_with(&GitServerOptions { old_protocol, ..GitServerOptions::default() });
        let first = f.repository.push(&[("a", b"1")], "first").unwrap();
        let second = f.repository.push(&[("a", b"2")], "second").unwrap();
        let tag = f.repository.annotated_tag("main", &first).unwrap();
        f.repository.tag("light", &first).unwrap();
        let connections = Connections::new();
        let poll = |reference: &str| f.poll(&connections, reference);
        assert!(matches!(poll("main").unwrap_err(), RepoError::AmbiguousReference { .. }));
        assert_eq!(poll("refs/heads/main").unwrap().commit, second);
        let head = poll("refs/tags/main").unwrap();
        assert_eq!((head.commit.as_str(), head.tag.as_deref()), (first.as_str(), Some(&*tag)));
        assert_eq!(head.reference, "refs/tags/main");
        let head = poll("light").unwrap();
        assert_eq!((head.commit.as_str(), head.tag), (first.as_str(), None));
        let head = poll("HEAD").unwrap();
        assert_eq!((head.reference.as_str(), &head.commit), ("refs/heads/main", &second));
        let asked = f.asked();
        assert_eq!(poll(&first).unwrap().commit, first, "an id cannot move");
        assert_eq!(f.asked(), asked);
        let local = Fetch::new(
            RepoUrl::local(f.repository.path()),
            Reference::parse("refs/tags/main").unwrap(),
        );
        let head = connections.poll(&local, &GO).unwrap();
        assert_eq!((head.commit, head.tag), (first, Some(tag)));
    }
}

#[test]
fn gitops_15_force_push_and_deletion_are_seen_by_a_poll() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let connections = Connections::new();
    f.poll(&connections, "main").unwrap();
    let other = f.repository.force_push(&[("b", b"2")], "other").unwrap();
    assert_eq!(f.poll(&connections, "main").unwrap().commit, other);
    f.server.forget_requests();
    f.repository.git(&["update-ref", "-d", "refs/heads/main"], &[]).unwrap();
    let error = f.poll(&connections, "main").unwrap_err();
    assert!(matches!(error, RepoError::ReferenceNotFound { .. }), "{error:?}");
    assert_eq!(f.asked(), 1, "all references are not listed for it");
}

#[test]
fn gitops_15_the_highest_tag_of_a_range_is_polled_and_fetched() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let second = f.repository.push(&[("a", b"2")], "second").unwrap();
    let third = f.repository.push(&[("a", b"3")], "third").unwrap();
    f.repository.tag("v1.9.0", &first).unwrap();
    let tag = f.repository.annotated_tag("v1.10.0", &second).unwrap();
    f.repository.tag("v2.0.0-rc.1", &third).unwrap();
    f.repository.tag("nightly", &third).unwrap();
    let connections = Connections::new();
    let head = f.poll(&connections, "semver:1.x").unwrap();
    let found = (head.reference.as_str(), head.commit.as_str(), head.tag.as_deref());
    assert_eq!(found, ("refs/tags/v1.10.0", second.as_str(), Some(&*tag)));
    assert_eq!(f.commit_of("semver:>=1.0.0 <1.10.0"), first);
    assert_eq!(f.poll(&connections, "semver:>=1.0.0-0").unwrap().commit, third);
    assert_eq!(f.poll(&connections, "semver:>=1.0.0").unwrap().commit, second);
    let error = f.poll(&connections, "semver:3.x").unwrap_err();
    assert!(matches!(error, RepoError::ReferenceNotFound { .. }), "{error:?}");
    let local =
        Fetch::new(RepoUrl::local(f.repository.path()), Reference::parse("semver:~1.10").unwrap());
    assert_eq!(connections.poll(&local, &GO).unwrap().commit, second);
    let requests = f.server.requests();
    let narrow = requests.iter().filter(|r| r.body.contains("ref-prefix refs/tags/v1.\n"));
    assert!(narrow.count() > 0);
}

#[test]
fn a_poll_survives_a_server_that_closes_its_connections_or_changes_its_mind() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let connections = Connections::new();
    f.poll(&connections, "main").unwrap();
    for fault in [
        GitFault::Drop,
        GitFault::Truncate(10),
        GitFault::Replace(b"what?".to_vec()),
        GitFault::Status(404, None),
        GitFault::Redirect("http://127.0.0.1:1".to_owned()),
    ] {
        f.server.fault("command=ls-refs", fault.clone());
        assert_eq!(f.poll(&connections, "main").unwrap().commit, first, "{fault:?}");
    }
    f.server.fault("command=ls-refs", GitFault::Status(503, Some(9)));
    f.server.forget_requests();
    let error = f.poll(&connections, "main").unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(9)), "{error:?}");
    assert_eq!(f.asked(), 1, "a server in trouble is not asked twice");
}

#[test]
fn gitops_15_a_remembered_redirect_gets_no_credentials_either() {
    let elsewhere = fixture();
    elsewhere.repository.push(&[("a", b"there")], "first").unwrap();
    let credentials = Some(("me".to_owned(), CANARY.to_owned()));
    let f = fixture_with(&GitServerOptions { credentials, ..GitServerOptions::default() });
    f.server.fault("info/refs", GitFault::Redirect(elsewhere.server.base()));
    let mut spec = f.spec("main");
    spec.credentials = Some(Credentials::new("me", Secret::new(CANARY)));
    let connections = Connections::new();
    for _ in 0..3 {
        connections.poll(&spec, &GO).unwrap();
    }
    assert_eq!(f.asked(), 1);
    let there = elsewhere.server.requests();
    assert_eq!(there.len(), 4);
    assert!(there.iter().all(|r| r.authorization.is_none()), "{there:?}");
}

#[test]
fn connections_are_kept_up_to_the_bound_and_not_beyond() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let connections = Connections::new();
    f.poll(&connections, "main").unwrap();
    let many = repo::IDLE_PER_HOST_MAX * 3;
    // All wait at the server until all have come, so that each needs a connection of its own.
    let together = std::sync::Arc::new(std::sync::Barrier::new(many));
    for _ in 0..many {
        let together = together.clone();
        f.server.before("command=ls-refs", move || {
            let _ = together.wait();
        });
    }
    let all = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..many {
            scope.spawn(|| {
                f.poll(&connections, "main").unwrap();
                *all.lock().unwrap() += 1;
            });
        }
    });
    assert_eq!(*all.lock().unwrap(), many);
    assert_eq!(f.server.connections(), many);
    // As many again at the same time: what was kept is used, the rest is opened anew.
    let together = std::sync::Arc::new(std::sync::Barrier::new(many));
    for _ in 0..many {
        let together = together.clone();
        f.server.before("command=ls-refs", move || {
            let _ = together.wait();
        });
    }
    std::thread::scope(|scope| {
        for _ in 0..many {
            scope.spawn(|| f.poll(&connections, "main").unwrap());
        }
    });
    assert!(f.server.connections() >= 2 * many - repo::IDLE_PER_HOST_MAX);
}

#[test]
fn a_poll_is_cancelled_promptly_and_a_stalled_server_given_up() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let connections = Connections::new();
    f.poll(&connections, "main").unwrap();
    f.server.fault("command=ls-refs", GitFault::Stall(4));
    let mut spec = f.spec("main");
    spec.limits.stall_timeout = Duration::from_millis(200);
    let error = connections.poll(&spec, &GO).unwrap_err();
    assert!(matches!(error, RepoError::Stalled { .. }), "{error:?}");
    f.server.fault("command=ls-refs", GitFault::Stall(4));
    let cancel = AtomicBool::new(false);
    let spec = f.spec("main");
    f.server.forget_requests();
    let result = std::thread::scope(|scope| {
        let polling = scope.spawn(|| connections.poll(&spec, &cancel));
        while f.asked() == 0 {
            std::thread::yield_now();
        }
        cancel.store(true, Ordering::Relaxed);
        polling.join().unwrap()
    });
    assert!(matches!(result.unwrap_err(), RepoError::Cancelled { .. }));
}
