//! A scratch repository with keys, made and judged by the programs of this machine.

use signature::{CommitterRule, ObjectKind, Trust, Verdict, verify};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;
use tempfile::TempDir;

/// Who commits unless a test says otherwise.
pub(crate) const ADDRESS: &str = "ann@example.com";

/// A repository, a home for GnuPG and a folder for SSH keys.
pub(crate) struct Host {
    folder: TempDir,
}

/// Whether all of these programs run here; says which one does not.
pub(crate) fn has(test: &str, programs: &[&str]) -> bool {
    for program in programs {
        // `ssh-keygen` knows no `--version`; that it starts is enough.
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("SKIP {test}: {program} is not installed");
            return false;
        }
    }
    true
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(elapsed.as_secs()).unwrap()
}

impl Host {
    pub(crate) fn new() -> Self {
        let host = Self { folder: tempfile::tempdir().unwrap() };
        let home = host.path("gnupg");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        host.git(&["init", "--quiet", "--initial-branch=main", "repo"]);
        host
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("GNUPGHOME", self.path("gnupg"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env_remove("SSH_AUTH_SOCK");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Ann");
            command.env(format!("GIT_{role}_EMAIL"), ADDRESS);
        }
        command
    }

    /// Runs a program that must succeed; gives what it prints.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(program).args(arguments).output().unwrap();
        succeeded(program, arguments, output)
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run("git", arguments)).unwrap().trim().to_owned()
    }

    pub(crate) fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let always = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
        self.run("gpg", &[&always[..], arguments].concat())
    }

    /// A `gpg` whose clock stands at a date, for Git's `gpg.program`.
    pub(crate) fn gpg_at(&self, date: &str, more: &str) -> String {
        let path = self.path(&format!("gpg-{date}"));
        let path = path.to_str().unwrap().to_owned();
        let text = format!("#!/bin/sh\nexec gpg --faked-system-time {date}T000000 {more} \"$@\"");
        // A child writes it: while this process had it open for writing, a child of another test
        // could have that descriptor, too, and nobody can run such a file ("text file busy").
        let write = "printf '%s\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
        self.run("sh", &["-c", write, &path, &text]);
        path
    }

    /// Makes a commit on an empty tree with these `-c` settings; gives its id.
    pub(crate) fn commit(&self, settings: &[&str]) -> String {
        let tree = self.git(&["-C", "repo", "write-tree"]);
        let mut arguments = vec!["-C", "repo"];
        settings.iter().for_each(|setting| arguments.extend(["-c", setting]));
        arguments.extend(["commit-tree", "-S", "-m", "a message\n\nof two parts", &tree]);
        self.git(&arguments)
    }

    pub(crate) fn object(&self, kind: &str, id: &str) -> Vec<u8> {
        self.run("git", &["-C", "repo", "cat-file", kind, id])
    }

    /// Writes an object as it is; gives its id.
    pub(crate) fn write(&self, kind: &str, bytes: &[u8]) -> String {
        fs::write(self.path("object"), bytes).unwrap();
        let file = self.path("object");
        let file = file.to_str().unwrap();
        self.git(&["-C", "repo", "hash-object", "-t", kind, "--literally", "-w", file])
    }

    /// Whether Git itself accepts the signature.
    pub(crate) fn git_accepts(&self, kind: &str, id: &str, settings: &[&str]) -> bool {
        let verb = format!("verify-{kind}");
        let mut command = self.command("git");
        command.args(["-C", "repo"]);
        settings.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        command.args([verb.as_str(), "--raw", id]).output().unwrap().status.success()
    }

    /// Our verdict on a commit and Git's, which must agree on whether it is good.
    pub(crate) fn compare(
        &self,
        name: &str,
        id: &str,
        trust: &Trust,
        settings: &[&str],
    ) -> Verdict {
        self.compare_object(name, ("commit", ObjectKind::Commit), id, trust, settings)
    }

    pub(crate) fn compare_object(
        &self,
        name: &str,
        (word, kind): (&str, ObjectKind),
        id: &str,
        trust: &Trust,
        settings: &[&str],
    ) -> Verdict {
        let verdict = verify(&self.object(word, id), kind, trust, now());
        let accepted = self.git_accepts(word, id, settings);
        assert_eq!(verdict.is_good(), accepted, "{name}: ours is {verdict:?}, git says {accepted}");
        verdict
    }

    /// What the public keys in GnuPG's home are worth, armoured.
    pub(crate) fn ring(&self) -> Trust {
        let mut trust = Trust::new().with_committer_rule(CommitterRule::Ignore);
        let told = trust.add_key_ring("ring", &self.gpg(&["--armor", "--export"]));
        assert_eq!(told, []);
        trust
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Ends the agent of this home, and no other.
        self.command("gpgconf").args(["--kill", "all"]).output().ok();
    }
}

fn succeeded(program: &str, arguments: &[&str], output: Output) -> Vec<u8> {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
    output.stdout
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
