//! The door of Orlop: the first word of the command line, or the name the binary was called by,
//! picks the plane. Logging, the crypto provider, the printing of errors and the exit code are
//! set here and nowhere else.

#[cfg(any(feature = "cli", feature = "controller"))]
mod preparation;

use model::{Build, Exit, Explain, report};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("ORLOP_BUILD_COMMIT"),
    features: FEATURES,
    rustc: env!("ORLOP_BUILD_RUSTC"),
    profile: env!("ORLOP_BUILD_PROFILE"),
    target: env!("ORLOP_BUILD_TARGET"),
};

const FEATURES: &[&str] = &[
    #[cfg(feature = "cli")]
    "cli",
    #[cfg(feature = "controller")]
    "controller",
];

/// The first word, or the last part of `orlop-controller`, that picks the controller.
const CONTROLLER: &str = "controller";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let exit = match controller_arguments(&arguments) {
        Some(rest) => controller(rest),
        None => workstation(&arguments),
    };
    exit.into()
}

/// What is left for the controller, when the line is for it.
fn controller_arguments(arguments: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = arguments.split_first()?;
    let called = Path::new(program).file_name()?.to_str()?.strip_prefix("orlop-");
    match rest.split_first() {
        _ if called == Some(CONTROLLER) => Some(rest),
        Some((word, rest)) if word == CONTROLLER => Some(rest),
        _ => None,
    }
}

#[cfg(feature = "controller")]
fn controller(arguments: &[OsString]) -> Exit {
    if let Err(exit) = preparation::prepare("info", !std::io::stderr().is_terminal()) {
        return exit;
    }
    finish(controller::run(arguments, &BUILD), controller::ControllerError::exit)
}

#[cfg(not(feature = "controller"))]
fn controller(_: &[OsString]) -> Exit {
    missing("controller")
}

#[cfg(feature = "cli")]
fn workstation(arguments: &[OsString]) -> Exit {
    #[cfg(feature = "controller")]
    const PLANES: &[cli::Plane] = &[cli::Plane {
        name: controller::NAME,
        about: controller::ABOUT,
        help: controller::help,
        deploy_files: controller::deploy_files,
    }];
    #[cfg(not(feature = "controller"))]
    const PLANES: &[cli::Plane] = &[];
    // A person's command says what is wrong; one that goes on for ever says what it does.
    let goes_on = arguments.get(1..3).is_some_and(|words| words == ["sync", "run"]);
    let level = if goes_on { "info" } else { "warn" };
    let as_json = goes_on && !std::io::stderr().is_terminal();
    if let Err(exit) = preparation::prepare(level, as_json) {
        return exit;
    }
    let host = cli::Host {
        build: BUILD,
        environment: cli::Environment::of_process(),
        planes: PLANES,
        stdout_is_terminal: std::io::stdout().is_terminal(),
        stderr_is_terminal: std::io::stderr().is_terminal(),
    };
    finish(cli::run(arguments, &host), cli::CliError::exit)
}

#[cfg(not(feature = "cli"))]
fn workstation(_: &[OsString]) -> Exit {
    missing("workstation plane")
}

/// The only place where an error becomes text and an exit code.
#[cfg(any(feature = "cli", feature = "controller"))]
fn finish<E: Explain>(result: Result<Exit, E>, exit: impl Fn(&E) -> Exit) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) => {
            let exit = exit(&error);
            // A reader that went away is no failure and needs no words.
            if exit != Exit::Clean {
                tell(&report(&error, error.hint()).to_string());
            }
            exit
        }
    }
}

#[cfg(not(all(feature = "cli", feature = "controller")))]
fn missing(plane: &str) -> Exit {
    tell(&format!("error: this build has no {plane}; it has: {}", FEATURES.join(", ")));
    Exit::Usage
}

fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
