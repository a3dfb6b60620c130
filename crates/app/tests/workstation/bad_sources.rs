//! Trees that cannot be read, whole or in part: each with its place, its reason and a hint.

use crate::support::Desk;
use expect_test::expect;
use std::path::Path;
use std::process::Command;
use testkit::git::{GitServer, GitServerOptions};

#[test]
fn gitops_15_credentials_in_argv_are_refused_and_not_repeated() {
    let ran = Desk::new().run(&["sync", "plan", "--git", "https://me:canary@git.example/x.git"]);
    expect![[r"
        exit: 64
        --- stdout
        --- stderr
        error: --git holds credentials, which every user of this machine can read
          hint: leave them out of the URL and set ORLOP_GIT_USERNAME and ORLOP_GIT_PASSWORD
    "]]
    .assert_eq(&ran.show());
}

#[test]
fn a_folder_that_is_not_there_and_one_for_another_tool_are_told_apart() {
    let desk = Desk::new();
    let ran = desk.run(&["sync", "plan", "nowhere"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("nowhere") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    desk.file("app/kustomization.yaml", "resources: [nothing.yaml]\n");
    let ran = desk.run(&["sync", "plan", "app"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("`resources[0]`") && ran.stderr.contains("nothing.yaml"),
        "{}",
        ran.stderr
    );
}

/// Plans from a repository; must fail with 2 and name every one of `parts` on stderr.
fn refused(desk: &Desk, url: &str, more: &[&str], parts: &[&str]) {
    let mut line = vec!["sync", "plan", "--git", url];
    line.extend(more);
    let ran = desk.run(&line);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{url}: {}", ran.stderr);
    for part in parts {
        assert!(ran.stderr.contains(part), "`{part}` is not in:\n{}", ran.stderr);
    }
}

#[test]
fn gitops_15_git_errors_name_their_phase() {
    let desk = Desk::new();
    let server = GitServer::start().unwrap();
    let repository = server.repository("shop.git").unwrap();
    repository.push(&[("a.yaml", b"# nothing\n")], "first").unwrap();
    let url = server.url("shop.git");
    refused(&desk, "http://no-such-host.invalid/x.git", &[], &["resolve", "no-such-host.invalid"]);
    refused(&desk, "http://127.0.0.1:1/x.git", &[], &["connect", "127.0.0.1:1"]);
    refused(&desk, &server.url("other.git"), &[], &["no Git repository", "hint:"]);
    refused(&desk, &url, &["--ref", "mian"], &["mian", "hint:", "main"]);
    refused(&desk, &url, &["--path", "deploy"], &["deploy"]);
    let unknown = "0123456789012345678901234567890123456789";
    refused(&desk, &url, &["--ref", unknown], &[unknown]);
}

#[test]
fn gitops_15_a_server_that_wants_credentials_gets_them_from_the_environment_only() {
    let mut desk = Desk::new();
    let credentials = Some(("robot".to_owned(), "canary-password".to_owned()));
    let options = GitServerOptions { credentials, ..GitServerOptions::default() };
    let server = GitServer::start_with(&options).unwrap();
    let repository = server.repository("shop.git").unwrap();
    repository.push(&[("a.txt", b"no manifest\n")], "first").unwrap();
    let url = server.url("shop.git");
    refused(&desk, &url, &[], &["asks for credentials", "hint:"]);
    desk.variable("ORLOP_GIT_USERNAME", "robot");
    desk.variable("ORLOP_GIT_PASSWORD", "wrong-canary");
    desk.variable("ORLOP_LOG", "trace");
    let ran = desk.run(&["sync", "plan", "--git", &url]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("does not accept the credentials"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
    let file = desk.file("password", "canary-password\n");
    desk.variable("ORLOP_GIT_PASSWORD_FILE", &file);
    // The tree is read now, so that the missing cluster is what is wrong.
    let ran = desk.run(&["sync", "plan", "--git", &url]);
    assert!(ran.stderr.contains("no cluster is configured"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
}

#[test]
fn a_full_disk_is_named_with_its_path() {
    let desk = Desk::new();
    let cache = desk.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let Some(_mounted) = TinyDisk::mount(&cache) else {
        return testkit::cluster::skip("mounting a tmpfs needs root");
    };
    let server = GitServer::start().unwrap();
    let repository = server.repository("big.git").unwrap();
    // Bytes that do not compress.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let big: Vec<u8> = (0..2_000_000).map(|_| noise()).collect();
    repository.push(&[("big.bin", &big)], "first").unwrap();
    let mut desk = desk;
    desk.variable("ORLOP_CACHE_DIR", &cache);
    refused(&desk, &server.url("big.git"), &[], &["no space left", "DESK/cache", "hint:"]);
}

/// A file system of 256 KiB.
struct TinyDisk<'a>(&'a Path);

impl<'a> TinyDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at);
        mount.output().ok()?.status.success().then_some(Self(at))
    }
}

impl Drop for TinyDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}
