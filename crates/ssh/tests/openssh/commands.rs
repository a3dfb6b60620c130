//! Commands: their ends, their output, windows, re-keying, and several at a time.

use crate::driver::{Driver, config, key, server};
use ssh::{CHANNELS_MAX, Exit, STDERR_BYTES_MAX, SshError, WINDOW_BYTES};

const ED25519: &[&str] = &["-t", "ed25519"];

#[test]
fn the_end_of_a_command_is_told() {
    let Some(sshd) = server("the_end_of_a_command_is_told", ED25519, "") else { return };
    let mut driver = Driver::open(&sshd, config(&sshd, vec![key(&sshd.user_key())])).unwrap();
    let ran = driver.run("echo out; echo err >&2; echo $GIT_PROTOCOL; exit 7", 1000, b"");
    assert_eq!(ran.stdout, b"out\nversion=2\n");
    assert_eq!(ran.stderr, b"err\n");
    assert_eq!(ran.exit, Some(Exit::Status(7)));
    let ran = driver.run("kill -TERM $$", 1000, b"");
    assert_eq!(ran.exit, Some(Exit::Signal("TERM".into())));
}

#[test]
fn stderr_is_bounded_and_does_not_hold_up_the_command() {
    let Some(sshd) = server("stderr_is_bounded", ED25519, "") else { return };
    let mut driver = Driver::open(&sshd, config(&sshd, vec![key(&sshd.user_key())])).unwrap();
    let ran = driver.run("head -c 3000000 /dev/zero >&2; echo done", 64 * 1024, b"");
    assert_eq!((ran.stdout.as_slice(), ran.stderr.len()), (&b"done\n"[..], STDERR_BYTES_MAX));
}

#[test]
fn a_small_window_bounds_what_waits_and_everything_arrives() {
    let Some(sshd) = server("a_small_window_bounds_what_waits", ED25519, "") else { return };
    let mut driver = Driver::open(&sshd, config(&sshd, vec![key(&sshd.user_key())])).unwrap();
    for (window, bytes) in [(1, 300), (1000, 300_000), (40_000, 22_000_000)] {
        let ran = driver.run(&format!("head -c {bytes} /dev/zero"), window, b"");
        assert_eq!(ran.stdout.len(), bytes);
        assert!(ran.most <= usize::try_from(window).unwrap(), "{}", ran.most);
    }
}

#[test]
fn input_larger_than_every_window_arrives_whole() {
    let Some(sshd) = server("input_larger_than_every_window", ED25519, "") else { return };
    let mut driver = Driver::open(&sshd, config(&sshd, vec![key(&sshd.user_key())])).unwrap();
    let input: Vec<u8> = (0..6_000_000_u32).map(|number| (number % 251) as u8).collect();
    let ran = driver.run("cat", WINDOW_BYTES, &input);
    assert!(ran.stdout == input, "{} bytes came back", ran.stdout.len());
}

#[test]
fn keys_are_changed_by_the_server_and_by_us_in_the_middle_of_data() {
    let test = "keys_are_changed_in_the_middle_of_data";
    let input: Vec<u8> = (0..8_000_000_u32).map(|number| (number % 253) as u8).collect();
    for (more, rekey_bytes) in [
        ("RekeyLimit 500K\n", None),
        ("RekeyLimit 500K\nCiphers chacha20-poly1305@openssh.com\n", None),
        ("", Some(300_000)),
        ("Ciphers chacha20-poly1305@openssh.com\n", Some(300_000)),
        ("RekeyLimit 400K\n", Some(300_000)),
    ] {
        let Some(sshd) = server(test, ED25519, more) else { return };
        let mut config = config(&sshd, vec![key(&sshd.user_key())]);
        config.rekey_bytes = rekey_bytes;
        let mut driver = Driver::open(&sshd, config).unwrap();
        let ran = driver.run("cat", WINDOW_BYTES, &input);
        assert!(ran.stdout == input, "{more:?} {rekey_bytes:?}: {} bytes", ran.stdout.len());
    }
}

#[test]
fn commands_run_beside_each_other_and_channels_are_bounded() {
    let more = "MaxSessions 100\n";
    let Some(sshd) = server("commands_run_beside_each_other", ED25519, more) else { return };
    let mut driver = Driver::open(&sshd, config(&sshd, vec![key(&sshd.user_key())])).unwrap();
    let first = driver.start("cat", 1000);
    let second = driver.start("cat", 1000);
    // The server allows input once it has started the command.
    for (id, input) in [(first, b"one"), (second, b"two")] {
        while driver.client.write(id, input).unwrap() == 0 {
            driver.turn().unwrap();
        }
    }
    for (id, expected) in [(second, b"two"), (first, b"one")] {
        while driver.client.channel(id).unwrap().waiting() == 0 {
            driver.turn().unwrap();
        }
        assert_eq!(driver.client.take(id).unwrap(), expected);
        driver.client.close(id).unwrap();
    }
    while driver.client.channel(first).is_some() || driver.client.channel(second).is_some() {
        driver.turn().unwrap();
    }
    for _ in 0..CHANNELS_MAX {
        assert!(driver.client.open_session(1).unwrap().is_some());
    }
    assert!(driver.client.open_session(1).unwrap().is_none());
}

#[test]
fn a_server_that_refuses_a_session_or_a_command_is_told() {
    let test = "a_server_that_refuses_a_session";
    let Some(sshd) = server(test, ED25519, "MaxSessions 0\n") else { return };
    let mut driver = Driver::open(&sshd, config(&sshd, vec![key(&sshd.user_key())])).unwrap();
    let id = driver.client.open_session(1000).unwrap().unwrap();
    while driver.client.channel(id).unwrap().refused().is_none() {
        driver.turn().unwrap();
    }
    assert!(driver.client.channel(id).unwrap().ended());
    assert!(!driver.client.exec(id, b"true").unwrap());
}

#[test]
fn a_key_that_is_not_let_in_and_too_many_of_them_are_told() {
    let Some(sshd) = server("a_key_that_is_not_let_in", ED25519, "") else { return };
    let told = |count: usize| {
        let keys = (0..count).map(|_| key(&sshd.stranger_key())).collect();
        Driver::open(&sshd, config(&sshd, keys)).err().unwrap()
    };
    let text = told(1).to_string();
    assert!(text.contains("it does not take the key"), "{text}");
    assert!(matches!(told(0), SshError::Authenticate { offered: 0, .. }));
    let many = told(10);
    assert!(matches!(many, SshError::Authenticate { .. }), "{many}");
    assert!(many.to_string().contains("Too many authentication failures"), "{many}");
}
