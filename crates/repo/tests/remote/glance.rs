//! The look that needs no thread: the same request and the same answer as a poll's, or none.

use super::*;
use tokio::runtime::Runtime;

/// Connections on a runtime, and a server that was greeted.
struct Greeted {
    runtime: Runtime,
    connections: Connections,
    f: Fixture,
    first: String,
}

fn greeted_with(options: &GitServerOptions) -> Greeted {
    let f = fixture_with(options);
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let runtime = Runtime::new().unwrap();
    let connections = Connections::on(runtime.handle().clone());
    let greeted = Greeted { runtime, connections, f, first };
    assert_eq!(greeted.glance("main").unwrap(), None, "it was not greeted yet");
    assert_eq!(greeted.asked(), 0);
    greeted.greet();
    greeted
}

fn greeted() -> Greeted {
    greeted_with(&GitServerOptions::default())
}

impl Greeted {
    fn look(&self, spec: &Fetch) -> Result<Option<Head>, RepoError> {
        self.runtime.block_on(self.connections.glance(spec))
    }

    fn glance(&self, reference: &str) -> Result<Option<Head>, RepoError> {
        self.look(&self.f.spec(reference))
    }

    fn greet(&self) {
        let head = self.connections.poll(&self.f.spec("main"), &GO).unwrap();
        assert_eq!(head.commit, self.first);
        self.f.server.forget_requests();
    }

    fn asked(&self) -> usize {
        self.f.server.requests().len()
    }
}

#[test]
fn gitops_15_a_glance_is_the_request_of_a_poll_with_its_answer_on_a_kept_connection() {
    for options in [GitServerOptions::default(), tls(None)] {
        let g = greeted_with(&options);
        let tag = g.f.repository.annotated_tag("v1", &g.first).unwrap();
        for reference in ["main", "refs/heads/main", "HEAD", "refs/tags/v1", "v1"] {
            let polled = g.connections.poll(&g.f.spec(reference), &GO).unwrap();
            assert_eq!(g.glance(reference).unwrap(), Some(polled), "{reference}");
            let requests = g.f.server.requests();
            let [poll, glance] = requests.as_slice() else { panic!("{requests:?}") };
            assert_eq!((&poll.body, &poll.target), (&glance.body, &glance.target));
            g.f.server.forget_requests();
        }
        assert_eq!(g.glance("v1").unwrap().unwrap().tag, Some(tag));
        let second = g.f.repository.push(&[("a", b"2")], "second").unwrap();
        assert_eq!(g.glance("main").unwrap().unwrap().commit, second);
        // Twelve requests. One may come before the connection of the last one is free again.
        let connections = g.f.server.connections();
        assert!((1..=3).contains(&connections), "{connections} connections");
    }
}

#[test]
fn a_glance_leaves_to_a_poll_what_is_more_than_one_question() {
    let g = greeted();
    g.f.repository.tag("v1.0.0", &g.first).unwrap();
    for reference in ["semver:1.x", g.first.as_str()] {
        assert_eq!(g.glance(reference).unwrap(), None, "{reference}");
    }
    let local = Fetch::new(RepoUrl::local(g.f.repository.path()), Reference::Head);
    assert_eq!(g.look(&local).unwrap(), None);
    assert_eq!(g.asked(), 0);
    // An answer that is longer than it holds.
    let line = format!("0043{} refs/heads/{}\n", g.first, "m".repeat(10));
    assert_eq!(line.len(), 0x43);
    g.f.server.fault("command=ls-refs", GitFault::Replace(line.repeat(5000).into_bytes()));
    assert_eq!(g.glance("main").unwrap(), None);
    g.greet();
}

#[test]
fn a_glance_that_a_new_greeting_may_mend_leaves_it_to_a_poll() {
    let g = greeted();
    for fault in [
        GitFault::Truncate(10),
        GitFault::Replace(b"what?".to_vec()),
        GitFault::Status(404, None),
        GitFault::Redirect("http://127.0.0.1:1".to_owned()),
    ] {
        g.f.server.fault("command=ls-refs", fault.clone());
        assert_eq!(g.glance("main").unwrap(), None, "{fault:?}");
        assert_eq!(g.glance("main").unwrap(), None, "its greeting is forgotten: {fault:?}");
        assert_eq!(g.asked(), 1);
        g.greet();
    }
}

#[test]
fn a_glance_names_what_a_poll_would_name_and_asks_once() {
    let g = greeted();
    g.f.server.fault("command=ls-refs", GitFault::Status(503, Some(9)));
    let error = g.glance("main").unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(9)), "{error:?}");
    assert_eq!(g.asked(), 1, "a server in trouble is not asked twice");

    g.f.server.fault("command=ls-refs", GitFault::Stall(3));
    let mut spec = g.f.spec("main");
    spec.limits.stall_timeout = Duration::from_millis(200);
    let error = g.look(&spec).unwrap_err();
    assert!(matches!(error, RepoError::Stalled { .. }), "{error:?}");

    g.f.repository.tag("main", &g.first).unwrap();
    let error = g.glance("main").unwrap_err();
    assert!(matches!(error, RepoError::AmbiguousReference { .. }), "{error:?}");
    g.f.repository.git(&["update-ref", "-d", "refs/heads/main"], &[]).unwrap();
    let error = g.glance("refs/heads/main").unwrap_err();
    assert!(matches!(error, RepoError::ReferenceNotFound { .. }), "{error:?}");
}

#[test]
fn gitops_15_a_glance_after_a_redirect_gives_no_credentials_to_the_other_server() {
    let elsewhere = fixture();
    let there = elsewhere.repository.push(&[("a", b"there")], "first").unwrap();
    let credentials = Some(("me".to_owned(), CANARY.to_owned()));
    let f = fixture_with(&GitServerOptions { credentials, ..GitServerOptions::default() });
    let runtime = Runtime::new().unwrap();
    let connections = Connections::on(runtime.handle().clone());
    let mut spec = f.spec("main");
    spec.credentials = Some(Credentials::new("me", Secret::new(CANARY)));
    f.server.fault("info/refs", GitFault::Redirect(elsewhere.server.base()));
    connections.poll(&spec, &GO).unwrap();
    let head = runtime.block_on(connections.glance(&spec)).unwrap().unwrap();
    assert_eq!(head.commit, there);
    let requests = elsewhere.server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|r| r.authorization.is_none()), "{requests:?}");
}

#[test]
fn gitops_15_a_glance_gives_its_credentials_to_the_server_they_are_for() {
    let credentials = Some(("me".to_owned(), CANARY.to_owned()));
    let f = fixture_with(&tls(credentials));
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let runtime = Runtime::new().unwrap();
    let connections = Connections::on(runtime.handle().clone());
    let mut spec = f.spec("main");
    spec.credentials = Some(Credentials::new("me", Secret::new(CANARY)));
    connections.poll(&spec, &GO).unwrap();
    let head = runtime.block_on(connections.glance(&spec)).unwrap().unwrap();
    assert_eq!(head.commit, first);
    // They were changed: a poll tells what is wrong.
    spec.credentials = Some(Credentials::new("me", Secret::new("other")));
    assert_eq!(runtime.block_on(connections.glance(&spec)).unwrap(), None);
    let error = connections.poll(&spec, &GO).unwrap_err();
    assert!(matches!(error, RepoError::Authenticate { .. }), "{error:?}");
}
