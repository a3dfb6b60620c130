//! The binary that ships, built with the `dist` profile, whole or one plane alone.

use crate::workspace;
use anyhow::Context;
use std::path::PathBuf;

/// What a binary holds: a name, and the feature that alone is built (none for all planes).
pub(crate) struct Flavour {
    /// The key in `budgets.toml`.
    pub(crate) name: &'static str,
    /// Cargo's flags.
    pub(crate) flags: &'static [&'static str],
}

/// Of functions with the same code the linker, which is LLVM's in this toolchain, keeps one.
const FOLD: &str = "link-arg=-Wl,--icf=all";

/// What zstd leaves out: we compress at level 1, which is its fast strategy alone.
const FAST_ONLY: &str = "-DZSTD_EXCLUDE_DFAST_BLOCK_COMPRESSOR \
    -DZSTD_EXCLUDE_GREEDY_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_LAZY_BLOCK_COMPRESSOR \
    -DZSTD_EXCLUDE_LAZY2_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_BTLAZY2_BLOCK_COMPRESSOR \
    -DZSTD_EXCLUDE_BTOPT_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR";

/// Every flavour with a budget.
pub(crate) const FLAVOURS: [Flavour; 3] = [
    Flavour { name: "agent", flags: &["--no-default-features", "--features", "agent"] },
    Flavour { name: "controller", flags: &["--no-default-features", "--features", "controller"] },
    Flavour { name: "all", flags: &[] },
];

/// The flavour called `name`.
pub(crate) fn flavour(name: &str) -> anyhow::Result<&'static Flavour> {
    let found = FLAVOURS.iter().find(|flavour| flavour.name == name);
    found.with_context(|| format!("there is no flavour `{name}`"))
}

/// Builds a flavour and copies it aside, because the next one overwrites it.
pub(crate) fn build(flavour: &Flavour) -> anyhow::Result<PathBuf> {
    let mut cargo = workspace::cargo()?;
    cargo.args(["rustc", "--locked", "--profile", "dist", "--package", "app", "--bin", "orlop"]);
    cargo.args(flavour.flags).args(["--", "-C", FOLD]).env("CFLAGS", FAST_ONLY);
    workspace::run(&mut cargo)?;
    let folder = workspace::target()?.join("dist");
    let own = folder.join(format!("orlop-{}", flavour.name));
    std::fs::copy(folder.join("orlop"), &own)
        .with_context(|| format!("cannot copy the binary to {}", own.display()))?;
    Ok(own)
}
