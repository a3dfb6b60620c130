//! The controller plane: reconcilers bound to the cluster, leader election, metrics, probes.
//!
//! Any number of copies may run; one leads and reconciles, the others stand by and take over when
//! its Lease runs out. What a reconciler watches and what it may do stand in one table, from which
//! the roles in `deploy/` are made.

mod error;
mod manifests;
mod numbers;
mod options;
mod reconcilers;
mod run;
mod server;

pub use error::ControllerError;
pub use manifests::{FIELD_OWNER, NAMESPACE_DEFAULT, deploy_files};
pub use options::{
    CACHE_DEFAULT, Config, EXITS, LEASE_SECONDS_DEFAULT, LEASE_SECONDS_MAX, LEASE_SECONDS_MIN,
    LISTEN_DEFAULT, SHARDS_MAX, VERBS, help,
};
pub use reconcilers::{RECONCILERS, Reconciler, Rule};

use model::{Build, Exit};
use std::ffi::OsString;

/// The first word of this plane's command lines.
pub const NAME: &str = "controller";
/// What it is for, in one line.
pub const ABOUT: &str = "Watch over deliveries from inside the cluster";

/// Runs a command line; the arguments are those behind `orlop controller`.
///
/// # Errors
/// [`ControllerError`]; it knows its exit code and its hint.
pub fn run(arguments: &[OsString], build: &Build) -> Result<Exit, ControllerError> {
    match options::parse(arguments)? {
        options::Request::Help => {
            use std::io::Write;
            let mut stdout = std::io::stdout().lock();
            // A reader that went away has all the help it wanted.
            let _ = stdout.write_all(help().as_bytes());
            Ok(Exit::Clean)
        }
        options::Request::Run(written) => {
            let config = Config::new(*written)?;
            run::run(config, *build)
        }
    }
}
