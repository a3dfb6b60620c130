//! `cargo xtask image`: container images without a registry.

use super::{Command, UsageError};
use crate::static_build::{self, IMAGES};
use crate::terminal;
use anyhow::Context;
use model::Exit;
use std::ffi::OsString;
use std::process::ExitCode;
use testbed::Cluster;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "image",
    about: "Build the container images, and load them into a cluster's nodes",
    help: "\
Images:
  pause   local.test/pause:3.6, from cluster/pause: the first process of every pod
  web     orlop.dev/demo-web:v1, from examples/web: the demo's service
  redis   local.test/redis:7, from this host's Debian packages
  orlop   orlop.dev/orlop:0.1.0, the `orlop` of this build with the shared libraries it asks for

Without a name, all of them. The same input gives the same digests; an image that is in the
cache is not built again. Prints name, manifest digest, archive digest and archive.

Flags:
  --load NAME   load them into the nodes of the cluster NAME

Exit codes: 0 built, 2 could not.

Examples:
  cargo xtask image
  cargo xtask image redis --load demo
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let (mut names, mut load) = (Vec::new(), None);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("load") => {
                load = Some(parser.value()?.to_string_lossy().into_owned());
            }
            lexopt::Arg::Value(name) => names.push(known(&name.to_string_lossy())?),
            other => return Err(other.unexpected().into()),
        }
    }
    if names.is_empty() {
        names.extend(IMAGES);
    }
    let cluster = match &load {
        Some(name) => Some(
            Cluster::attach(name)?
                .with_context(|| format!("there is no running cluster `{name}`"))?,
        ),
        None => None,
    };
    let mut rows = Vec::new();
    for name in names {
        let built = static_build::image(name, &mut |text| terminal::warn(text))?;
        if let Some(cluster) = &cluster {
            terminal::warn(format_args!("image: loading {} into its nodes", built.reference));
            cluster.load(&built.archive)?;
        }
        let state = if built.cached { "cached" } else { "built" };
        let archive = built.archive.display().to_string();
        rows.push(vec![
            built.reference.to_owned(),
            state.to_owned(),
            built.manifest,
            built.checksum,
            archive,
        ]);
    }
    terminal::say(terminal::columns(&rows));
    Ok(Exit::Clean.into())
}

fn known(name: &str) -> Result<&'static str, UsageError> {
    IMAGES.into_iter().find(|known| *known == name).ok_or_else(|| {
        let meant = model::nearest(name, IMAGES)
            .map_or(String::new(), |near| format!(": did you mean `{near}`?"));
        UsageError::new(format!("there is no image `{name}`{meant}"))
    })
}
