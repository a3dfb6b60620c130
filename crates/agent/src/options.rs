//! The command line of the agent: few options, read without clap, because this plane is built
//! alone, too, and stays small.

use crate::AgentError;
use crate::config::{LISTEN_DEFAULT, STANDARD_LOGS, STATE_DIR_DEFAULT};
use crate::service::SYSLOG_FILES;
use crate::tap::Stage;
use model::{Exit, ExitDoc, Hint, OptionDoc, Verb};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

const fn option(name: &'static str, value: &'static str, help: &'static str) -> OptionDoc {
    OptionDoc { name, value, help }
}

const CONFIG: OptionDoc = option(
    "config",
    "FILE",
    "Config file [default: none, the standard logs of the host to stdout]",
);
const STATE: OptionDoc = option(
    "state-dir",
    "DIR",
    "State folder [default: `state_dir` of the config, /var/lib/orlop/agent]",
);

/// The table of commands; the first one is the default.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "run",
        about: "Collect logs until SIGTERM or SIGINT; SIGHUP loads the config again",
        operand: "",
        options: &[
            CONFIG,
            STATE,
            option("listen", "ADDRESS", "Where /metrics, /healthz, /readyz are served, or off"),
        ],
    },
    Verb {
        name: "check-config",
        about: "Tell every mistake of a config file",
        operand: "FILE",
        options: &[],
    },
    Verb {
        name: "status",
        about: "Ask a running agent how it is",
        operand: "",
        options: &[CONFIG, STATE, option("json", "", "Print JSON")],
    },
    Verb {
        name: "tap",
        about: "Show live what a stage of a running agent sees; lossy, slows nothing",
        operand: "",
        options: &[
            CONFIG,
            STATE,
            option("stage", "STAGE", "raw, parsed or sampled [default: sampled]"),
            option("file", "TEXT", "Only files whose path has this text in it"),
            option("pod", "TEXT", "Only pods whose namespace/name has this text in it"),
            option("count", "N", "End after N records"),
            option("json", "", "Print JSON lines"),
        ],
    },
    Verb {
        name: "config-reference",
        about: "Print every field of the config file, in Markdown",
        operand: "",
        options: &[],
    },
];

/// What its exit codes mean. SIGTERM and SIGINT are its usual end and have no code of their own.
pub const EXITS: &[ExitDoc] = &[
    (
        Exit::Clean,
        "ended in good order (SIGTERM and SIGINT, too): everything that was read is delivered",
    ),
    (Exit::Findings, "stopped with records that no sink has taken (`run`); not ready (`status`)"),
    (Exit::CouldNot, "could not run, or the config is wrong"),
    (Exit::Usage, "the command line is wrong"),
];

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Help,
    Reference,
    Run(RunOptions),
    Check(PathBuf),
    Status { place: Place, json: bool },
    Tap { place: Place, tap: TapOptions },
}

/// Where an agent is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) config: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
}

/// How to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunOptions {
    pub(crate) place: Place,
    /// Overrides the config; the inner one is none when it is `off`.
    pub(crate) listen: Option<Option<SocketAddr>>,
}

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TapOptions {
    pub(crate) stage: Stage,
    pub(crate) file: Option<String>,
    pub(crate) pod: Option<String>,
    pub(crate) count: Option<u64>,
    pub(crate) json: bool,
}

