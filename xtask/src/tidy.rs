//! The rules of the house that no compiler checks, one file a check, listed in [`CHECKS`].
//!
//! A check is a pure function from what was read ([`Tree`]) to [`Finding`]s with file and line.
//! Files are all below the root but what Git ignores: `target`, hidden folders of tools, and the
//! fuzzers' corpora. Input: a root folder. Limit: files over [`FILE_BYTES_MAX`] are not read.

mod addresses;
mod file_length;
mod floors;
mod header;
mod inherited;
mod invariants;
mod licences;
mod line_width;
mod readme;
mod skipped_tests;
mod sole_users;
mod testdata_index;
mod unfinished;

use anyhow::Context;
use serde::Deserialize;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Larger files are data, not text that a person keeps tidy.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is not read, wherever it is. `.git` is a file in a work tree that was added to a clone.
const SKIPPED: [&str; 5] = [".git", "target", "corpus", "artifacts", "node_modules"];

/// Every check.
pub(crate) const CHECKS: &[Check] = &[
    unfinished::CHECK,
    line_width::CHECK,
    file_length::CHECK,
    header::CHECK,
    skipped_tests::CHECK,
    addresses::CHECK,
    readme::CHECK,
    inherited::CHECK,
    floors::CHECK,
    sole_users::CHECK,
    licences::CHECK,
    testdata_index::CHECK,
    invariants::CHECK,
];

/// One rule.
pub(crate) struct Check {
    /// Its name in messages; the stem of its file.
    pub(crate) id: &'static str,
    /// The rule as a sentence.
    pub(crate) about: &'static str,
    /// From the tree to what breaks the rule.
    pub(crate) run: fn(&Tree) -> Vec<Finding>,
}

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    /// A finding in a line, counted from 1.
    pub(crate) fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
}

/// A package as `cargo metadata` prints it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The SPDX expression, where it has one.
    pub(crate) license: Option<String>,
    /// Where it comes from; nothing for our own.
    pub(crate) source: Option<String>,
    /// The path of its `Cargo.toml`.
    pub(crate) manifest_path: String,
    /// What it depends on.
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line below `[dependencies]`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Dependency {
    /// The package's name.
    pub(crate) name: String,
    /// Nothing, `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Where it comes from; nothing for our own.
    pub(crate) source: Option<String>,
}

/// Everything that checks read.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Text files, sorted by path.
    pub(crate) files: Vec<File>,
    /// Our packages and all they depend on, on this host's platform.
    pub(crate) packages: Vec<Package>,
}

impl Tree {
    /// Reads the files below `root` and asks cargo for the packages.
    pub(crate) fn read(root: &Path, cargo: Command) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        walk(root, "", &mut files)?;
        files.sort_by(|one, two| one.path.cmp(&two.path));
        Ok(Self { files, packages: packages(root, cargo)? })
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Files whose name ends so.
    pub(crate) fn ending<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.path.ends_with(suffix))
    }

    /// Our own packages, with the path of each manifest from the root.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }

    /// A tree of these files, for tests of checks.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        Self { files, packages: Vec::new() }
    }
}

/// Findings of one check, sorted.
pub(crate) fn run(check: &Check, tree: &Tree) -> Vec<Finding> {
    let mut findings = (check.run)(tree);
    findings.sort();
    findings
}

/// The number and text of each line with `word`, for checks of single lines.
pub(crate) fn lines_with<'a>(
    text: &'a str,
    word: &'a str,
) -> impl Iterator<Item = (usize, &'a str)> {
    text.lines().enumerate().filter(move |(_, line)| line.contains(word)).map(|(i, l)| (i + 1, l))
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), &path, files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= FILE_BYTES_MAX {
            // What is not UTF-8 is not text; what went away meanwhile was a temporary file.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                files.push(File { path, text });
            }
        }
    }
    Ok(())
}

fn packages(root: &Path, mut cargo: Command) -> anyhow::Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let platform = crate::workspace::host_triple()?;
    cargo.args(["metadata", "--format-version=1", "--filter-platform", &platform]);
    let output = cargo.current_dir(root).output().context("cannot run cargo metadata")?;
    anyhow::ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot read cargo's metadata")?;
    let root = format!("{}/", root.display());
    Ok(metadata
        .packages
        .into_iter()
        .map(|mut package| {
            package.manifest_path = package.manifest_path.replace(&root, "");
            package
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own_and_passes_an_empty_tree() {
        for (index, one) in CHECKS.iter().enumerate() {
            assert!(CHECKS.iter().skip(index + 1).all(|other| other.id != one.id));
            assert!(!one.about.is_empty());
            assert_eq!(run(one, &Tree::default()), [], "{}", one.id);
        }
    }

    #[test]
    fn a_finding_prints_as_an_editor_reads_it() {
        let finding = Finding::new("a/b.rs", 7, "too long");
        assert_eq!(finding.to_string(), "a/b.rs:7: too long");
    }
}
