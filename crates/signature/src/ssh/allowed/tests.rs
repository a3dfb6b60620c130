use super::*;

/// A key of any 32 bytes: reading does not check the point.
fn key() -> String {
    let mut bytes = vec![0, 0, 0, 11];
    bytes.extend(b"ssh-ed25519");
    bytes.extend([0, 0, 0, 32]);
    bytes.extend([7; 32]);
    format!("ssh-ed25519 {}", STANDARD.encode(bytes))
}

fn signer(before_key: &str) -> Result<AllowedSigner, String> {
    read_line(&format!("{before_key} {} a comment", key()))
}

#[test]
fn principals_are_patterns_and_a_negated_one_wins() {
    let signer = signer("*@example.com,!evil@*,bot").unwrap();
    for (name, allowed) in [
        ("a@example.com", true),
        ("evil@example.com", false),
        ("bot", true),
        ("robot", false),
        ("a@example.com.org", false),
        ("A@EXAMPLE.COM", false),
    ] {
        assert_eq!(signer.matches(name), allowed, "{name}");
    }
    assert!(!matches_list("!a", "b"), "a negated pattern alone allows nobody");
    assert!(matches_pattern("a*b?c*", "axxbyc") && !matches_pattern("a?", "a"));
    assert!(matches_pattern("*", "") && !matches_pattern("?", ""));
}

#[test]
fn names_match_up_to_their_bound() {
    let signer = signer("*").unwrap();
    assert!(signer.matches(&"a".repeat(NAME_BYTES_MAX)));
    assert!(!signer.matches(&"a".repeat(NAME_BYTES_MAX + 1)));
}

#[test]
fn options_are_read_with_their_quotes() {
    let signer = signer(
        "\"a b,c\" namespaces=\"git,file\",valid-after=\"19700102Z\",valid-before=19700103000001Z",
    )
    .unwrap();
    assert_eq!(signer.principals, "a b,c");
    assert!(signer.allows_namespace("git") && !signer.allows_namespace("mail"));
    assert_eq!((signer.valid_after, signer.valid_before), (Some(86_400), Some(172_801)));
}

#[test]
fn gitops_16_a_signer_may_sign_only_in_their_time() {
    let signer = signer("a valid-after=19700102Z,valid-before=19700103Z").unwrap();
    let (start, end) = (86_400, 172_800);
    for (made_at, now, inside) in [
        (start, end, true),
        (end, end * 9, true),
        (start - 1, end, false),
        (end + 1, end * 9, false),
        // The object says a later time than it is.
        (start, start - 1, false),
    ] {
        let outside = signer.outside_of_its_time(made_at, now);
        assert_eq!(outside.is_none(), inside, "{made_at} {now}");
    }
}

#[test]
fn times_are_read_as_utc_and_impossible_ones_are_refused() {
    for (text, seconds) in [
        ("19700101", 0),
        ("20000229Z", 951_782_400),
        ("20261125123456Z", 1_795_610_096),
        ("202611251234", 1_795_610_040),
        ("99991231235959Z", 253_402_300_799),
    ] {
        assert_eq!(time(text), Ok(seconds), "{text}");
    }
    for text in [
        "",
        "2026",
        "20260230Z",
        "20261301",
        "2026112524",
        "202611252400",
        "2026112é",
        "-0261125",
        "19691231",
    ] {
        assert!(time(text).is_err(), "{text}");
    }
}

#[test]
fn gitops_16_what_is_not_accepted_is_named_with_its_line_and_allows_nobody() {
    let key = key();
    let dsa = STANDARD.encode(b"\0\0\0\x07ssh-dss");
    let text = format!(
        "# comment\n\na {key}\nb cert-authority {key}\nc no-touch {key}\nd {}\ne ssh-dss {dsa}\n\
         f\ng valid-after=x {key}\nh \"open {key}\ni namespaces=git,namespaces=a {key}\n\
         j valid-after=20260101Z,valid-before=20250101Z {key}\nk ssh-rsa {dsa}\nl ssh-ed25519 %%\n",
        key.replace("ssh-ed25519 ", "ssh-ed25518 ")
    );
    let (signers, wrong) = read(&text);
    assert_eq!(signers.len(), 1);
    let expected = [
        (4, "certificates are not accepted"),
        (5, "`no-touch` is not known"),
        (6, "no kind of SSH key"),
        (7, "kind `ssh-dss`"),
        (8, "the line is not"),
        (9, "is not a time"),
        (10, "quote is not closed"),
        (11, "given twice"),
        (12, "not later"),
        (13, "not one of kind"),
        (14, "not valid base64"),
    ];
    assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
    for ((line, message), (expected_line, part)) in wrong.iter().zip(expected) {
        assert!(*line == expected_line && message.contains(part), "{line}: {message}");
    }
}

#[test]
fn the_bounds_of_lines_and_signers_are_exact() {
    let line = format!("a {}", key());
    let (signers, wrong) = read(&format!("{line}\n").repeat(SIGNERS_MAX));
    assert_eq!((signers.len(), wrong.len()), (SIGNERS_MAX, 0));
    let (signers, wrong) = read(&format!("{line}\n").repeat(SIGNERS_MAX + 1));
    assert_eq!((signers.len(), wrong.len()), (SIGNERS_MAX, 1));
    let padding = " x".repeat((LINE_BYTES_MAX - line.len()) / 2);
    let longest = format!("{line}{padding}");
    let longest = format!("{longest}{}", "x".repeat(LINE_BYTES_MAX - longest.len()));
    assert!(read_line(&longest).is_ok());
    assert!(read_line(&format!("{longest}x")).is_err());
}
