//! Gives the binary its commit, compiler, profile and target. Reads Git's files directly, so that
//! neither a `git` program nor a checkout is needed; outside a checkout the commit is `unknown`.

use std::path::{Path, PathBuf};
use std::process::Command;

const UNKNOWN: &str = "unknown";

fn main() {
    let mut watched = Vec::new();
    let root = Path::new("../..");
    let commit = commit(root, &mut watched).unwrap_or_else(|| UNKNOWN.to_owned());
    for path in watched {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=ORLOP_BUILD_COMMIT={commit}");
    println!("cargo:rustc-env=ORLOP_BUILD_RUSTC={}", rustc().as_deref().unwrap_or(UNKNOWN));
    println!("cargo:rustc-env=ORLOP_BUILD_PROFILE={}", profile().as_deref().unwrap_or(UNKNOWN));
    let target = std::env::var("TARGET").unwrap_or_else(|_| UNKNOWN.to_owned());
    println!("cargo:rustc-env=ORLOP_BUILD_TARGET={target}");
}

/// The commit that HEAD names; every file looked at goes into `watched`.
fn commit(root: &Path, watched: &mut Vec<PathBuf>) -> Option<String> {
    let git = git_dir(root)?;
    let common = match std::fs::read_to_string(git.join("commondir")) {
        Ok(path) => git.join(path.trim()),
        Err(_) => git.clone(),
    };
    let head_file = git.join("HEAD");
    let head = std::fs::read_to_string(&head_file).ok()?;
    watched.push(head_file);
    let Some(name) = head.trim().strip_prefix("ref: ") else {
        return Some(head.trim().to_owned());
    };
    let loose = common.join(name);
    if let Ok(id) = std::fs::read_to_string(&loose) {
        watched.push(loose);
        return Some(id.trim().to_owned());
    }
    let packed_file = common.join("packed-refs");
    let packed = std::fs::read_to_string(&packed_file).ok()?;
    watched.push(packed_file);
    let line = packed.lines().find(|line| line.split(' ').nth(1) == Some(name))?;
    line.split(' ').next().map(str::to_owned)
}

/// `.git` itself, or the folder that a `.git` file of a linked work tree names.
fn git_dir(root: &Path) -> Option<PathBuf> {
    let dot_git = root.join(".git");
    if dot_git.is_dir() {
        return Some(dot_git);
    }
    let text = std::fs::read_to_string(&dot_git).ok()?;
    Some(root.join(text.trim().strip_prefix("gitdir: ")?))
}

fn rustc() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Cargo tells `debug` or `release` only; the folder above the output has the profile's name.
fn profile() -> Option<String> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR")?);
    let name = out.ancestors().nth(3)?.file_name()?.to_str()?;
    Some(if name == "debug" { "dev" } else { name }.to_owned())
}
