//! The only build tool of the workspace: `cargo xtask COMMAND`.
//!
//! It sets a machine up, raises the test cluster, runs every check and test, builds images and
//! the shipped binaries, measures, and writes the generated files. A command is one file in
//! `commands/` and one line in [`commands::COMMANDS`]. The tool links no async runtime and no
//! Kubernetes client, so that the first `cargo xtask up` on a new machine starts soon.
//!
//! Exit codes: 0 clean, 1 findings, 2 could not run, 64 usage.

mod benches;
mod commands;
mod dist;
mod measure;
mod static_build;
mod terminal;
mod tidy;
mod workspace;

use commands::{COMMANDS, Command, UsageError};
use model::Exit;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(first) = words.next() else {
        terminal::say(commands::overview());
        return Exit::Usage.into();
    };
    let rest: Vec<OsString> = words.collect();
    match dispatch(&first.to_string_lossy(), &rest) {
        Ok(code) => code,
        Err(error) => failure(&error),
    }
}

/// Runs the command called `first`, or prints the help that was asked for.
fn dispatch(first: &str, rest: &[OsString]) -> anyhow::Result<ExitCode> {
    let asks_help = |word: &OsString| word == "--help" || word == "-h";
    match first {
        "help" | "--help" | "-h" => {
            match rest.first() {
                Some(topic) => terminal::say(command(&topic.to_string_lossy())?.help_page()),
                None => terminal::say(commands::overview()),
            }
            Ok(Exit::Clean.into())
        }
        name => {
            let command = command(name)?;
            let own = rest.iter().take_while(|word| *word != "--");
            if own.into_iter().any(asks_help) {
                terminal::say(command.help_page());
                return Ok(Exit::Clean.into());
            }
            (command.run)(rest)
        }
    }
}

/// The table's entry called `name`.
fn command(name: &str) -> Result<&'static Command, UsageError> {
    COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| {
        let names = COMMANDS.iter().map(|command| command.name);
        let meant = model::nearest(name, names)
            .map_or(String::new(), |near| format!(": did you mean `{near}`?"));
        UsageError::new(format!("there is no command `{name}`{meant}"))
    })
}

/// Prints the error with its causes and says which exit code it is.
fn failure(error: &anyhow::Error) -> ExitCode {
    terminal::warn(model::report(error.as_ref(), None));
    if error.is::<UsageError>() || error.is::<lexopt::Error>() {
        terminal::warn("  hint: `cargo xtask help` lists the commands, `COMMAND --help` explains");
        return Exit::Usage.into();
    }
    Exit::CouldNot.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_names_the_nearest_known_one() {
        let error = command("tdiy").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("there is no command `tdiy`: did you mean `tidy`?"));
    }

    #[test]
    fn every_command_has_its_own_name_an_about_line_and_an_example() {
        for (index, one) in COMMANDS.iter().enumerate() {
            assert!(one.help.contains(&format!("cargo xtask {}", one.name)), "{}", one.name);
            assert!(!one.about.is_empty() && one.about.len() <= 72, "{}", one.name);
            assert!(COMMANDS.iter().skip(index + 1).all(|other| other.name != one.name));
        }
    }
}
