use super::*;
use std::process::Output;

fn ls_remote(url: &str, settings: &[(&str, &str)]) -> Output {
    let mut command = git();
    for (key, value) in settings {
        command.args(["-c", &format!("{key}={value}")]);
    }
    command.args(["ls-remote", url]).output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn git_itself_lists_what_was_pushed() {
    let server = GitServer::start().unwrap();
    let repository = server.repository("a.git").unwrap();
    let commit = repository.push(&[("a/b c.yaml", b"x: 1\n")], "first").unwrap();
    let listed = text(&ls_remote(&server.url("a.git"), &[]));
    assert!(listed.contains(&format!("{commit}\trefs/heads/main")), "{listed}");
    let requests = server.requests();
    assert!(requests.iter().any(|r| r.protocol.as_deref() == Some("version=2")), "{requests:?}");
}

#[test]
fn authentication_and_tls_are_asked_for() {
    let credentials = Some(("me".to_owned(), "secret".to_owned()));
    let options = GitServerOptions { credentials, tls: true, ..GitServerOptions::default() };
    let server = GitServer::start_with(&options).unwrap();
    server.repository("a.git").unwrap().push(&[("a", b"")], "first").unwrap();
    let url = server.url("a.git");
    let ca = server.ca_file().unwrap().display().to_string();
    assert!(!ls_remote(&url, &[]).status.success());
    assert!(!ls_remote(&url, &[("http.sslCAInfo", &ca)]).status.success());
    let known = url.replace("https://", "https://me:secret@");
    let output = ls_remote(&known, &[("http.sslCAInfo", &ca)]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_fault_is_used_once() {
    let server = GitServer::start().unwrap();
    server.repository("a.git").unwrap().push(&[("a", b"")], "first").unwrap();
    server.fault("info/refs", GitFault::Status(503, Some(7)));
    assert!(text(&ls_remote(&server.url("a.git"), &[])).contains("503"));
    assert!(ls_remote(&server.url("a.git"), &[]).status.success());
}

#[test]
fn the_same_pushes_give_the_same_commits() {
    let root = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let repository = Repository::create(&root.path().join(name)).unwrap();
        let first = repository.push(&[("a", b"1")], "first").unwrap();
        let changes = [Change::RemoveAll, Change::Executable("b", b"2"), Change::Link("c", "b")];
        (first, repository.commit("main", &changes, "second").unwrap())
    };
    assert_eq!(make("a.git"), make("b.git"));
}

#[test]
fn branches_and_tags_come_and_go() {
    let root = tempfile::tempdir().unwrap();
    let repository = Repository::create(root.path()).unwrap();
    let first = repository.push(&[("a", b"1")], "first").unwrap();
    let tag = repository.annotated_tag("v1", &first).unwrap();
    assert_ne!(tag, first);
    assert_eq!(repository.id("refs/tags/v1^{commit}").unwrap(), first);
    repository.set_branch("side", &first).unwrap();
    repository.delete_branch("side").unwrap();
    assert!(repository.id("refs/heads/side").is_err());
    let other = repository.force_push(&[("b", b"2")], "other").unwrap();
    assert!(repository.id(&format!("{other}^")).is_err());
}

#[test]
fn git_itself_finds_a_huge_file_of_zeros_whole() {
    let server = GitServer::start().unwrap();
    let repository = server.repository("a.git").unwrap();
    repository.push(&[("a", b"1")], "first").unwrap();
    repository.push_zeros("huge", Zeros::SHORT, "huge").unwrap();
    let size = repository.git(&["cat-file", "-s", "main:huge"], &[]).unwrap();
    assert_eq!(size, (Zeros::SHORT.mebibytes * 1024 * 1024).to_string());
    // It reads and hashes every object.
    repository.git(&["fsck", "--full", "--strict"], &[]).unwrap();
    // Of the larger one it reads what stands before it.
    repository.push_zeros("huge", Zeros::LONG, "huger").unwrap();
    let size = repository.git(&["cat-file", "-s", "main:huge"], &[]).unwrap();
    assert_eq!(size, (Zeros::LONG.mebibytes * 1024 * 1024).to_string());
}
