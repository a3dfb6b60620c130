//! The image of a pod's sandbox, built from `cluster/pause` of this work tree.

use crate::components::cache_dir;
use crate::error::tail;
use crate::{TestbedError, files, images};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the program is built for: static, so that the image needs nothing else.
#[cfg(target_arch = "x86_64")]
const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(not(target_arch = "x86_64"))]
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// The archive of the sandbox image; built when its program changed.
pub(crate) fn pause_image() -> Result<PathBuf, TestbedError> {
    let cache = cache_dir();
    let source = include_str!("../../../cluster/pause/src/main.rs");
    let key = images_key(source);
    let program = cache.join("pause").join(&key).join("pause");
    if !program.is_file() {
        build(&cache, &program)?;
    }
    let built = images::of_program(&cache, &images::PAUSE, &program);
    built.map(|built| built.archive).map_err(|source| TestbedError::Image {
        image: images::PAUSE.reference,
        source: Box::new(source),
    })
}

fn images_key(source: &str) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(source.as_bytes());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Builds in a target folder of its own, so that a running build of the workspace is no obstacle.
fn build(cache: &Path, program: &Path) -> Result<(), TestbedError> {
    let target = cache.join("pause-target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--release", "--package", "pause"])
        .args(["--config", "profile.release.strip=true", "--target", TARGET, "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .stdin(Stdio::null())
        .output()
        .map_err(|source| TestbedError::Start { program: "cargo".to_owned(), source })?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(TestbedError::Build { component: "pause", tail: tail(&text, 15) });
    }
    let built = target.join(TARGET).join("release/pause");
    let folder = program.parent().unwrap_or(cache);
    files::create_dir(folder)?;
    let part = folder.join(format!(".pause.part-{}", std::process::id()));
    std::fs::copy(&built, &part).map_err(TestbedError::file("copy", &built))?;
    std::fs::rename(&part, program).map_err(TestbedError::file("move into place", program))
}
