//! The command line of the controller: few options, read without clap, because this plane is
//! built alone, too. Two stages: what was written, then what is valid.

use crate::ControllerError;
use crate::manifests::NAMESPACE_DEFAULT;
use cluster::LeaseTimes;
use gitops::spec::Tenancy;
use model::{Exit, ExitDoc, Hint, OptionDoc, Verb};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where metrics and probes are served unless told otherwise: not to other machines.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8080";
/// How long the lease of a leader that is gone holds others up, unless told otherwise.
pub const LEASE_SECONDS_DEFAULT: u32 = 2;
/// Shorter leases would be lost to a slow API server.
pub const LEASE_SECONDS_MIN: u32 = 2;
/// Longer ones leave a cluster without a controller.
pub const LEASE_SECONDS_MAX: u32 = 300;

/// Where fetched Git objects are kept unless told otherwise.
pub const CACHE_DEFAULT: &str = "/var/cache/orlop";
/// More shards than this are a mistake.
pub const SHARDS_MAX: u32 = 64;

/// The table of options of `orlop controller run`.
const OPTIONS: &[OptionDoc] = &[
    OptionDoc {
        name: "kubeconfig",
        value: "FILE",
        help: "Kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the Pod's service account]",
    },
    OptionDoc { name: "context", value: "NAME", help: "Context of the kubeconfig" },
    OptionDoc {
        name: "namespace",
        value: "NAME",
        help: "Namespace of the Lease [default: orlop-system]",
    },
    OptionDoc {
        name: "listen",
        value: "ADDRESS",
        help: "Where /metrics, /healthz and /readyz are served [default: 127.0.0.1:8080]",
    },
    OptionDoc {
        name: "identity",
        value: "NAME",
        help: "Unique name in the election [default: $POD_NAME or the host's name, and the process]",
    },
    OptionDoc {
        name: "lease-seconds",
        value: "N",
        help: "How long the Lease of a leader that is gone holds, 2 to 300 [default: 2]",
    },
    OptionDoc {
        name: "cache",
        value: "DIR",
        help: "Where fetched Git objects are kept [default: /var/cache/orlop]",
    },
    OptionDoc {
        name: "tenancy",
        value: "MODE",
        help: "`multi`: GitSyncs must name a service account; `single`: they need not [default: multi]",
    },
    OptionDoc {
        name: "shards",
        value: "N",
        help: "Into how many shards GitSyncs are divided, 1 to 64 [default: 1]",
    },
    OptionDoc {
        name: "shard-index",
        value: "I",
        help: "Which of the shards this process works on, from 0 [default: 0]",
    },
    OptionDoc {
        name: "cluster-name",
        value: "NAME",
        help: "What notifications and commit statuses call this cluster [default: nothing]",
    },
];

/// The table of commands.
pub const VERBS: &[Verb] = &[Verb {
    name: "run",
    about: "Reconcile GitSyncs until SIGTERM or SIGINT",
    operand: "",
    options: OPTIONS,
}];

/// What its exit codes mean.
pub const EXITS: &[ExitDoc] = &[
    (Exit::Clean, "ended in good order by SIGTERM or SIGINT, the Lease released"),
    (Exit::CouldNot, "could not run"),
    (Exit::Usage, "the command line is wrong"),
];

/// The values as written, beside their option's name.
pub(crate) type Written = Vec<(&'static str, OsString)>;

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// The help text.
    Help,
    /// To run.
    Run(Box<Written>),
}

/// What is valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// How to connect.
    pub connect: cluster::ConnectOptions,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Where metrics and probes are served.
    pub listen: SocketAddr,
    /// Name in the election.
    pub identity: String,
    /// Times of the election.
    pub times: LeaseTimes,
    /// Where fetched Git objects are kept.
    pub cache: PathBuf,
    /// Who may write GitSyncs.
    pub tenancy: Tenancy,
    /// Which share of the GitSyncs is this process's: index and number of shards.
    pub shard: (u32, u32),
    /// What people call the cluster; empty when it has no name.
    pub cluster_name: String,
}

