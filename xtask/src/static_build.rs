//! Programs for images: static ones built once per source by cargo, the same bytes in every folder,
//! and `orlop` as the workspace has it.

use crate::workspace;
use std::path::PathBuf;
use testbed::images::{self, Built, ORLOP, PAUSE, REDIS, REDIS_PACKAGES, WEB};

/// The images that can be built, by the word on the command line.
pub(crate) const IMAGES: [&str; 4] = ["pause", "web", "redis", "orlop"];

/// Builds one image, or finds it in the cache.
pub(crate) fn image(name: &str, say: &mut dyn FnMut(&str)) -> anyhow::Result<Built> {
    let cache = testbed::components::cache_dir();
    Ok(match name {
        "pause" => images::of_program(&cache, &PAUSE, &program("pause", say)?)?,
        "web" => images::of_program(&cache, &WEB, &program("web", say)?)?,
        "orlop" => {
            workspace::build_programs()?;
            images::of_linked_program(&cache, &ORLOP, &workspace::orlop()?)?
        }
        _ => images::of_packages(&cache, &REDIS, REDIS_PACKAGES, say)?,
    })
}

/// Builds a package's program without shared libraries, in a target folder of its own, because
/// other flags would make cargo build everything else again.
fn program(package: &str, say: &mut dyn FnMut(&str)) -> anyhow::Result<PathBuf> {
    say(&format!("image: building {package} without shared libraries"));
    let (root, triple) = (workspace::root()?, workspace::host_triple()?);
    let target = workspace::target()?.join("static");
    let flags =
        format!("-C target-feature=+crt-static --remap-path-prefix={}=/orlop", root.display());
    let mut cargo = workspace::cargo()?;
    cargo
        .args(["build", "--quiet", "--locked", "--release", "--package", package])
        .args(["--target", &triple, "--config", "profile.release.strip=true"])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", flags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    workspace::run(&mut cargo)?;
    Ok(target.join(triple).join("release").join(package))
}
