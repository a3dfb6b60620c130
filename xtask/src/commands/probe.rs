//! `cargo xtask probe`: what this host offers the test cluster, and how that was found out.

use super::Command;
use crate::terminal;
use model::Exit;
use std::ffi::OsString;
use std::process::ExitCode;
use testbed::{packages, probe};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "probe",
    about: "Report what this host offers the cluster: limits, cgroups, kernel",
    help: "\
Each line says whether a piece is there, how that was found out (tried: done in a namespace
that is gone again; read: the kernel says so; configured: the kernel was built with it, not
tried), and what needs it. Tests that need a missing piece skip with the reason printed here.
Nothing is installed or changed.

Flags:
  --json   the same as JSON

Exit codes: 0 reported (whatever is missing), 2 could not run.

Examples:
  cargo xtask probe
  cargo xtask probe --json
",
    run,
};

fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut json = false;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("json") => json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let host = probe::host();
    if json {
        terminal::say(serde_json::to_string_pretty(&host)?);
        return Ok(Exit::Clean.into());
    }
    terminal::say(format_args!(
        "{}, Linux {} {}, {} CPUs, {} MiB\n",
        host.system, host.kernel, host.machine, host.cpus, host.memory_mib
    ));
    terminal::say(terminal::columns(&host.rows()));
    for package in packages::missing(packages::Scope::Tests) {
        terminal::say(format_args!(
            "\npackage {} is not installed: {}",
            package.name, package.without
        ));
    }
    Ok(Exit::Clean.into())
}
