use super::*;
use proptest::prelude::*;

const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICkHHDbPpUKGz9LhjpxXpVdDNlf9BlRCEFwNtwkr3n0g";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB";
const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAAA\
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn ed() -> SshPublicKey {
    let (_, word) = ED.split_once(' ').unwrap();
    SshPublicKey::read(&STANDARD.decode(word).unwrap()).unwrap()
}

fn judged(text: &str, host: &Host) -> Result<(), SshError> {
    let mut known = KnownHosts::new();
    known.add("known", text).unwrap();
    known.of(host).judge(host, &ed())
}

fn git(port: u16) -> Host {
    Host::new("git.example", port)
}

#[test]
fn a_line_speaks_for_its_hosts_and_ports_only() {
    for (hosts, port, good) in [
        ("git.example", 22, true),
        ("GIT.example", 22, true),
        ("a,git.example,b", 22, true),
        ("*.example", 22, true),
        ("g?t.*", 22, true),
        ("*", 22, true),
        ("*.example,!git.example", 22, false),
        ("!git.example,*.example", 22, false),
        ("!other.example,*.example", 22, true),
        ("!git.example", 22, false),
        ("git.exampl", 22, false),
        ("git.example", 2222, false),
        ("[git.example]:2222", 2222, true),
        ("[git.example]:2222", 22, false),
        ("[*.example]:2222", 2222, true),
        ("git.example:22", 22, false),
    ] {
        let result = judged(&format!("{hosts} {ED} a comment"), &git(port));
        assert_eq!(result.is_ok(), good, "{hosts} {port}");
    }
}

#[test]
fn hashed_names_are_found() {
    let salt = [7; 20];
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    let hash = |name: &str| {
        let tag = hmac::sign(&key, name.as_bytes());
        format!("|1|{}|{} {ED}", STANDARD.encode(salt), STANDARD.encode(tag))
    };
    assert!(judged(&hash("git.example"), &git(22)).is_ok());
    assert!(judged(&hash("git.example"), &git(23)).is_err());
    assert!(judged(&hash("[git.example]:23"), &git(23)).is_ok());
    for broken in ["|1|", "|1||", "|1|AAAA", "|1|!|!", "|2|AAAA|AAAA"] {
        assert!(judged(&format!("{broken} {ED}"), &git(22)).is_err());
    }
}

#[test]
fn tabs_comments_and_empty_lines_are_read_as_openssh_reads_them() {
    let text = format!("# git.example {OTHER}\n\n \t# more\n\tgit.example\t \t{ED}\tann@host\r\n");
    assert!(judged(&text, &git(22)).is_ok());
    assert!(judged(&format!("git.example {P256}\ngit.example {ED}"), &git(22)).is_ok());
}