/// The help text.
#[must_use]
pub fn help() -> String {
    let mut text =
        format!("{}\n\nUsage: orlop controller run [OPTIONS]\n\nOptions:\n", crate::ABOUT);
    for option in OPTIONS {
        let flag = format!("--{} <{}>", option.name, option.value);
        let _ = writeln!(text, "  {flag:<24} {}", option.help);
    }
    let _ = writeln!(text, "  {:<24} Print help", "-h, --help");
    text.push_str("\nReconcilers:\n");
    for reconciler in crate::RECONCILERS {
        let _ = writeln!(text, "  {:<24} {}", reconciler.name, reconciler.about);
    }
    text.push_str("\nExit codes:\n");
    for (exit, meaning) in EXITS {
        let _ = writeln!(text, "  {:<5} {meaning}", exit.code());
    }
    text
}

/// First stage.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Request, ControllerError> {
    let mut parser = lexopt::Parser::from_args(arguments.iter().cloned());
    let mut written = Written::new();
    let mut runs = false;
    let unusable = |error: &lexopt::Error| ControllerError::usage(error.to_string());
    while let Some(argument) = parser.next().map_err(|error| unusable(&error))? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(Request::Help),
            lexopt::Arg::Value(word) if !runs && word == "run" => runs = true,
            lexopt::Arg::Value(word) if !runs && word == "help" => return Ok(Request::Help),
            lexopt::Arg::Long(name) => {
                let Some(option) = OPTIONS.iter().find(|option| option.name == name) else {
                    return Err(unknown(&format!("--{name}"), name));
                };
                let value = parser.value().map_err(|error| unusable(&error))?;
                written.push((option.name, value));
            }
            lexopt::Arg::Short(letter) => return Err(unknown(&format!("-{letter}"), "")),
            lexopt::Arg::Value(word) => {
                let word = word.to_string_lossy();
                return Err(ControllerError::usage(format!("unexpected argument `{word}`")));
            }
        }
    }
    if runs {
        Ok(Request::Run(Box::new(written)))
    } else {
        Err(ControllerError::usage("what to do is missing: write `orlop controller run`"))
    }
}

fn unknown(shown: &str, name: &str) -> ControllerError {
    let near = model::nearest(name, OPTIONS.iter().map(|option| option.name));
    ControllerError::Usage {
        message: format!("unknown option `{shown}`"),
        hint: Some(match near {
            Some(near) => Hint::new(format!("did you mean `--{near}`?")),
            None => Hint::new("`orlop controller --help` lists the options"),
        }),
    }
}

impl Config {
    /// Second stage.
    pub(crate) fn new(written: Written) -> Result<Self, ControllerError> {
        let mut config = Self {
            connect: cluster::ConnectOptions {
                user_agent: format!("{}/controller", cluster::USER_AGENT),
                ..cluster::ConnectOptions::default()
            },
            namespace: NAMESPACE_DEFAULT.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            identity: identity(),
            times: times(LEASE_SECONDS_DEFAULT)?,
            cache: PathBuf::from(CACHE_DEFAULT),
            tenancy: Tenancy::Multi,
            shard: (0, 1),
            cluster_name: String::new(),
        };
        for (name, value) in written {
            match name {
                "kubeconfig" => config.connect.kubeconfig = Some(PathBuf::from(value)),
                "cache" => config.cache = PathBuf::from(value),
                name => config.put(name, value)?,
            }
        }
        if config.shard.0 >= config.shard.1 {
            return Err(ControllerError::usage(format!(
                "--shard-index must be below --shards, which is {}",
                config.shard.1
            )));
        }
        Ok(config)
    }

    fn put(&mut self, name: &'static str, value: OsString) -> Result<(), ControllerError> {
        let text = value
            .into_string()
            .map_err(|_| ControllerError::usage(format!("the value of --{name} is not UTF-8")))?;
        if text.is_empty() {
            return Err(ControllerError::usage(format!("the value of --{name} is empty")));
        }
        match name {
            "context" => self.connect.context = Some(text),
            "namespace" => self.namespace = text,
            "identity" => self.identity = text,
            "cluster-name" => self.cluster_name = text,
            "listen" => {
                self.listen = text.parse().map_err(|_| {
                    ControllerError::usage(format!(
                        "`{text}` is not an address with a port such as {LISTEN_DEFAULT}"
                    ))
                })?;
            }
            "tenancy" => {
                self.tenancy = match text.as_str() {
                    "multi" => Tenancy::Multi,
                    "single" => Tenancy::Single,
                    _ => return Err(ControllerError::usage("--tenancy is `multi` or `single`")),
                };
            }
            "shards" => self.shard.1 = number(name, &text, 1, SHARDS_MAX)?,
            "shard-index" => self.shard.0 = number(name, &text, 0, SHARDS_MAX - 1)?,
            _ => {
                let seconds = number(name, &text, LEASE_SECONDS_MIN, LEASE_SECONDS_MAX)?;
                self.times = times(seconds)?;
            }
        }
        Ok(())
    }
}

