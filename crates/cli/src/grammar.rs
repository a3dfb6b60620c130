//! The command line as a whole: global flags, the table of commands, and what is done when a line
//! is wrong or asks for help.

use crate::CliError;
use crate::commands::{self, Command, Context};
use crate::host::Host;
use crate::terminal::{self, ColorChoice, Painter};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, ValueHint, value_parser};
use model::{Exit, Verb};
use std::ffi::OsString;
use std::path::PathBuf;

/// Help is wrapped at this column at the latest.
const HELP_COLUMNS_MAX: usize = 100;
const ABOUT: &str = "Orlop delivers Git trees to Kubernetes and keeps watch over them";

/// The grammar of every command line.
pub(crate) fn root(host: &Host) -> clap::Command {
    let mut root = clap::Command::new("orlop")
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(HELP_COLUMNS_MAX)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .infer_long_args(false)
        .arg(
            Arg::new("version")
                .long("version")
                .short('V')
                .action(ArgAction::SetTrue)
                .help("Print release, commit and planes"),
        )
        .arg(
            Arg::new("color")
                .long("color")
                .global(true)
                .value_name("WHEN")
                .value_parser(value_parser!(ColorChoice))
                .hide_possible_values(true)
                .help_heading("Global options")
                .help("Use colours: auto, always or never [default: auto]"),
        )
        .arg(
            Arg::new("config")
                .long("config")
                .global(true)
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(value_parser!(PathBuf))
                .help_heading("Global options")
                .help("Config file [default: ~/.config/orlop/config.yaml]"),
        )
        .after_help(after_help(host));
    root = root.subcommands(commands::COMMANDS.iter().map(with_exits));
    root
}

/// The same with the other planes, which read their command lines themselves: for completions.
pub(crate) fn with_planes(host: &Host) -> clap::Command {
    fn with_all(command: clap::Command, globals: &[Arg]) -> clap::Command {
        // A command may have one of its own by that name, which wins.
        let has = |id| command.get_arguments().any(|arg| arg.get_id() == id);
        let lacking: Vec<Arg> = globals.iter().filter(|arg| !has(arg.get_id())).cloned().collect();
        command.args(lacking).mut_subcommands(|sub| with_all(sub, globals))
    }
    let root = root(host);
    let global: Vec<Arg> =
        root.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    // Those planes do not know the global options, so each other command gets its own.
    let own: Vec<Arg> = global.iter().map(|arg| arg.clone().global(false)).collect();
    root.mut_args(|arg| arg.global(false)).mut_subcommands(|sub| with_all(sub, &own)).subcommands(
        host.planes.iter().map(|plane| {
            clap::Command::new(plane.name)
                .about(plane.about)
                .subcommands(plane.verbs.iter().map(of_verb))
        }),
    )
}

fn of_verb(verb: &Verb) -> clap::Command {
    let hint = |value| match value {
        "FILE" => ValueHint::FilePath,
        "DIR" => ValueHint::DirPath,
        _ => ValueHint::Other,
    };
    let options = verb.options.iter().map(|option| {
        let arg = Arg::new(option.name).long(option.name).help(option.help);
        match option.value {
            "" => arg.action(ArgAction::SetTrue),
            value => arg.value_name(value).value_hint(hint(value)),
        }
    });
    let operand = Some(verb.operand).filter(|operand| !operand.is_empty());
    clap::Command::new(verb.name)
        .about(verb.about)
        .args(options)
        .args(operand.map(|operand| Arg::new(operand).value_hint(hint(operand))))
}

/// A command's own grammar with its exit codes under the help.
pub(crate) fn with_exits(command: &Command) -> clap::Command {
    let grammar = (command.clap)();
    if command.exits.is_empty() {
        return grammar;
    }
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in command.exits {
        text.push_str(&format!("  {:<5} {meaning}\n", exit.code()));
    }
    grammar.after_help(text.trim_end().to_owned())
}

fn after_help(host: &Host) -> String {
    let mut text = String::new();
    if !host.planes.is_empty() {
        text.push_str("Other planes of this binary:\n");
        for plane in host.planes {
            text.push_str(&format!("  {:<12} {}\n", plane.name, plane.about));
        }
        text.push('\n');
    }
    text.push_str("`orlop help TOPIC` explains one of: ");
    let topics: Vec<&str> = crate::topics::TOPICS.iter().map(|topic| topic.name).collect();
    text.push_str(&topics.join(", "));
    text.push('.');
    text
}

/// Runs what was asked for.
pub(crate) fn start(matches: &ArgMatches, host: &Host) -> Result<Exit, CliError> {
    if matches.get_flag("version") {
        terminal::print(&commands::version::line(&host.build))?;
        return Ok(Exit::Clean);
    }
    let context = Context {
        host,
        color: matches.get_one("color").copied(),
        config: matches.get_one("config").cloned(),
    };
    match commands::dispatch(commands::COMMANDS, matches, &context) {
        Some(result) => result,
        None => {
            terminal::print_error(&root(host).render_help().to_string());
            Ok(Exit::Usage)
        }
    }
}

/// What to say of a first word that is no command and no plane of this build: that it is not
/// there, and what is. Clap would propose hidden commands.
pub(crate) fn unknown_word(
    answer: &clap::Error,
    arguments: &[OsString],
    host: &Host,
) -> Option<CliError> {
    let word = arguments.get(1)?.to_str()?;
    let ContextValue::String(unknown) = answer.get(ContextKind::InvalidSubcommand)? else {
        return None;
    };
    if answer.kind() != ErrorKind::InvalidSubcommand || unknown != word {
        return None;
    }
    let commands = commands::COMMANDS.iter().filter(|command| !(command.clap)().is_hide_set());
    let mut known: Vec<&str> = commands.map(|command| command.name).collect();
    known.extend(host.planes.iter().map(|plane| plane.name));
    let hint = match model::nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `orlop {near}`?"),
        None => "`orlop --help` says what each of them does".to_owned(),
    };
    let message = format!("this build has no `{word}`; it has: {}", known.join(", "));
    Some(CliError::usage(message, hint))
}

/// Prints help to stdout, or a mistake to stderr.
pub(crate) fn answer(answer: &clap::Error, host: &Host) -> Result<Exit, CliError> {
    let wanted = matches!(answer.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let is_terminal = if wanted { host.stdout_is_terminal } else { host.stderr_is_terminal };
    let rendered = answer.render();
    let text = if Painter::new(ColorChoice::Auto, host, is_terminal).paints() {
        rendered.ansi().to_string()
    } else {
        rendered.to_string()
    };
    if wanted {
        terminal::print(&text)?;
        return Ok(Exit::Clean);
    }
    terminal::print_error(&text);
    Ok(Exit::Usage)
}