/// The help text.
#[must_use]
pub fn help() -> String {
    let mut text =
        format!("{}\n\nUsage: orlop agent [COMMAND] [OPTIONS]\n\nCommands:\n", crate::ABOUT);
    for (index, verb) in VERBS.iter().enumerate() {
        let name = format!("{} {}", verb.name, verb.operand);
        let default = if index == 0 { " [default]" } else { "" };
        let _ = writeln!(text, "  {name:<20} {}{default}", verb.about);
    }
    for verb in VERBS.iter().filter(|verb| !verb.options.is_empty()) {
        let _ = writeln!(text, "\nOptions of `{}`:", verb.name);
        for option in verb.options {
            let value = if option.value.is_empty() {
                String::new()
            } else {
                format!(" <{}>", option.value)
            };
            let flag = format!("--{}{value}", option.name);
            let _ = writeln!(text, "  {flag:<20} {}", option.help);
        }
    }
    let files = SYSLOG_FILES.join(", ");
    let _ =
        writeln!(text, "\nWithout a config file the agent reads the standard logs of the host:");
    for path in STANDARD_LOGS {
        let _ = writeln!(text, "  {path}");
    }
    let _ = writeln!(
        text,
        "and its journal, unless a syslog daemon that is enabled, or has written within two\ndays, \
         writes that to one of\n  {files}.\nIt says on stderr what it found, writes JSON lines to \
         stdout and serves metrics on\n{LISTEN_DEFAULT}. `status` and `tap` ask through the socket \
         in the state folder\n({STATE_DIR_DEFAULT}), which its owner alone may use.\n\n\
         Examples:\n  orlop agent\n  orlop agent run --config /etc/orlop/agent.yaml\n  orlop agent \
         check-config /etc/orlop/agent.yaml\n  orlop agent status\n  orlop agent tap --stage \
         parsed --pod shop/\n\nExit codes:"
    );
    for (exit, meaning) in EXITS {
        let _ = writeln!(text, "  {:<5} {meaning}", exit.code());
    }
    text
}

/// Reads the words behind `orlop agent`.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Request, AgentError> {
    let mut parser = lexopt::Parser::from_args(arguments.iter().cloned());
    let unusable = |error: &lexopt::Error| AgentError::usage(error.to_string());
    let mut verb: Option<&Verb> = None;
    let mut operand: Option<OsString> = None;
    let mut written: Vec<(&str, OsString)> = Vec::new();
    while let Some(argument) = parser.next().map_err(|error| unusable(&error))? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(Request::Help),
            lexopt::Arg::Value(word) if verb.is_none() && word == "help" => {
                return Ok(Request::Help);
            }
            lexopt::Arg::Value(word) if verb.is_none() => verb = Some(find(&word)?),
            lexopt::Arg::Value(word)
                if verb.is_some_and(|verb| !verb.operand.is_empty()) && operand.is_none() =>
            {
                operand = Some(word);
            }
            lexopt::Arg::Value(word) => {
                let word = word.to_string_lossy();
                return Err(AgentError::usage(format!("unexpected argument `{word}`")));
            }
            lexopt::Arg::Short(letter) => return Err(unknown(&format!("-{letter}"), "", &[])),
            lexopt::Arg::Long(name) => {
                let Some(verb) = verb.or(VERBS.first()) else { continue };
                let known = verb.options.iter().find(|option| option.name == name);
                let Some(option) = known else {
                    return Err(unknown(&format!("--{name}"), name, verb.options));
                };
                let value = match option.value {
                    "" => OsString::new(),
                    _ => parser.value().map_err(|error| unusable(&error))?,
                };
                written.push((option.name, value));
            }
        }
    }
    build(verb.map_or("run", |verb| verb.name), operand, written)
}

fn find(word: &OsString) -> Result<&'static Verb, AgentError> {
    let word = word.to_string_lossy();
    VERBS.iter().find(|verb| verb.name == word).ok_or_else(|| {
        let near = model::nearest(&word, VERBS.iter().map(|verb| verb.name));
        AgentError::Usage {
            message: format!("unknown command `{word}`"),
            hint: Some(match near {
                Some(near) => Hint::new(format!("did you mean `{near}`?")),
                None => Hint::new("`orlop agent --help` lists the commands"),
            }),
        }
    })
}

fn unknown(shown: &str, name: &str, options: &[OptionDoc]) -> AgentError {
    let near = model::nearest(name, options.iter().map(|option| option.name));
    AgentError::Usage {
        message: format!("unknown option `{shown}`"),
        hint: Some(match near {
            Some(near) => Hint::new(format!("did you mean `--{near}`?")),
            None => Hint::new("`orlop agent --help` lists the options"),
        }),
    }
}

