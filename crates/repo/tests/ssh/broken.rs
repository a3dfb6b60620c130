//! Servers that are silent, speak something else, or die in the middle; and much data.

use crate::{Fixture, GO, fixture};
use repo::{Connections, Fetch, Reference, RepoError, RepoUrl, fetch};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Bytes of each of the files of a large tree: two thirds of the limit.
const FILE_BYTES: usize = 2_800_000;

/// Bytes that do not compress.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend(next());
    }
    bytes.truncate(count);
    bytes
}

fn large(f: &Fixture) -> usize {
    let files: Vec<(String, Vec<u8>)> =
        (0..8).map(|n| (format!("{n}.yaml"), noise(n, FILE_BYTES))).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    f.repository.push(&files, "large").unwrap();
    files.len() + 1
}

/// Passes connections on to the server, each cut after so many bytes of its answers.
fn cutting(f: &Fixture, after: usize) -> Fetch {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, to) = (listener.local_addr().unwrap().port(), f.sshd.port());
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return };
            let (mut up, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut up, &mut up_to));
            let mut down = server.take(u64::try_from(after).unwrap());
            let mut client_end = client;
            let _ = std::io::copy(&mut down, &mut client_end);
            let _ = client_end.shutdown(Shutdown::Both);
            let _ = down.into_inner().shutdown(Shutdown::Both);
        }
    });
    let mut spec = f.spec();
    let known = std::fs::read_to_string(f.sshd.known_hosts()).unwrap();
    let here = known.replace(&format!(":{to} "), &format!(":{port} "));
    let path = f.root.path().join(format!("known-{after}"));
    std::fs::write(&path, here).unwrap();
    spec.ssh.known_hosts = Some(path);
    let url = f.sshd.url(f.repository.path()).replace(&format!(":{to}/"), &format!(":{port}/"));
    spec.url = RepoUrl::parse(&url).unwrap();
    spec
}

#[test]
fn a_large_tree_is_fetched_over_many_changes_of_keys() {
    let Some(f) = fixture("a_large_tree_is_fetched") else { return };
    f.sshd.configure("RekeyLimit 1M\n").unwrap();
    let files = large(&f);
    let tree = f.run(&f.spec()).unwrap_or_else(|error| panic!("{error:?}\n{}", f.sshd.log()));
    let listing = tree.list(&GO).unwrap();
    assert_eq!(listing.entries.len(), files);
    let entry = listing.entries.iter().find(|entry| entry.path == "7.yaml").unwrap();
    assert!(tree.read(entry).unwrap() == noise(7, FILE_BYTES));
}

#[test]
fn gitops_15_a_server_that_dies_anywhere_leaves_nothing_that_is_used() {
    let Some(f) = fixture("gitops_15_a_server_that_dies_anywhere") else { return };
    let files = large(&f);
    for after in [0, 10, 600, 1500, 2500, 3000, 3500, 4000, 100_000, 5_000_000, 20_000_000] {
        let spec = cutting(&f, after);
        let error = f.run(&spec).unwrap_err();
        let expected = matches!(
            error,
            RepoError::Connect { .. }
                | RepoError::ListReferences { .. }
                | RepoError::Negotiate { .. }
                | RepoError::ReceivePack { .. }
        );
        assert!(expected, "{after}: {error:?}");
    }
    assert_eq!(f.run(&f.spec()).unwrap().list(&GO).unwrap().entries.len(), files);
}

/// A server that says this and then nothing, and never closes.
fn saying(words: &'static [u8]) -> Fetch {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut socket, _)) = listener.accept() {
            let _ = socket.write_all(words);
            open.push(socket);
        }
    });
    let url = RepoUrl::parse(&format!("ssh://git@127.0.0.1:{port}/a.git")).unwrap();
    Fetch::new(url, Reference::Head)
}

#[test]
fn a_server_that_is_silent_or_no_ssh_server_is_told() {
    let cache = tempfile::tempdir().unwrap();
    let empty = cache.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let told = |words: &'static [u8]| {
        let mut spec = saying(words);
        spec.limits.connect_timeout = Duration::from_millis(300);
        spec.ssh.known_hosts = Some(empty.clone());
        fetch(&spec, cache.path(), &GO, &|_| {}).unwrap_err()
    };
    assert!(matches!(told(b""), RepoError::Connect { .. }));
    assert!(matches!(told(b"SSH-2.0-slow\r\n"), RepoError::Connect { .. }));
    assert!(matches!(told(b"HTTP/1.1 400 Bad Request\r\n\r\n"), RepoError::Ssh { .. }));
    let flood = told(b"SSH-2.0-x\r\n\xff\xff\xff\xff garbage");
    assert!(matches!(flood, RepoError::Ssh { .. }), "{flood:?}");
}

#[test]
fn a_login_can_be_cancelled() {
    let cache = tempfile::tempdir().unwrap();
    let mut spec = saying(b"");
    spec.ssh.known_hosts = Some(cache.path().join("empty"));
    std::fs::write(cache.path().join("empty"), "").unwrap();
    let stop = AtomicBool::new(true);
    let error = Connections::new().poll(&spec, &stop).unwrap_err();
    assert!(matches!(error, RepoError::Cancelled { .. }), "{error:?}");
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_is_given_up_when_patience_is_used_up() {
    let Some(f) = fixture("a_server_that_sends_a_byte_now_and_then") else { return };
    // A line of nearly 64 KiB begins, and comes byte by byte.
    f.sshd.configure("ForceCommand printf fff0; while printf a; do sleep 0.05; done\n").unwrap();
    let mut spec = f.spec();
    spec.limits.patience = Duration::from_millis(500);
    let error = f.run(&spec).unwrap_err();
    assert!(matches!(error, RepoError::TooSlow { .. }), "{error:?}\n{}", f.sshd.log());
}
