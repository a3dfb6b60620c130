//! The door of Orlop: the first word of the command line, or the name the binary was called by,
//! picks the plane. Logging, the crypto provider, the printing of errors and the exit code are
//! set here and nowhere else.

#[cfg(any(feature = "cli", feature = "controller", feature = "agent"))]
mod allocator;
#[cfg(any(feature = "cli", feature = "controller", feature = "agent"))]
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
    #[cfg(feature = "agent")]
    "agent",
];

/// The first word, or the last part of `orlop-controller`, that picks the controller.
const CONTROLLER: &str = "controller";
/// The same for the agent.
const AGENT: &str = "agent";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let exit = match picked(&arguments) {
        Some((_, [word])) if word == "--version" || word == "-V" => version(),
        Some((CONTROLLER, rest)) => controller(rest),
        Some((_, rest)) => agent(rest),
        None => workstation(&arguments),
    };
    exit.into()
}

/// What a binary of one plane says of itself; the workstation has more ways to ask.
fn version() -> Exit {
    let _ = writeln!(std::io::stdout().lock(), "{}", BUILD.line());
    Exit::Clean
}

/// The plane that the line is for, unless it is the workstation, and what is left for it.
fn picked(arguments: &[OsString]) -> Option<(&'static str, &[OsString])> {
    let (program, rest) = arguments.split_first()?;
    let called = Path::new(program).file_name()?.to_str()?.strip_prefix("orlop-");
    for plane in [CONTROLLER, AGENT] {
        match rest.split_first() {
            _ if called == Some(plane) => return Some((plane, rest)),
            Some((word, rest)) if word == plane => return Some((plane, rest)),
            _ => {}
        }
    }
    None
}

#[cfg(feature = "agent")]
fn agent(arguments: &[OsString]) -> Exit {
    let goes_on = agent::goes_on(arguments);
    if goes_on {
        allocator::keep_large_apart();
    }
    let level = if goes_on { "info" } else { "warn" };
    if let Err(exit) = preparation::prepare(level, !std::io::stderr().is_terminal()) {
        return exit;
    }
    finish(agent::run(arguments, &BUILD), agent::AgentError::exit)
}

#[cfg(not(feature = "agent"))]
fn agent(_: &[OsString]) -> Exit {
    missing("agent")
}

#[cfg(feature = "controller")]
fn controller(arguments: &[OsString]) -> Exit {
    allocator::keep_little();
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
    const PLANES: &[cli::Plane] = &[
        #[cfg(feature = "controller")]
        cli::Plane {
            name: controller::NAME,
            about: controller::ABOUT,
            help: controller::help,
            verbs: controller::VERBS,
            exits: controller::EXITS,
            deploy_files: controller::deploy_files,
            pages: Vec::new,
        },
        #[cfg(feature = "agent")]
        cli::Plane {
            name: agent::NAME,
            about: agent::ABOUT,
            help: agent::help,
            verbs: agent::VERBS,
            exits: agent::EXITS,
            deploy_files: agent::deploy_files,
            pages: agent::reference_pages,
        },
    ];
    // A person's command says what is wrong; one that goes on for ever says what it does.
    let goes_on = arguments.get(1..3).is_some_and(|words| words == ["sync", "run"]);
    let level = if goes_on { "info" } else { "warn" };
    if goes_on {
        allocator::keep_little();
    }
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
#[cfg(any(feature = "cli", feature = "controller", feature = "agent"))]
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

#[cfg(not(all(feature = "cli", feature = "controller", feature = "agent")))]
fn missing(plane: &str) -> Exit {
    tell(&format!("error: this build has no {plane}; it has: {}", FEATURES.join(", ")));
    Exit::Usage
}

fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
