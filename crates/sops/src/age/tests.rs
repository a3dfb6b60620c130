use super::*;

const HEAD: &str = "age-encryption.org/v1\n";

fn refused(text: &str) -> AgeError {
    decrypt(text.as_bytes(), &Identities::default()).unwrap_err()
}

#[test]
fn headers_that_can_be_written_in_two_ways_are_refused() {
    let stanza = "-> X25519 AAAA\nAAAA\n";
    for text in [
        format!("{HEAD}--- AAAA\n"),
        format!("{HEAD}-> \n\n--- AAAA\n"),
        format!("{HEAD}->  a\n\n--- AAAA\n"),
        format!("{HEAD}-> a \n\n--- AAAA\n"),
        format!("{HEAD}-> a\nAAAA=\n--- AAAA\n"),
        format!("{HEAD}-> a\nAB\n--- AAAA\n"),
        format!("{HEAD}-> a\n{}\n--- AAAA\n", "A".repeat(65)),
        format!("{HEAD}{stanza}--- A\n"),
        format!("{HEAD}{stanza}---\n"),
        format!("{HEAD}{stanza}"),
        format!("{HEAD}-> a\tb\n\n--- AAAA\n"),
    ] {
        assert!(matches!(refused(&text), AgeError::Malformed(_)), "{text}");
    }
    for version in ["v1\r\n", "v2\n"] {
        assert_eq!(refused(&format!("age-encryption.org/{version}")), AgeError::Version);
    }
    let kinds = vec!["scrypt".to_owned(), "ssh-rsa".to_owned()];
    let others = format!("{HEAD}-> scrypt a 18\nAAAA\n-> ssh-rsa b\n\n--- AAAA\n");
    assert_eq!(refused(&others), AgeError::NoMatch { kinds });
}

#[test]
fn the_bounds_of_age_files_are_exact() {
    let with = |count: usize| format!("{HEAD}{}--- AAAA\n", "-> a\n\n".repeat(count));
    assert!(matches!(refused(&with(STANZAS_MAX)), AgeError::NoMatch { .. }));
    assert!(matches!(refused(&with(STANZAS_MAX + 1)), AgeError::Malformed(_)));
    assert!(matches!(refused(&"a".repeat(FILE_BYTES_MAX)), AgeError::Malformed(_)));
    assert_eq!(refused(&"a".repeat(FILE_BYTES_MAX + 1)), AgeError::TooLarge);
    let line = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33\n";
    let (keys, wrong) = Identities::parse(&line.repeat(IDENTITIES_MAX));
    assert_eq!((keys.recipients().len(), wrong.len()), (IDENTITIES_MAX, 0));
    let expected = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    assert!(keys.recipients().iter().all(|recipient| recipient == expected));
    let (_, wrong) = Identities::parse(&line.repeat(IDENTITIES_MAX + 1));
    assert_eq!(wrong.len(), 1);
}
