//! Where the workspace is, and how cargo and other programs are run in it.

use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the work tree: the folder above this crate's.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().map(Path::to_owned).context("xtask has no parent folder")
}

/// The folder with everything built: `CARGO_TARGET_DIR`, or `target` in the root.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(root()?.join(folder)),
        None => Ok(root()?.join("target")),
    }
}

/// `cargo` of the toolchain that runs this tool, in the root, quiet about colours when piped.
pub(crate) fn cargo() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()?);
    // Set for this tool by `cargo run`. Some build scripts depend on them, so that a build from
    // here and one by hand would each undo the other's.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|own| name.to_string_lossy().starts_with(own))
        {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// The platform that this tool runs on, as rustc names it.
pub(crate) fn host_triple() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot run rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// Runs a program with this tool's own terminal; fails when the program does.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = spoken(command);
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    anyhow::ensure!(status.success(), "{name}: {status}");
    Ok(())
}

/// Runs a program and gives what it wrote to stdout; its errors go to the terminal.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = spoken(command);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    anyhow::ensure!(output.status.success(), "{name}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// A command as it would be typed, without its environment.
pub(crate) fn spoken(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    let words = command.get_args().map(|word| word.to_string_lossy());
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

/// Builds the programs that `up` and images need, `orlop` among them. Always all of them: cargo
/// would build shared dependencies again for another choice.
pub(crate) fn build_programs() -> anyhow::Result<()> {
    run(cargo()?.args(["build", "--package", "app", "--package", "testkit", "--bins"]))
}

/// The `orlop` of the profile that tests use, built before.
pub(crate) fn orlop() -> anyhow::Result<PathBuf> {
    Ok(target()?.join("debug/orlop"))
}
