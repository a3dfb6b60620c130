//! Keys of hosts and of people: files, the agent, and what is told when they do not fit.

use crate::{GO, fixture};
use model::Explain;
use repo::{Connections, RepoError};
use testkit::sshd::Agent;

fn causes(error: &RepoError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

#[test]
fn gitops_15_a_revoked_host_key_is_refused_and_told_with_its_line() {
    let Some(f) = fixture("gitops_15_a_revoked_host_key") else { return };
    let known = std::fs::read_to_string(f.sshd.known_hosts()).unwrap();
    let path = f.root.path().join("revoked");
    let words: Vec<&str> = known.split_whitespace().collect();
    std::fs::write(&path, format!("{known}\n@revoked * {} {}\n", words[1], words[2])).unwrap();
    let mut spec = f.spec();
    spec.ssh.known_hosts = Some(path);
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::HostKeyRevoked { .. }), "{error:?}");
    let text = causes(&error);
    assert!(text.contains("SHA256:") && text.contains("revoked:3"), "{text}");
}

#[test]
fn gitops_15_a_host_key_that_does_not_fit_is_told_with_fingerprint_and_line() {
    let Some(f) = fixture("gitops_15_a_host_key_that_does_not_fit") else { return };
    let mut spec = f.spec();
    spec.ssh.known_hosts = Some(f.sshd.wrong_hosts());
    let text = causes(&f.run(&spec).unwrap_err());
    assert!(text.matches("SHA256:").count() == 2 && text.contains("wrong_hosts:1"), "{text}");
    spec.ssh.known_hosts = Some(f.sshd.no_hosts());
    let text = causes(&f.run(&spec).unwrap_err());
    assert!(text.contains("SHA256:") && text.contains("no_hosts names it"), "{text}");
    spec.ssh.known_hosts = Some(f.root.path().join("absent"));
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::KnownHosts { .. }), "{error:?}");
}

#[test]
fn a_key_with_a_passphrase_says_what_to_do_and_works_with_an_agent() {
    let Some(f) = fixture("a_key_with_a_passphrase_says_what_to_do") else { return };
    let plain = f.sshd.add_user_key("locked", &["-t", "ecdsa", "-b", "384"], "").unwrap();
    let agent = Agent::start().unwrap();
    agent.add(&plain).unwrap();
    let change = ["-q", "-p", "-N", "a passphrase", "-f", plain.to_str().unwrap()];
    assert!(
        std::process::Command::new("ssh-keygen").args(change).output().unwrap().status.success()
    );
    let mut spec = f.spec();
    spec.ssh.identity_file = Some(plain);
    spec.ssh.agent_socket = Some(f.root.path().join("no agent"));
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::IdentityFile { .. }), "{error:?}");
    assert!(error.hint().unwrap().as_str().contains("ssh-add"), "{error:?}");
    spec.ssh.agent_socket = Some(agent.socket());
    f.run(&spec).unwrap_or_else(|error| panic!("{error:?}\n{}", f.sshd.log()));
}

#[test]
fn every_kind_of_key_works_from_an_agent() {
    let Some(f) = fixture("every_kind_of_key_works_from_an_agent") else { return };
    let kinds: [&[&str]; 4] = [
        &["-t", "ed25519"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "rsa", "-b", "2048"],
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let path = f.sshd.add_user_key(&format!("key{number}"), kind, "").unwrap();
        let agent = Agent::start().unwrap();
        // One that is not let in comes first: it is offered and passed over.
        agent.add(&f.sshd.stranger_key()).unwrap();
        agent.add(&path).unwrap();
        let mut spec = f.spec();
        spec.ssh.identity_file = None;
        spec.ssh.agent_socket = Some(agent.socket());
        let connections = Connections::new();
        let polled = connections.poll(&spec, &GO);
        assert!(polled.is_ok(), "{kind:?} {polled:?}\n{}", f.sshd.log());
    }
}

#[test]
fn a_file_that_is_no_key_is_told_without_its_content() {
    let Some(f) = fixture("a_file_that_is_no_key") else { return };
    let path = f.root.path().join("key");
    let text = "-----BEGIN OPENSSH PRIVATE KEY-----\nQ0FOQVJZ\n-----END OPENSSH PRIVATE KEY-----\n";
    std::fs::write(&path, text).unwrap();
    let mut spec = f.spec();
    spec.ssh.identity_file = Some(path);
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::IdentityFile { .. }), "{error:?}");
    let all = format!("{error:?} {}", causes(&error));
    assert!(!all.contains("CANARY") && !all.contains("Q0FOQVJZ"), "{all}");
}

#[test]
fn gitops_14_polls_share_one_login_until_keys_or_server_change() {
    let Some(f) = fixture("gitops_14_polls_share_one_login") else { return };
    let logins = || f.sshd.log().matches("Accepted publickey").count();
    let connections = Connections::new();
    let spec = f.spec();
    let first = connections.poll(&spec, &GO).unwrap();
    let pushed = f.repository.push(&[("b.yaml", b"2")], "second").unwrap();
    for _ in 0..20 {
        assert_eq!(connections.poll(&spec, &GO).unwrap().commit, pushed);
    }
    assert_ne!(first.commit, pushed);
    let cache = f.root.path().join("cache");
    connections.fetch(&spec, &cache, &GO, &|_| {}).unwrap();
    connections.fetch(&spec, &cache, &GO, &|_| {}).unwrap();
    assert_eq!(logins(), 1, "{}", f.sshd.log());

    // Other known hosts are another trust: the old connection is not used.
    let mut other = f.spec();
    other.ssh.known_hosts = Some(f.sshd.wrong_hosts());
    assert!(matches!(connections.poll(&other, &GO), Err(RepoError::HostKey { .. })));
    let mut stranger = f.spec();
    stranger.ssh.identity_file = Some(f.sshd.stranger_key());
    assert!(matches!(connections.poll(&stranger, &GO), Err(RepoError::Authenticate { .. })));
    assert_eq!(connections.poll(&spec, &GO).unwrap().commit, pushed);
    assert!(logins() <= 2, "{}", f.sshd.log());
}