fn number(name: &str, text: &str, min: u32, max: u32) -> Result<u32, ControllerError> {
    text.parse().ok().filter(|number| (min..=max).contains(number)).ok_or_else(|| {
        ControllerError::usage(format!("--{name} must be a number from {min} to {max}"))
    })
}

/// A seventh of the lease is left for the leader to notice that it cannot renew: it asks the clock
/// before every write. What an API server under load needs for an answer is the rest.
fn times(lease_seconds: u32) -> Result<LeaseTimes, ControllerError> {
    let whole = Duration::from_secs(u64::from(lease_seconds));
    LeaseTimes::new(lease_seconds, whole * 6 / 7, whole * 2 / 15)
        .map_err(|error| ControllerError::usage(error.to_string()))
}

/// The Pod's or the host's name with the process's number: two copies on one host differ.
fn identity() -> String {
    let host = std::env::var("POD_NAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .unwrap_or_default();
    format!("{}_{}", host.trim(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn read(line: &str) -> Result<Config, ControllerError> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match parse(&words)? {
            Request::Run(written) => Config::new(*written),
            Request::Help => Err(ControllerError::usage("help")),
        }
    }

    fn mistake(line: &str) -> String {
        let error = read(line).unwrap_err();
        let hint = model::Explain::hint(&error);
        model::report(&error, hint).to_string()
    }

    #[test]
    fn every_option_of_the_table_can_be_written() {
        let config = read(
            "run --kubeconfig /k --context c --namespace n --listen [::1]:0 --identity i \
             --lease-seconds=3 --cache /c --tenancy single --shards 3 --shard-index 2 \
             --cluster-name prod",
        )
        .unwrap();
        assert_eq!(config.connect.kubeconfig, Some(PathBuf::from("/k")));
        assert_eq!((config.namespace.as_str(), config.identity.as_str()), ("n", "i"));
        assert_eq!(config.listen.port(), 0);
        assert_eq!((config.tenancy, config.shard), (Tenancy::Single, (2, 3)));
        assert_eq!(config.cache, PathBuf::from("/c"));
        assert_eq!(config.cluster_name, "prod");
        assert_eq!(read("run").unwrap().listen, LISTEN_DEFAULT.parse().unwrap());
    }

    #[test]
    fn a_wrong_line_is_answered_with_what_was_meant() {
        expect![[r"
            error: unknown option `--lisen`
              hint: did you mean `--listen`?"]]
        .assert_eq(&mistake("run --lisen x"));
        expect![[r"
            error: `8080` is not an address with a port such as 127.0.0.1:8080
              hint: `orlop controller --help` lists the options"]]
        .assert_eq(&mistake("run --listen 8080"));
        expect![[r"
            error: unexpected argument `fast`
              hint: `orlop controller --help` lists the options"]]
        .assert_eq(&mistake("run fast"));
        assert!(mistake("--listen").contains("missing argument"));
        assert!(mistake("run --context=").contains("is empty"));
        assert!(mistake("").contains("unexpected argument"));
    }

    #[test]
    fn a_shard_is_one_of_those_that_there_are() {
        assert!(read("run --shards 64 --shard-index 63").is_ok());
        assert!(read("run --shards 65").is_err() && read("run --shards 0").is_err());
        assert!(read("run --shards 2 --shard-index 2").is_err());
        assert!(read("run --shard-index 1").is_err());
        assert!(read("run --tenancy some").is_err());
    }

    #[test]
    fn a_lease_is_between_its_bounds() {
        assert!(read("run --lease-seconds 2").is_ok() && read("run --lease-seconds 300").is_ok());
        assert!(read("run --lease-seconds 1").is_err() && read("run --lease-seconds 301").is_err());
    }
}
