//! SSH verdicts compared with `git verify-commit` and `git verify-tag` over the real `ssh-keygen`.

use crate::host::{ADDRESS, Host, has, now, text};
use signature::{CommitterRule, ObjectKind, Trust, Verdict, verify};
use std::fs;

const PROGRAMS: [&str; 2] = ["git", "ssh-keygen"];
const FORMAT: &str = "gpg.format=ssh";

/// Makes a key pair; gives the setting that signs with it, and the public key's line.
fn make_key(host: &Host, name: &str, kind: &[&str]) -> (String, String) {
    let path = host.path(name);
    let fixed = ["-q", "-N", "", "-C", "", "-f", text(&path)];
    host.run("ssh-keygen", &[&fixed[..], kind].concat());
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    (format!("user.signingKey={}", text(&path)), public.trim().to_owned())
}

/// The allowed signers as we read them, and the setting that makes Git read the same file.
fn allow(host: &Host, lines: &str) -> (Trust, String) {
    let path = host.path("allowed");
    fs::write(&path, lines).unwrap();
    let mut trust = Trust::new();
    trust.add_allowed_signers("allowed", lines);
    (trust, format!("gpg.ssh.allowedSignersFile={}", text(&path)))
}

#[test]
fn gitops_16_ssh_verdicts_equal_those_of_git_for_every_kind_of_key() {
    if !has("ssh kinds of keys", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    for kind in [
        &["-t", "ed25519"][..],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "rsa", "-b", "3072"],
    ] {
        let name = kind.join("");
        let (key, public) = make_key(&host, &name, kind);
        let id = host.commit(&[FORMAT, &key]);
        let (trust, setting) = allow(&host, &format!("{ADDRESS} {public}\n"));
        let settings = [FORMAT, setting.as_str()];
        let strict = trust.clone().with_committer_rule(CommitterRule::MustMatch);
        let verdict = host.compare(&name, &id, &strict, &settings);
        let listed = host.run("ssh-keygen", &["-l", "-f", &format!("{name}.pub")]);
        let Verdict::Good { signer, key, .. } = &verdict else { panic!("{verdict}") };
        assert!(signer == ADDRESS && String::from_utf8_lossy(&listed).contains(key), "{verdict}");

        let object = String::from_utf8(host.object("commit", &id)).unwrap();
        let changed = host.write("commit", object.replace("two parts", "to parts").as_bytes());
        let verdict = host.compare("tampered", &changed, &trust, &settings);
        assert!(matches!(verdict, Verdict::Bad { .. }), "{verdict}");

        let (nobody, setting) = allow(&host, "# nobody\n");
        let verdict = host.compare("unknown", &id, &nobody, &[FORMAT, &setting]);
        assert!(matches!(verdict, Verdict::UnknownKey { .. }), "{verdict}");
    }
}

#[test]
fn gitops_16_options_and_principals_of_allowed_signers_mean_what_they_mean_to_git() {
    if !has("ssh allowed signers", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let (key, public) = make_key(&host, "key", &["-t", "ed25519"]);
    let (_, other) = make_key(&host, "other", &["-t", "ed25519"]);
    let id = host.commit(&[FORMAT, &key]);
    for (line, good) in [
        (format!("* {public}"), true),
        (format!("*@example.com {public} with a comment"), true),
        (format!("bob@example.com {public}"), true),
        (format!("a,b,c {public}"), true),
        (format!("\"a b\" {public}"), true),
        (format!("a namespaces=\"git\" {public}"), true),
        (format!("a namespaces=\"file,g*\" {public}"), true),
        (format!("a namespaces=\"file\" {public}"), false),
        (format!("a namespaces=\"*,!git\" {public}"), false),
        (format!("a valid-after=\"20200101Z\" {public}"), true),
        (format!("a valid-after=\"20990101Z\" {public}"), false),
        (format!("a valid-before=\"20200101Z\" {public}"), false),
        (format!("a valid-before=\"209901010000Z\" {public}"), true),
        (format!("a valid-after=\"20200101\",valid-before=\"20990101\" {public}"), true),
        (format!("a cert-authority {public}"), false),
        (format!("a {other}"), false),
        (format!("a {other}\nb {public}"), true),
        (format!("a valid-before=\"20200101Z\" {public}\nb {public}"), true),
    ] {
        let (trust, setting) = allow(&host, &format!("{line}\n"));
        let verdict = host.compare(&line, &id, &trust, &[FORMAT, &setting]);
        assert_eq!(verdict.is_good(), good, "{line}: {verdict}");
    }
}

#[test]
fn gitops_16_a_valid_key_of_somebody_else_than_the_committer_is_told() {
    if !has("ssh committer", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let (key, public) = make_key(&host, "key", &["-t", "ed25519"]);
    let object = host.object("commit", &host.commit(&[FORMAT, &key]));
    for (principals, good) in
        [("bob@example.com", false), ("*@example.com", true), ("*,!ann@*", false), (ADDRESS, true)]
    {
        let (trust, _) = allow(&host, &format!("{principals} {public}\n"));
        let strict = trust.with_committer_rule(CommitterRule::MustMatch);
        let verdict = verify(&object, ObjectKind::Commit, &strict, now());
        assert_eq!(verdict.is_good(), good, "{principals}: {verdict}");
        if !good {
            assert!(matches!(verdict, Verdict::WrongCommitter { .. }), "{verdict}");
        }
    }
}

#[test]
fn gitops_16_ssh_keys_that_are_not_accepted_are_named() {
    if !has("ssh refused kinds", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    for (kind, word) in [
        (&["-t", "ecdsa", "-b", "521"][..], "ecdsa-sha2-nistp521"),
        (&["-t", "rsa", "-b", "1024"], "1024 bits"),
    ] {
        let (key, public) = make_key(&host, &kind.join(""), kind);
        let object = host.object("commit", &host.commit(&[FORMAT, &key]));
        let mut trust = Trust::new();
        let told = trust.add_allowed_signers("allowed", &format!("{ADDRESS} {public}\n"));
        assert!(told.len() == 1 && told[0].to_string().contains(word), "{told:?}");
        let verdict = verify(&object, ObjectKind::Commit, &trust, now());
        let named = matches!(&verdict, Verdict::Unsupported { what } if what.contains(word));
        assert!(named, "{verdict}");
    }
}

#[test]
fn gitops_16_ssh_tags_are_verified_as_git_does() {
    if !has("ssh tags", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let (key, public) = make_key(&host, "key", &["-t", "ed25519"]);
    let id = host.commit(&[FORMAT, &key]);
    let (trust, setting) = allow(&host, &format!("{ADDRESS} {public}\n"));
    let settings = [FORMAT, setting.as_str()];
    host.git(&["-C", "repo", "-c", FORMAT, "-c", &key, "tag", "-s", "-m", "one", "v1", &id]);
    let tag = ("tag", ObjectKind::Tag);
    assert!(host.compare_object("signed tag", tag, "v1", &trust, &settings).is_good());
    let object = String::from_utf8(host.object("tag", "v1")).unwrap();
    let moved = host.write("tag", object.replacen("tag v1", "tag v9", 1).as_bytes());
    let verdict = host.compare_object("renamed tag", tag, &moved, &trust, &settings);
    assert!(matches!(verdict, Verdict::Bad { .. }), "{verdict}");
}
