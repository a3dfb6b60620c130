//! What an image promises: the same bytes for the same input, and nothing that it does not need.

use super::*;
use files::{Content, Entry};
use std::io::Read;

/// The smallest thing that `loader` reads as a static 64-bit ELF program.
fn static_program(marker: u8) -> Vec<u8> {
    let mut program = vec![0_u8; 64];
    program[..6].copy_from_slice(b"\x7fELF\x02\x01");
    program.push(marker);
    program
}

/// A program whose only program header asks for a loader.
fn dynamic_program() -> Vec<u8> {
    let mut program = static_program(0);
    program.resize(64, 0);
    program[32] = 64;
    program[54] = 56;
    program[56] = 1;
    let mut header = vec![0_u8; 56];
    header[0] = 3;
    header[8] = 120;
    header[32] = 12;
    program.extend(header);
    program.extend(b"/lib64/ld.so\0");
    program
}

fn built(marker: u8) -> (tempfile::TempDir, Built) {
    let cache = tempfile::tempdir().unwrap();
    let program = cache.path().join("program");
    fs::write(&program, static_program(marker)).unwrap();
    let built = of_program(cache.path(), &PAUSE, &program).unwrap();
    (cache, built)
}

#[test]
fn the_same_program_gives_the_same_two_digests_in_two_caches() {
    let (_one, first) = built(1);
    let (_two, second) = built(1);
    assert_eq!(first.manifest, second.manifest);
    assert_eq!(first.checksum, second.checksum);
    assert_eq!(fs::read(&first.archive).unwrap(), fs::read(&second.archive).unwrap());
    let (_three, other) = built(2);
    assert_ne!(first.manifest, other.manifest);
}

#[test]
fn an_image_is_made_once_for_each_input_and_again_when_its_archive_is_damaged() {
    let (cache, first) = built(1);
    let program = cache.path().join("program");
    let again = of_program(cache.path(), &PAUSE, &program).unwrap();
    assert!(!first.cached && again.cached);
    assert_eq!((&again.manifest, &again.checksum), (&first.manifest, &first.checksum));
    fs::write(&first.archive, b"half").unwrap();
    let repaired = of_program(cache.path(), &PAUSE, &program).unwrap();
    assert!(!repaired.cached);
    assert_eq!(repaired.checksum, first.checksum);
}

#[test]
fn an_archive_is_sorted_timeless_and_names_its_image() {
    let (_cache, built) = built(1);
    let bytes = fs::read(&built.archive).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut paths = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if path == "index.json" {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            assert!(text.contains(r#""io.containerd.image.name":"local.test/pause:3.6""#));
            assert!(text.contains(&built.manifest));
        }
        paths.push(path);
    }
    let mut sorted = paths.clone();
    sorted.sort();
    assert_eq!(paths, sorted);
    assert_eq!(paths.len(), 5);
}

#[test]
fn a_program_that_needs_shared_libraries_is_refused_with_the_flag_that_helps() {
    let cache = tempfile::tempdir().unwrap();
    let program = cache.path().join("program");
    fs::write(&program, dynamic_program()).unwrap();
    let error = of_program(cache.path(), &PAUSE, &program).unwrap_err();
    assert!(matches!(&error, ImageError::NotStatic { loader, .. } if loader == "/lib64/ld.so"));
    assert!(error.hint().unwrap().as_str().contains("crt-static"));
}

#[test]
fn packages_lose_their_documentation_and_keep_their_licence() {
    let mut source = tar::Builder::new(Vec::new());
    for (path, bytes) in [
        ("./usr/share/doc/redis/copyright", "BSD"),
        ("./usr/share/doc/redis/changelog.gz", "long"),
        ("./usr/share/man/man1/redis.1", "page"),
        ("./lib/x86_64-linux-gnu/libc.so.6", "code"),
        ("./usr/bin/redis-server", "code"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(1_700_000_000);
        header.set_uid(1000);
        source.append_data(&mut header, path, bytes.as_bytes()).unwrap();
    }
    let mut files = Files::with_users(&REDIS);
    files.unpack(source.into_inner().unwrap().as_slice(), 1 << 20).unwrap();
    files.merge_usr();
    let paths: Vec<&str> = files.entries().map(|(path, _)| path).collect();
    assert!(paths.contains(&"usr/share/doc/redis/copyright"));
    assert!(paths.contains(&"usr/lib/x86_64-linux-gnu/libc.so.6"));
    assert!(!paths.iter().any(|path| path.contains("changelog") || path.contains("man1")));
    let of = |path: &str| files.entries().find(|(own, _)| *own == path).unwrap().1.clone();
    assert_eq!(of("lib").content, Content::Link("usr/lib".into()));
    assert_eq!(of("usr/bin/redis-server").uid, 0);
    assert_eq!(of("data"), Entry { mode: 0o755, uid: NONROOT_UID, content: Content::Folder });
}

#[test]
fn a_line_of_apt_gives_name_version_and_digest() {
    let line = "'http://archive.test/r_7.deb' redis-server_5%3a7.0.15-1~deb12u10_amd64.deb 73908 \
                SHA256:784e";
    let package = debian::listed(line).unwrap();
    assert_eq!(package.name, "redis-server");
    assert_eq!(package.version, "5:7.0.15-1~deb12u10");
    assert_eq!(package.sha256, "sha256:784e");
    assert!(debian::listed("Reading package lists...").is_none());
}
