//! `cargo xtask codegen`: the pages and manifests that are made from the code.
//!
//! `orlop generate DIR` writes them; this command puts them where they are committed:
//! `docs/reference/` for pages, man pages, completions and schemas, `deploy/` for manifests. What
//! lies there and is not generated any more is removed, so a page never outlives its command.

use super::Command;
use crate::{terminal, workspace};
use anyhow::Context;
use model::Exit;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "codegen",
    about: "Write the generated pages and manifests, or check that they are fresh",
    help: "\
Builds `orlop`, lets it write its reference pages, man pages, completions, schemas and deploy
manifests, and puts them into docs/reference/ and deploy/. Commit what changes.

Flags:
  --check   change nothing; fail when something committed is stale

Exit codes: 0 written or fresh, 1 stale (with --check), 2 could not run.

Examples:
  cargo xtask codegen
  cargo xtask codegen --check
",
    run,
};

/// Folders that hold nothing but generated files.
const GENERATED: [&str; 3] = ["docs/reference", "deploy/controller", "deploy/agent"];

/// Files by their path from the root.
type Files = BTreeMap<String, Vec<u8>>;

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut only_check = false;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("check") => only_check = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let mut cargo = workspace::cargo()?;
    workspace::run(cargo.args(["build", "--quiet", "--package", "app"]))?;
    if only_check {
        let stale = stale(&workspace::orlop()?)?;
        return Ok(if stale == 0 { Exit::Clean.into() } else { Exit::Findings.into() });
    }
    let root = workspace::root()?;
    let (fresh, committed) = (fresh(&workspace::orlop()?)?, committed(&root)?);
    let changes = changes(&committed, &fresh);
    for (path, what) in &changes {
        let file = root.join(path);
        match fresh.get(path) {
            Some(content) => {
                let folder = file.parent().context("a generated file has a folder")?;
                fs::create_dir_all(folder)
                    .and_then(|()| fs::write(&file, content))
                    .with_context(|| format!("cannot write {path}"))?;
            }
            None => fs::remove_file(&file).with_context(|| format!("cannot remove {path}"))?,
        }
        terminal::say(format_args!("{what} {path}"));
    }
    terminal::say(format_args!("{} files, {} changed", fresh.len(), changes.len()));
    Ok(Exit::Clean.into())
}

/// Compares what `orlop` would write with what is committed, prints each difference, counts it.
pub(crate) fn stale(orlop: &Path) -> anyhow::Result<usize> {
    let changes = changes(&committed(&workspace::root()?)?, &fresh(orlop)?);
    for (path, what) in &changes {
        terminal::say(format_args!("{path}: would be {what}: run `cargo xtask codegen`"));
    }
    Ok(changes.len())
}

/// What differs: path, and what writing would do to it.
fn changes(committed: &Files, fresh: &Files) -> Vec<(String, &'static str)> {
    let mut changes = Vec::new();
    for (path, content) in fresh {
        match committed.get(path) {
            Some(old) if old == content => {}
            Some(_) => changes.push((path.clone(), "changed")),
            None => changes.push((path.clone(), "added")),
        }
    }
    let gone = committed.keys().filter(|path| !fresh.contains_key(*path));
    changes.extend(gone.map(|path| (path.clone(), "removed")));
    changes
}

/// What `orlop generate` writes now, by where it belongs.
fn fresh(orlop: &Path) -> anyhow::Result<Files> {
    let folder = workspace::target()?.join(format!("codegen-{}", std::process::id()));
    let generated = workspace::run(std::process::Command::new(orlop).arg("generate").arg(&folder));
    let mut files = Files::new();
    let read = generated.and_then(|()| collect(&folder, &folder, &mut files));
    // It lies in the target folder: what cannot be removed now goes with the next `cargo clean`.
    let _ = fs::remove_dir_all(&folder);
    read?;
    Ok(files.into_iter().map(|(path, content)| (place(&path), content)).collect())
}

/// Where a generated file is committed.
fn place(path: &str) -> String {
    if path.starts_with("deploy/") { path.to_owned() } else { format!("docs/reference/{path}") }
}

/// What lies in the generated folders now.
fn committed(root: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for folder in GENERATED.map(|folder| root.join(folder)) {
        if folder.is_dir() {
            collect(root, &folder, &mut files)?;
        }
    }
    Ok(files)
}

fn collect(root: &Path, folder: &PathBuf, files: &mut Files) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_added_and_outlived_files_are_told_apart() {
        let files = |pairs: &[(&str, &str)]| -> Files {
            pairs
                .iter()
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
                .collect()
        };
        let committed = files(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let fresh = files(&[("a", "1"), ("b", "2"), ("d", "1")]);
        let changes = changes(&committed, &fresh);
        let expected = [("b", "changed"), ("d", "added"), ("c", "removed")];
        assert_eq!(changes, expected.map(|(path, what)| (path.to_owned(), what)));
    }

    #[test]
    fn manifests_go_to_deploy_and_the_rest_to_the_reference() {
        assert_eq!(place("deploy/controller/role.yaml"), "deploy/controller/role.yaml");
        assert_eq!(place("cli/orlop-sync.md"), "docs/reference/cli/orlop-sync.md");
    }
}
