//! What a command may know about the process around it: its environment, its terminal, the
//! binary it is in and the other planes of that binary. Everything is an argument, so that tests
//! can play any of them.

use model::{Build, ExitDoc, Verb};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The process around the commands.
pub struct Host {
    /// What the binary was built from.
    pub build: Build,
    /// The environment variables.
    pub environment: Environment,
    /// The planes beside this one, for help and generated files.
    pub planes: &'static [Plane],
    /// Whether stdout is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether stderr is a terminal.
    pub stderr_is_terminal: bool,
}

/// Another plane of the same binary.
#[derive(Clone, Copy)]
pub struct Plane {
    /// The first word of its command lines.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// Its help text.
    pub help: fn() -> String,
    /// Its commands.
    pub verbs: &'static [Verb],
    /// What its exit codes mean.
    pub exits: &'static [ExitDoc],
    /// Files to deploy it, as name below `deploy/` and content, for the image of this build.
    pub deploy_files: fn(&Build) -> Vec<(String, String)>,
    /// Further pages of the reference, as name and Markdown.
    pub pages: fn() -> Vec<(String, String)>,
}

/// A snapshot of the environment variables.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The variables of this process; names that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
        )
    }

    /// Given variables.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }

    /// A variable's value; an empty one counts as unset, and so does one that is not UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    /// A variable that holds a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }
}
