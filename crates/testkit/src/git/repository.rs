//! A bare repository and the changes to it, made without a work tree and without a network.

use super::git;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

/// The branch that [`Repository::push`] moves.
const BRANCH: &str = "refs/heads/main";

/// The time of the first commit, so that ids are the same in every run.
const FIRST_COMMIT_SECONDS: u64 = 1_700_000_000;

/// One change of a commit.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// A plain file with its content.
    File(&'a str, &'a [u8]),
    /// An executable file with its content.
    Executable(&'a str, &'a [u8]),
    /// A symbolic link and where it points to.
    Link(&'a str, &'a str),
    /// A submodule and the commit it stands for, 40 hexadecimal digits.
    Submodule(&'a str, &'a str),
    /// A plain file with the content of an object that is there, by its 40 hexadecimal digits.
    Object(&'a str, &'a str),
    /// The file or folder is removed.
    Remove(&'a str),
    /// Everything before this is removed.
    RemoveAll,
}

/// A bare repository in a folder.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    commits: AtomicU64,
}

impl Repository {
    /// Makes a bare repository with the default branch `main`.
    ///
    /// # Errors
    /// When `git` is missing or the folder cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let repository = Self { path: path.to_owned(), commits: AtomicU64::new(0) };
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=main", "."], &[])?;
        Ok(repository)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds or overwrites files on top of `main`; gives the new commit's id.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn push(&self, files: &[(&str, &[u8])], message: &str) -> io::Result<String> {
        let changes: Vec<_> = files.iter().map(|(path, bytes)| Change::File(path, bytes)).collect();
        self.commit("main", &changes, message)
    }

    /// Makes a commit on top of a branch, or its first one; gives its id.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn commit(
        &self,
        branch: &str,
        changes: &[Change<'_>],
        message: &str,
    ) -> io::Result<String> {
        let name = format!("refs/heads/{branch}");
        let parent = self.id(&name).ok();
        self.import(&name, parent.as_deref(), changes, message)
    }

    /// Replaces `main` by a commit that has no history in common with it.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn force_push(&self, files: &[(&str, &[u8])], message: &str) -> io::Result<String> {
        self.git(&["update-ref", "-d", BRANCH], &[])?;
        self.push(files, message)
    }

    /// Points a branch to a commit, also backwards.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn set_branch(&self, branch: &str, commit: &str) -> io::Result<()> {
        self.git(&["update-ref", &format!("refs/heads/{branch}"), commit], &[]).map(drop)
    }

    /// Deletes a branch.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn delete_branch(&self, branch: &str) -> io::Result<()> {
        self.git(&["update-ref", "-d", &format!("refs/heads/{branch}")], &[]).map(drop)
    }

    /// Makes a lightweight tag.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn tag(&self, name: &str, commit: &str) -> io::Result<()> {
        self.git(&["update-ref", &format!("refs/tags/{name}"), commit], &[]).map(drop)
    }

    /// Makes an annotated tag; gives the tag object's id.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn annotated_tag(&self, name: &str, commit: &str) -> io::Result<String> {
        let text = format!(
            "object {commit}\ntype commit\ntag {name}\n\
             tagger Test <test@example.org> {FIRST_COMMIT_SECONDS} +0000\n\n{name}\n"
        );
        let id = self.git(&["mktag"], text.as_bytes())?;
        self.tag(name, &id)?;
        Ok(id)
    }

    /// The object that a name stands for.
    ///
    /// # Errors
    /// When there is no such name.
    pub fn id(&self, name: &str) -> io::Result<String> {
        self.git(&["rev-parse", "--verify", "--quiet", name], &[])
    }

    /// Sets a value in the repository's configuration.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn configure(&self, key: &str, value: &str) -> io::Result<()> {
        self.git(&["config", key, value], &[]).map(drop)
    }

    /// Runs any `git` command in the repository, for what has no function here; gives its output
    /// without the last line end.
    ///
    /// # Errors
    /// When it cannot be started or fails; with what it said.
    pub fn git(&self, arguments: &[&str], input: &[u8]) -> io::Result<String> {
        let mut child = git()
            .args(arguments)
            .current_dir(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut writing = child.stdin.take();
        let output = std::thread::scope(|scope| {
            scope.spawn(move || writing.as_mut().map(|to| to.write_all(input)));
            child.wait_with_output()
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("git {arguments:?}: {}", said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Makes a commit on `main` that also has `other` as a parent, with the tree of `main`; gives
    /// its id.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn merge(&self, other: &str, message: &str) -> io::Result<String> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        let seconds = FIRST_COMMIT_SECONDS + number;
        let (tree, main) = (self.id(&format!("{BRANCH}^{{tree}}"))?, self.id(BRANCH)?);
        let person = format!("Test <test@example.org> {seconds} +0000");
        let text = format!(
            "tree {tree}\nparent {main}\nparent {other}\nauthor {person}\ncommitter {person}\n\n\
             {message}\n"
        );
        let id = self.git(&["hash-object", "-t", "commit", "-w", "--stdin"], text.as_bytes())?;
        self.set_branch("main", &id)?;
        Ok(id)
    }

    fn import(
        &self,
        name: &str,
        parent: Option<&str>,
        changes: &[Change<'_>],
        message: &str,
    ) -> io::Result<String> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        let seconds = FIRST_COMMIT_SECONDS + number;
        let mut stream = Vec::new();
        writeln!(stream, "commit {name}")?;
        writeln!(stream, "committer Test <test@example.org> {seconds} +0000")?;
        data(&mut stream, message.as_bytes())?;
        if let Some(parent) = parent {
            writeln!(stream, "from {parent}")?;
        }
        for change in changes {
            write_change(&mut stream, change)?;
        }
        writeln!(stream, "done")?;
        self.git(&["fast-import", "--quiet", "--force", "--done"], &stream)?;
        self.id(name)
    }
}

fn write_change(stream: &mut Vec<u8>, change: &Change<'_>) -> io::Result<()> {
    match change {
        Change::File(path, bytes) => {
            writeln!(stream, "M 100644 inline {}", quoted(path))?;
            data(stream, bytes)
        }
        Change::Executable(path, bytes) => {
            writeln!(stream, "M 100755 inline {}", quoted(path))?;
            data(stream, bytes)
        }
        Change::Link(path, target) => {
            writeln!(stream, "M 120000 inline {}", quoted(path))?;
            data(stream, target.as_bytes())
        }
        Change::Submodule(path, commit) => {
            writeln!(stream, "M 160000 {commit} {}", quoted(path))
        }
        Change::Object(path, object) => writeln!(stream, "M 100644 {object} {}", quoted(path)),
        Change::Remove(path) => writeln!(stream, "D {}", quoted(path)),
        Change::RemoveAll => writeln!(stream, "deleteall"),
    }
}

fn data(stream: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    writeln!(stream, "data {}", bytes.len())?;
    stream.write_all(bytes)?;
    writeln!(stream)
}

/// A path as fast-import reads it.
fn quoted(path: &str) -> String {
    let escaped = path.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!("\"{escaped}\"")
}
