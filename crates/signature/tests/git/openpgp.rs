//! OpenPGP verdicts compared with `git verify-commit` and `git verify-tag` over the real `gpg`.

use crate::host::{ADDRESS, Host, has, now, text};
use signature::{CommitterRule, ObjectKind, Trust, Verdict, verify};

const PROGRAMS: [&str; 3] = ["git", "gpg", "gpgconf"];

/// Makes a key that can do what `usage` says; gives its fingerprint.
fn make_key(host: &Host, user: &str, algorithm: &str, usage: &str, expires: &str) -> String {
    host.gpg(&["--quick-generate-key", user, algorithm, usage, expires]);
    fingerprint(host, user)
}

fn fingerprint(host: &Host, user: &str) -> String {
    fingerprints(host, user).swap_remove(0)
}

/// The fingerprints of the primary key and its subkeys.
fn fingerprints(host: &Host, user: &str) -> Vec<String> {
    let listed = String::from_utf8(host.gpg(&["--with-colons", "--list-keys", user])).unwrap();
    let lines = listed.lines().filter_map(|line| line.strip_prefix("fpr:"));
    lines.map(|line| line.trim_matches(':').to_owned()).collect()
}

fn signing_key(key: &str) -> String {
    format!("user.signingKey={key}!")
}

#[test]
fn gitops_16_openpgp_verdicts_equal_those_of_git_for_every_kind_of_key() {
    if !has("openpgp kinds of keys", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let mut commits = Vec::new();
    for algorithm in ["rsa2048", "rsa3072", "ed25519", "nistp256", "nistp384"] {
        let user = format!("{algorithm} <{algorithm}@example.com>");
        let key = make_key(&host, &user, algorithm, "sign", "never");
        commits.push((algorithm, user, key.clone(), host.commit(&[&signing_key(&key)])));
    }
    let trust = host.ring();
    for (algorithm, user, key, id) in &commits {
        let verdict = host.compare(algorithm, id, &trust, &[]);
        let Verdict::Good { signer, key: named, .. } = &verdict else { panic!("{verdict}") };
        assert_eq!((signer, named), (user, key));
        let object = host.object("commit", id);
        let changed = String::from_utf8(object.clone()).unwrap().replace("two parts", "to parts");
        let changed_id = host.write("commit", changed.as_bytes());
        let verdict = host.compare("tampered", &changed_id, &trust, &[]);
        assert!(matches!(verdict, Verdict::Bad { .. }), "{verdict}");
        let unknown = verify(&object, ObjectKind::Commit, &Trust::new(), now());
        assert_eq!(unknown, Verdict::UnknownKey { key: key.clone() });
        // The keys' bytes without armour are the same keys.
        let mut binary = Trust::new();
        assert_eq!(binary.add_key_ring("ring", &host.gpg(&["--export", key])), []);
        assert!(verify(&object, ObjectKind::Commit, &binary, now()).is_good());
        // Another's signature on this commit.
        let strict = trust.clone().with_committer_rule(CommitterRule::MustMatch);
        let verdict = verify(&object, ObjectKind::Commit, &strict, now());
        let wrong =
            matches!(&verdict, Verdict::WrongCommitter { committer, .. } if committer == ADDRESS);
        assert!(wrong, "{verdict}");
    }
}

#[test]
fn gitops_16_a_committer_with_their_own_key_is_accepted_by_the_strict_rule() {
    if !has("openpgp committer", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let key = make_key(&host, "Work <work@example.com>", "ed25519", "sign", "never");
    host.gpg(&["--quick-add-uid", &key, &format!("Ann <{ADDRESS}>")]);
    let id = host.commit(&[&signing_key(&key)]);
    let strict = host.ring().with_committer_rule(CommitterRule::MustMatch);
    let verdict = host.compare("second user id", &id, &strict, &[]);
    assert!(verdict.to_string().contains(&format!("Ann <{ADDRESS}>")), "{verdict}");
    host.gpg(&["--quick-revoke-uid", &key, &format!("Ann <{ADDRESS}>")]);
    let strict = host.ring().with_committer_rule(CommitterRule::MustMatch);
    let verdict = verify(&host.object("commit", &id), ObjectKind::Commit, &strict, now());
    assert!(matches!(verdict, Verdict::WrongCommitter { .. }), "a revoked user id: {verdict}");
    assert!(host.compare("revoked user id", &id, &host.ring(), &[]).is_good());
}

#[test]
fn gitops_16_subkeys_sign_while_they_are_bound_and_not_revoked() {
    if !has("openpgp subkeys", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let user = format!("Ann <{ADDRESS}>");
    let primary = make_key(&host, &user, "ed25519", "cert", "never");
    host.gpg(&["--quick-add-key", &primary, "rsa2048", "sign", "never"]);
    host.gpg(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    host.gpg(&["--quick-add-key", &primary, "cv25519", "encr", "never"]);
    let keys = fingerprints(&host, &user);
    let by_rsa = host.commit(&[&signing_key(&keys[1])]);
    let by_curve = host.commit(&[&signing_key(&keys[2])]);
    let trust = host.ring();
    for (id, key) in [(&by_rsa, &keys[1]), (&by_curve, &keys[2])] {
        let verdict = host.compare("subkey", id, &trust, &[]);
        assert!(matches!(&verdict, Verdict::Good { key: named, .. } if named == key), "{verdict}");
    }
    // Revokes the first subkey: `y` reason 0, no text, `y`.
    ask(&host, "key 1\nrevkey\ny\n0\n\ny\nsave\n", &format!("--edit-key {primary}"));
    let trust = host.ring();
    let verdict = host.compare("revoked subkey", &by_rsa, &trust, &[]);
    assert!(matches!(verdict, Verdict::Revoked { .. }), "{verdict}");
    assert!(host.compare("the other subkey", &by_curve, &trust, &[]).is_good());
}

#[test]
fn gitops_16_expired_keys_and_signatures_are_told_as_expired() {
    if !has("openpgp expiry", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let at_2020 = host.gpg_at("20200101", "");
    let program = format!("gpg.program={at_2020}");
    let generate = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
    let with_user = |user: &str, expires: &str| {
        let more = ["--quick-generate-key", user, "ed25519", "sign", expires];
        host.run(&at_2020, &[&generate[..], &more].concat());
        fingerprint(&host, user)
    };
    let key = with_user("Old <old@example.com>", "20200601T000000");
    let id = host.commit(&[&signing_key(&key), &program]);
    let verdict = host.compare("expired key", &id, &host.ring(), &[]);
    assert!(
        matches!(&verdict, Verdict::Expired { what, .. } if what == "the key is expired"),
        "{verdict}"
    );
    // At a time when it was valid.
    let then = verify(&host.object("commit", &id), ObjectKind::Commit, &host.ring(), 1_580_000_000);
    assert!(then.is_good(), "{then}");
    let before =
        verify(&host.object("commit", &id), ObjectKind::Commit, &host.ring(), 1_500_000_000);
    assert!(!before.is_good(), "{before}");

    let lasting = with_user("Lasting <lasting@example.com>", "never");
    let short_lived = host.gpg_at("20200102", "--default-sig-expire 60d");
    let id = host.commit(&[&signing_key(&lasting), &format!("gpg.program={short_lived}")]);
    let verdict = host.compare("expired signature", &id, &host.ring(), &[]);
    let told =
        matches!(&verdict, Verdict::Expired { what, .. } if what == "the signature is expired");
    assert!(told, "{verdict}");

    // A key that is given more time is valid again.
    host.gpg(&["--quick-set-expire", &key, "never"]);
    let id = host.commit(&[&signing_key(&key), &program]);
    assert!(host.compare("prolonged key", &id, &host.ring(), &[]).is_good());
}

#[test]
fn gitops_16_revoked_keys_are_told_as_revoked() {
    if !has("openpgp revocation", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let key = make_key(&host, &format!("Ann <{ADDRESS}>"), "ed25519", "sign", "never");
    let id = host.commit(&[&signing_key(&key)]);
    assert!(host.compare("before", &id, &host.ring(), &[]).is_good());
    let certificate = host.path(&format!("gnupg/openpgp-revocs.d/{key}.rev"));
    let revocation =
        std::fs::read_to_string(&certificate).unwrap().replace(":-----BEGIN", "-----BEGIN");
    std::fs::write(&certificate, revocation).unwrap();
    host.gpg(&["--import", text(&certificate)]);
    let verdict = host.compare("revoked", &id, &host.ring(), &[]);
    assert!(matches!(verdict, Verdict::Revoked { .. }), "{verdict}");
}

#[test]
fn gitops_16_sha1_is_refused_by_name_whatever_git_says() {
    if !has("openpgp SHA-1", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let key = make_key(&host, &format!("Ann <{ADDRESS}>"), "rsa2048", "sign", "never");
    let sha1 = host.gpg_at("20200101", "--ignore-time-conflict --digest-algo SHA1");
    let id = host.commit(&[&signing_key(&key), &format!("gpg.program={sha1}")]);
    let verdict = verify(&host.object("commit", &id), ObjectKind::Commit, &host.ring(), now());
    assert!(
        matches!(&verdict, Verdict::Unsupported { what } if what.contains("SHA-1")),
        "{verdict}"
    );
}

#[test]
fn gitops_16_tags_are_verified_as_git_does() {
    if !has("openpgp tags", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let key = make_key(&host, &format!("Ann <{ADDRESS}>"), "ed25519", "sign", "never");
    let id = host.commit(&[&signing_key(&key)]);
    host.git(&["-C", "repo", "-c", &signing_key(&key), "tag", "-s", "-m", "one", "v1", &id]);
    host.git(&["-C", "repo", "tag", "-a", "-m", "two", "v2", &id]);
    let trust = host.ring().with_committer_rule(CommitterRule::MustMatch);
    let tag = ("tag", ObjectKind::Tag);
    assert!(host.compare_object("signed tag", tag, "v1", &trust, &[]).is_good());
    assert_eq!(host.compare_object("tag", tag, "v2", &trust, &[]), Verdict::Unsigned);
    let object = String::from_utf8(host.object("tag", "v1")).unwrap();
    let moved = host.write("tag", object.replacen("tag v1", "tag v9", 1).as_bytes());
    let verdict = host.compare_object("renamed tag", tag, &moved, &trust, &[]);
    assert!(matches!(verdict, Verdict::Bad { .. }), "{verdict}");
}

#[test]
fn gitops_16_every_changed_byte_of_an_openpgp_signature_is_noticed() {
    if !has("openpgp changed bytes", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let key = make_key(&host, &format!("Ann <{ADDRESS}>"), "ed25519", "sign", "never");
    let id = host.commit(&[&signing_key(&key)]);
    let trust = host.ring();
    let object = host.object("commit", &id);
    let whole = String::from_utf8(object.clone()).unwrap();
    let (from, to) = (whole.find("gpgsig").unwrap(), whole.find("\n\na message").unwrap());
    let letters = (from..to).filter(|at| object[*at].is_ascii_lowercase());
    let mut accepted = Vec::new();
    for at in letters {
        let mut changed = object.clone();
        changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
        let verdict = verify(&changed, ObjectKind::Commit, &trust, now());
        if verdict.is_good() {
            accepted.push(whole[..at].lines().last().unwrap_or_default().to_owned());
        }
    }
    // Only what is not signed may change: the checksum of the armour (5 characters), the two bytes
    // of the digest that help to find a wrong signature early (up to 4), and the issuer outside of
    // the hashed area, whose key is named by its fingerprint within (10 bytes, up to 15).
    assert!(accepted.len() <= 24, "{accepted:?}");
}

/// Runs a dialogue of GnuPG with these answers.
fn ask(host: &Host, answers: &str, arguments: &str) {
    let file = host.path("answers");
    std::fs::write(&file, answers).unwrap();
    let script = format!(
        "gpg --no-tty --command-fd 0 --pinentry-mode loopback --passphrase '' {arguments} < {}",
        text(&file)
    );
    host.run("sh", &["-c", &script]);
}

#[test]
fn gitops_16_a_revocation_counts_from_an_appointed_revoker_and_with_any_hash() {
    if !has("openpgp odd revocations", &PROGRAMS) {
        return;
    }
    let host = Host::new();
    let key = make_key(&host, &format!("Ann <{ADDRESS}>"), "ed25519", "sign", "never");
    let revoker = make_key(&host, "Rev <rev@example.com>", "ed25519", "sign", "never");
    let by_sha1 = make_key(&host, "Bob <bob@example.com>", "rsa2048", "sign", "never");
    ask(&host, &format!("addrevoker\n{revoker}\ny\nsave\n"), &format!("--edit-key {key}"));
    let (first, second) =
        (host.commit(&[&signing_key(&key)]), host.commit(&[&signing_key(&by_sha1)]));
    assert!(host.compare("with a revoker", &first, &host.ring(), &[]).is_good());
    assert!(host.compare("before", &second, &host.ring(), &[]).is_good());
    let (one, two) = (host.path("one"), host.path("two"));
    ask(&host, "y\n0\n\ny\n", &format!("--output {} --desig-revoke {key}", text(&one)));
    let sha1 = format!("--cert-digest-algo SHA1 --output {} --gen-revoke {by_sha1}", text(&two));
    ask(&host, "y\n0\n\ny\n", &sha1);
    host.gpg(&["--import", text(&one)]);
    host.gpg(&["--import", text(&two)]);
    for (name, id) in [("by a revoker", &first), ("with SHA-1", &second)] {
        let verdict = host.compare(name, id, &host.ring(), &[]);
        assert!(matches!(verdict, Verdict::Revoked { .. }), "{name}: {verdict}");
    }
}
