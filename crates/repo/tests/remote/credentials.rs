//! Who we are is told to nobody but the server it is meant for.

use super::*;

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