fn build(
    verb: &str,
    operand: Option<OsString>,
    written: Vec<(&str, OsString)>,
) -> Result<Request, AgentError> {
    let mut place = Place::default();
    let mut run = RunOptions::default();
    let mut tap =
        TapOptions { stage: Stage::Sampled, file: None, pod: None, count: None, json: false };
    for (name, value) in written {
        match name {
            "config" => place.config = Some(PathBuf::from(value)),
            "state-dir" => place.state_dir = Some(PathBuf::from(value)),
            "json" => tap.json = true,
            name => {
                let text = text(name, value)?;
                match name {
                    "listen" => run.listen = Some(listen(&text)?),
                    "stage" => tap.stage = stage(&text)?,
                    "file" => tap.file = Some(text),
                    "pod" => tap.pod = Some(text),
                    _ => tap.count = Some(count(&text)?),
                }
            }
        }
    }
    Ok(match verb {
        "check-config" => Request::Check(PathBuf::from(
            operand.ok_or_else(|| AgentError::usage("the FILE to check is missing"))?,
        )),
        "status" => Request::Status { place, json: tap.json },
        "tap" => Request::Tap { place, tap },
        "config-reference" => Request::Reference,
        _ => Request::Run(RunOptions { place, ..run }),
    })
}

fn text(name: &str, value: OsString) -> Result<String, AgentError> {
    let text = value
        .into_string()
        .map_err(|_| AgentError::usage(format!("the value of --{name} is not UTF-8")))?;
    if text.is_empty() {
        return Err(AgentError::usage(format!("the value of --{name} is empty")));
    }
    Ok(text)
}

fn listen(text: &str) -> Result<Option<SocketAddr>, AgentError> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        AgentError::usage(format!(
            "`{text}` is not an address with a port such as {LISTEN_DEFAULT}, or off"
        ))
    })
}

fn stage(text: &str) -> Result<Stage, AgentError> {
    Stage::named(text).ok_or_else(|| {
        AgentError::usage(format!("--stage is raw, parsed or sampled, not `{text}`"))
    })
}

fn count(text: &str) -> Result<u64, AgentError> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| {
        AgentError::usage(format!("--count must be a number from 1 on, not `{text}`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn read(line: &str) -> Result<Request, AgentError> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        parse(&words)
    }

    fn mistake(line: &str) -> String {
        let error = read(line).unwrap_err();
        let hint = model::Explain::hint(&error);
        model::report(&error, hint).to_string()
    }

    #[test]
    fn run_is_the_default_and_every_option_can_be_written() {
        assert_eq!(read("").unwrap(), read("run").unwrap());
        let Request::Run(run) = read("--config /c --state-dir=/s --listen [::1]:0").unwrap() else {
            panic!()
        };
        assert_eq!(run.place.config, Some(PathBuf::from("/c")));
        assert_eq!(run.listen, Some(Some("[::1]:0".parse().unwrap())));
        assert!(
            matches!(read("run --listen off").unwrap(), Request::Run(run) if run.listen == Some(None))
        );
        let line = "tap --stage raw --file syslog --pod shop/ --count 3 --json --state-dir /s";
        let Request::Tap { tap, place } = read(line).unwrap() else { panic!() };
        assert_eq!((tap.stage, tap.count, tap.json), (Stage::Raw, Some(3), true));
        assert_eq!(place.state_dir, Some(PathBuf::from("/s")));
        assert_eq!(read("check-config /f").unwrap(), Request::Check(PathBuf::from("/f")));
    }

    #[test]
    fn a_wrong_line_is_answered_with_what_was_meant() {
        expect![[r"
            error: unknown command `statsu`
              hint: did you mean `status`?"]]
        .assert_eq(&mistake("statsu"));
        expect![[r"
            error: unknown option `--confg`
              hint: did you mean `--config`?"]]
        .assert_eq(&mistake("run --confg x"));
        assert!(mistake("check-config").contains("FILE to check is missing"));
        assert!(mistake("run x").contains("unexpected argument"));
        assert!(mistake("tap --stage cooked").contains("raw, parsed or sampled"));
        assert!(mistake("tap --count 0").contains("--count"));
        assert!(
            mistake("run --listen 9464").contains("no address")
                || mistake("run --listen 9464").contains("not an address")
        );
    }

    #[test]
    fn the_help_names_every_command_option_and_exit_code() {
        let help = help();
        for verb in VERBS {
            assert!(help.contains(verb.name));
            for option in verb.options {
                assert!(help.contains(&format!("--{}", option.name)));
            }
        }
        for code in ["  0 ", "  1 ", "  2 ", "  64 "] {
            assert!(help.contains(code), "{code}");
        }
    }
}
