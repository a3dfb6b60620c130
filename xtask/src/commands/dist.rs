//! `cargo xtask dist`: what is given to people: the binary, man pages, completions, manifests.

use super::Command;
use crate::{dist, terminal, workspace};
use anyhow::Context;
use model::{ByteSize, Exit};
use std::ffi::OsString;
use std::process::ExitCode;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "dist",
    about: "Build the shipped binary and pack it with its pages and manifests",
    help: "\
Builds `orlop` with every plane (several minutes: fat LTO) and packs it with man pages,
completions, manifests and licence into target/dist/orlop-VERSION-PLATFORM.tar.gz. Entries
are sorted and without times, so the same build gives the same archive.

Exit codes: 0 packed, 2 could not.

Examples:
  cargo xtask dist
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut parser = lexopt::Parser::from_args(words);
    if let Some(arg) = parser.next()? {
        return Err(arg.unexpected().into());
    }
    let all = dist::FLAVOURS.iter().find(|flavour| flavour.flags.is_empty());
    let binary = dist::build(all.context("no flavour holds all planes")?)?;
    let root = workspace::root()?;
    let folder = workspace::target()?.join("dist");
    let name = format!("orlop-{}-{}", env!("CARGO_PKG_VERSION"), workspace::host_triple()?);
    let staged = folder.join(&name);
    let _ = std::fs::remove_dir_all(&staged);
    std::fs::create_dir_all(&staged).with_context(|| format!("create {}", staged.display()))?;
    std::fs::copy(&binary, staged.join("orlop")).context("copy the binary")?;
    std::fs::copy(root.join("LICENSE"), staged.join("LICENSE")).context("copy the licence")?;
    workspace::run(std::process::Command::new(&binary).arg("generate").arg(staged.join("share")))?;
    let archive = folder.join(format!("{name}.tar.gz"));
    testbed::images::pack(&staged, &name, &archive)?;
    let size = std::fs::metadata(&archive)?.len();
    terminal::say(format_args!("{} ({})", archive.display(), ByteSize(size)));
    Ok(Exit::Clean.into())
}