#[test]
fn gitops_15_each_wrong_host_key_is_told_with_its_fingerprint_and_line() {
    let told = |text: &str| judged(text, &git(22)).unwrap_err().to_string();
    let long = format!("git.example {ED} {}", "x".repeat(KNOWN_HOSTS_LINE_BYTES_MAX));
    expect_test::expect![[r#"
        the host key of git.example is not known: it shows ssh-ed25519 SHA256:Lp5O+mqNV31GnPmM0dbZxfiAe5TAfvQXKVreeCv/Qio; no line of known names it
        the host key of git.example is not known: it shows ssh-ed25519 SHA256:Lp5O+mqNV31GnPmM0dbZxfiAe5TAfvQXKVreeCv/Qio; known is only a key of kind ecdsa-sha2-nistp256 (known:1)
        the host key of git.example is not known: it shows ssh-ed25519 SHA256:Lp5O+mqNV31GnPmM0dbZxfiAe5TAfvQXKVreeCv/Qio; certificates of host keys are not supported (known:1)
        the host key of git.example is not known: it shows ssh-ed25519 SHA256:Lp5O+mqNV31GnPmM0dbZxfiAe5TAfvQXKVreeCv/Qio; a line for it cannot be read (known:1: its key is not valid base64)
        the host key of git.example is not known: it shows ssh-ed25519 SHA256:Lp5O+mqNV31GnPmM0dbZxfiAe5TAfvQXKVreeCv/Qio; a line for it cannot be read (known:2: it has no key)
        the host key of git.example is not known: it shows ssh-ed25519 SHA256:Lp5O+mqNV31GnPmM0dbZxfiAe5TAfvQXKVreeCv/Qio; no line of known names it
        the host key of git.example has changed: it shows ssh-ed25519 SHA256:Lp5O+mqNV31GnPmM0dbZxfiAe5TAfvQXKVreeCv/Qio, known is SHA256:gOPgXFWkBoXrFVwpjf0SBo3P1kFs+IvH5q/vnQhNpFw (known:2)
        the host key of git.example is revoked: it shows ssh-ed25519 SHA256:Lp5O+mqNV31GnPmM0dbZxfiAe5TAfvQXKVreeCv/Qio, revoked at known:2"#]]
    .assert_eq(
        &[
            told("other.example ssh-rsa AAAA"),
            told(&format!("git.example {P256}")),
            told(&format!("@cert-authority *.example {ED}")),
            told("git.example ssh-ed25519 ****"),
            told("\ngit.example ssh-ed25519"),
            told(&long),
            told(&format!("\ngit.example {OTHER}")),
            told(&format!("git.example {ED}\n@revoked * {ED}")),
        ]
        .join("\n"),
    );
    let mut nothing = KnownHosts::new().of(&git(22)).judge(&git(22), &ed()).unwrap_err();
    assert!(nothing.to_string().ends_with("there is no file of known hosts"), "{nothing}");
    nothing = judged(&format!("@unknown git.example {ED}"), &git(22)).unwrap_err();
    assert!(matches!(nothing, SshError::UnknownHostKey { .. }));
}

#[test]
fn a_file_of_known_hosts_is_read_up_to_its_bounds() {
    let mut known = KnownHosts::new();
    assert!(known.add("a", &"\n".repeat(KNOWN_HOSTS_LINES_MAX)).is_ok());
    assert!(known.add("a", &"\n".repeat(KNOWN_HOSTS_LINES_MAX + 1)).is_err());
    assert!(known.add("a", &"#".repeat(KNOWN_HOSTS_BYTES_MAX)).is_ok());
    assert!(known.add("a", &"#".repeat(KNOWN_HOSTS_BYTES_MAX + 1)).is_err());
    let line = |bytes: usize| {
        let start = format!("git.example {ED} ");
        let fill = bytes - start.len();
        start + &"x".repeat(fill)
    };
    assert!(judged(&line(KNOWN_HOSTS_LINE_BYTES_MAX), &git(22)).is_ok());
    assert!(judged(&line(KNOWN_HOSTS_LINE_BYTES_MAX + 1), &git(22)).is_err());
    let host = |bytes: usize| Host::new(&"x".repeat(bytes), 22);
    assert!(judged(&format!("* {ED}"), &host(HOST_BYTES_MAX)).is_ok());
    assert!(judged(&format!("* {ED}"), &host(HOST_BYTES_MAX + 20)).is_err());
}

/// The obvious form of [`glob`], for comparison.
fn plain_glob(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| plain_glob(rest, &name[at..])),
        Some((own, rest)) => name
            .split_first()
            .is_some_and(|(byte, name)| (*own == b'?' || own == byte) && plain_glob(rest, name)),
    }
}

proptest! {
    #[test]
    fn patterns_mean_what_they_say(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
        prop_assert_eq!(
            glob(pattern.as_bytes(), name.as_bytes()),
            plain_glob(pattern.as_bytes(), name.as_bytes())
        );
    }

    #[test]
    fn a_key_that_is_not_in_the_file_is_never_accepted(
        text in "(@revoked|@cert-authority|git.example|\\*|\\||1|!|,|\\[|\\]:22|ssh-ed25519|AAAA|=|#| |\t|\n){0,40}",
    ) {
        prop_assert!(judged(&text, &git(22)).is_err());
    }
}
