//! The config file: defaults for the flags of `orlop sync`, so that a person need not repeat them.
//!
//! Two stages: [`Written`] is what stands in the file, with lines; [`Config`] is what is valid.
//! Every mistake of a file is reported at once. A flag wins over the file, the file over the
//! built-in default. Secrets have no place in it.

use crate::environment;
use crate::host::Host;
use crate::terminal::ColorChoice;
use clap::ValueEnum;
use model::{Explain, Hint, Span};
use saphyr_parser::{Event, Parser};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use sync::ignore::IgnoreError;
use sync::{ForceRecreate, IgnoreRule};

/// The largest config file, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 64 * 1024;
/// Below `$XDG_CONFIG_HOME` or `~/.config`.
const DEFAULT_PATH: &str = "orlop/config.yaml";

/// One field of the file, for reading, for "did you mean" and for the documentation.
pub struct Field {
    /// Its path in the file.
    pub path: &'static str,
    /// What may stand there.
    pub value: &'static str,
    /// Which flag it is the default of.
    pub flag: &'static str,
    /// Puts a written value into the config.
    set: fn(&mut Config, &str) -> Result<(), String>,
}

/// The table of fields.
pub const FIELDS: &[Field] = &[
    Field {
        path: "color",
        value: "auto, always or never",
        flag: "--color",
        set: |config, text| {
            ColorChoice::from_str(text, false).map(|choice| config.color = Some(choice))
        },
    },
    Field {
        path: "sync.name",
        value: "a delivery's name",
        flag: "--name",
        set: |config, text| put(&mut config.sync.name, text),
    },
    Field {
        path: "sync.namespace",
        value: "a namespace",
        flag: "--namespace",
        set: |config, text| put(&mut config.sync.namespace, text),
    },
    Field {
        path: "sync.kubeconfig",
        value: "a path",
        flag: "--kubeconfig",
        set: |config, text| put(&mut config.sync.kubeconfig, text),
    },
    Field {
        path: "sync.context",
        value: "a context of the kubeconfig",
        flag: "--context",
        set: |config, text| put(&mut config.sync.context, text),
    },
    Field {
        path: "sync.timeout",
        value: "a duration such as 30s",
        flag: "--timeout",
        set: |config, text| put(&mut config.sync.timeout, text),
    },
    Field {
        path: "sync.wait",
        value: "true or false",
        flag: "--no-wait",
        set: |config, text| put(&mut config.sync.wait, text),
    },
    Field {
        path: "sync.waitTimeout",
        value: "a duration such as 5m",
        flag: "--wait-timeout",
        set: |config, text| put(&mut config.sync.wait_timeout, text),
    },
    Field {
        path: "sync.concurrency",
        value: "a number from 1 to 256",
        flag: "--concurrency",
        set: |config, text| put(&mut config.sync.concurrency, text),
    },
    Field {
        path: "sync.ignore",
        value: "rules such as Deployment.apps:/spec/replicas, separated by spaces",
        flag: "--ignore",
        set: |config, text| {
            let rules = text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>();
            config.sync.ignore = Some(rules.map_err(|error: IgnoreError| error.to_string())?);
            Ok(())
        },
    },
    Field {
        path: "sync.forceRecreate",
        value: "never, annotated or always",
        flag: "--force-recreate",
        set: |config, text| {
            Force::from_str(text, false).map(|force| config.sync.force_recreate = Some(force))
        },
    },
    Field {
        path: "sync.asServiceAccount",
        value: "NAMESPACE/NAME of a service account",
        flag: "--as-service-account",
        set: |config, text| put(&mut config.sync.as_service_account, text),
    },
    Field {
        path: "sync.prune",
        value: "true or false",
        flag: "--prune",
        set: |config, text| put(&mut config.sync.prune, text),
    },
    Field {
        path: "sync.pruneLimit",
        value: "a number of objects or a share such as 20%",
        flag: "--prune-limit",
        set: |config, text| put(&mut config.sync.prune_limit, text),
    },
];

/// What is valid.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Colours.
    pub color: Option<ColorChoice>,
    /// Defaults of `orlop sync`.
    pub sync: SyncDefaults,
}

/// Defaults of the flags of `orlop sync`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SyncDefaults {
    /// `--name`
    pub name: Option<sync::DeliveryName>,
    /// `--namespace`
    pub namespace: Option<String>,
    /// `--kubeconfig`
    pub kubeconfig: Option<PathBuf>,
    /// `--context`
    pub context: Option<String>,
    /// `--timeout`
    pub timeout: Option<Span>,
    /// The opposite of `--no-wait`
    pub wait: Option<bool>,
    /// `--wait-timeout`
    pub wait_timeout: Option<Span>,
    /// `--concurrency`
    pub concurrency: Option<Concurrency>,
    /// `--ignore`
    pub ignore: Option<Vec<IgnoreRule>>,
    /// `--force-recreate`
    pub force_recreate: Option<Force>,
    /// `--as-service-account`
    pub as_service_account: Option<delivery::ServiceAccountName>,
    /// `--prune`
    pub prune: Option<bool>,
    /// `--prune-limit`
    pub prune_limit: Option<PruneLimit>,
}

/// How many requests are in flight at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency(
    /// Requests.
    pub usize,
);

/// The most requests at once that one person's command may ask of an API server.
pub const CONCURRENCY_REQUESTS_MAX: usize = 256;

impl FromStr for Concurrency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<usize>() {
            Ok(number @ 1..=CONCURRENCY_REQUESTS_MAX) => Ok(Self(number)),
            _ => Err(format!("expected a number from 1 to {CONCURRENCY_REQUESTS_MAX}")),
        }
    }
}

/// Whether an object that cannot be changed in place is deleted and made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Force {
    /// Never
    Never,
    /// An object with the annotation
    Annotated,
    /// Every object
    Always,
}

impl From<Force> for ForceRecreate {
    fn from(force: Force) -> Self {
        match force {
            Force::Never => Self::Never,
            Force::Annotated => Self::Annotated,
            Force::Always => Self::Always,
        }
    }
}

/// How much one run may prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneLimit {
    /// Objects.
    Objects(usize),
    /// Percent of the inventory.
    Percent(u8),
}

impl FromStr for PruneLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.strip_suffix('%') {
            Some(share) => share.parse().ok().filter(|share| *share <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Objects),
        };
        parsed.ok_or_else(|| "expected a number of objects or a share such as 20%".to_owned())
    }
}

fn put<T: FromStr<Err: fmt::Display>>(slot: &mut Option<T>, text: &str) -> Result<(), String> {
    *slot = Some(text.parse().map_err(|error: T::Err| error.to_string())?);
    Ok(())
}

/// One thing wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// The known word that was probably meant.
    pub near: Option<String>,
}

/// Why a config file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the config file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("the config file is wrong:{}", listed(path, mistakes))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        mistakes: Vec<Mistake>,
    },
}

fn listed(path: &Path, mistakes: &[Mistake]) -> String {
    let line =
        |mistake: &Mistake| format!("\n{}:{}: {}", path.display(), mistake.line, mistake.message);
    mistakes.iter().map(line).collect()
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Read { .. } => Hint::new("check --config and the variable ORLOP_CONFIG"),
            Self::Wrong { mistakes, .. } => {
                match mistakes.iter().find_map(|mistake| mistake.near.as_deref()) {
                    Some(near) => Hint::new(format!("did you mean `{near}`?")),
                    None => Hint::new("`orlop help config` lists every field"),
                }
            }
        })
    }
}

/// Loads the file that `--config` or `$ORLOP_CONFIG` names, or the one at the default place if it
/// exists.
///
/// # Errors
/// [`ConfigError`] when a named file cannot be read, or any file is wrong.
pub(crate) fn load(named: Option<&Path>, host: &Host) -> Result<Config, ConfigError> {
    let named = named.map(Path::to_owned).or_else(|| host.environment.path(environment::CONFIG));
    let (path, must_exist) = match (named, default_path(host)) {
        (Some(path), _) => (path, true),
        (None, Some(path)) => (path, false),
        (None, None) => return Ok(Config::default()),
    };
    match read(&path) {
        Ok(text) => parse(&text)
            .and_then(|written| validate(&written))
            .map_err(|mistakes| ConfigError::Wrong { path, mistakes }),
        Err(error) if !must_exist && error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Config::default())
        }
        Err(source) => Err(ConfigError::Read { path, source }),
    }
}

fn default_path(host: &Host) -> Option<PathBuf> {
    let base = host
        .environment
        .path("XDG_CONFIG_HOME")
        .or_else(|| Some(host.environment.path("HOME")?.join(".config")))?;
    Some(base.join(DEFAULT_PATH))
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(std::io::Error::other(format!(
            "it is larger than {}",
            model::ByteSize(CONFIG_BYTES_MAX)
        )));
    }
    Ok(text)
}

/// One value as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    path: String,
    text: String,
    line: usize,
}

/// First stage: maps of scalars, flattened to dotted paths.
fn parse(text: &str) -> Result<Vec<Written>, Vec<Mistake>> {
    let mut written: Vec<Written> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut key: Option<(String, usize)> = None;
    let mistake =
        |line, message: &str| Err(vec![Mistake { line, message: message.to_owned(), near: None }]);
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => return mistake(error.marker().line(), error.info()),
        };
        let line = span.start.line();
        match event {
            Event::Scalar(name, ..) if key.is_none() => {
                if open.is_empty() && !name.is_empty() {
                    return mistake(line, "expected `field: value`");
                }
                key = (!open.is_empty()).then(|| (name.into_owned(), line));
            }
            Event::Scalar(value, ..) => {
                let (name, line) = key.take().unwrap_or_default();
                let path = dotted(&open, &name);
                if written.iter().any(|other| other.path == path) {
                    return mistake(line, &format!("`{path}` is given twice"));
                }
                written.push(Written { path, text: value.into_owned(), line });
            }
            Event::MappingStart(..) => {
                open.push(key.take().map(|(name, _)| name).unwrap_or_default());
            }
            Event::MappingEnd => {
                open.pop();
            }
            Event::SequenceStart(..) | Event::Alias(_) => {
                return mistake(line, "lists and aliases have no place in this file");
            }
            _ => {}
        }
    }
    Ok(written)
}

/// `sync` and `prune` make `sync.prune`; the outermost map has no name.
fn dotted(open: &[String], name: &str) -> String {
    let parents = open.iter().map(String::as_str).filter(|part| !part.is_empty());
    parents.chain([name]).collect::<Vec<_>>().join(".")
}

/// Second stage: known fields with values of their kind.
fn validate(written: &[Written]) -> Result<Config, Vec<Mistake>> {
    let mut config = Config::default();
    let mut mistakes = Vec::new();
    for Written { path, text, line } in written {
        let Some(field) = FIELDS.iter().find(|field| field.path == path) else {
            let near = model::nearest(path, FIELDS.iter().map(|field| field.path));
            let message = match near {
                Some(near) => format!("unknown field `{path}`; did you mean `{near}`?"),
                None => format!("unknown field `{path}`"),
            };
            mistakes.push(Mistake { line: *line, message, near: near.map(str::to_owned) });
            continue;
        };
        if let Err(reason) = (field.set)(&mut config, text) {
            let message = format!("`{path}` must be {}: {reason}", field.value);
            mistakes.push(Mistake { line: *line, message, near: None });
        }
    }
    if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::host;
    use expect_test::expect;

    fn check(text: &str, expected: &expect_test::Expect) {
        let result = parse(text).and_then(|written| validate(&written));
        let shown = match result {
            Ok(config) => format!("{config:?}"),
            Err(mistakes) => listed(Path::new("config.yaml"), &mistakes),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn every_mistake_of_a_file_is_told_with_its_line_and_what_was_meant() {
        check(
            "colour: always\nsync:\n  timeout: soon\n  prun: true\n  concurrency: 0\n  name: Shop\n",
            &expect![[r#"

                config.yaml:1: unknown field `colour`; did you mean `color`?
                config.yaml:3: `sync.timeout` must be a duration such as 30s: `soon` does not begin with a number
                config.yaml:4: unknown field `sync.prun`; did you mean `sync.prune`?
                config.yaml:5: `sync.concurrency` must be a number from 1 to 256: expected a number from 1 to 256
                config.yaml:6: `sync.name` must be a delivery's name: `Shop` cannot name a delivery: use lower-case letters, digits and `-`, at most 63 characters"#]],
        );
        check(
            "sync:\n  prune: [a]\n",
            &expect![[r#"

            config.yaml:2: lists and aliases have no place in this file"#]],
        );
        check(
            "color: auto\ncolor: never\n",
            &expect![[r#"

            config.yaml:2: `color` is given twice"#]],
        );
    }

    #[test]
    fn every_field_of_the_table_can_be_written() {
        let text = "color: never\nsync: {name: shop, namespace: a, kubeconfig: /k, context: c, \
                    timeout: 1s, wait: false, waitTimeout: 2m, concurrency: 256, prune: true, \
                    ignore: '*:/spec/x Pod:manager=y', forceRecreate: always, \
                    asServiceAccount: a/b, \
                    pruneLimit: 20%}\n";
        let written = parse(text).unwrap();
        assert_eq!(written.len(), FIELDS.len());
        let config = validate(&written).unwrap();
        assert_eq!(config.sync.concurrency, Some(Concurrency(CONCURRENCY_REQUESTS_MAX)));
        assert_eq!(config.sync.prune_limit, Some(PruneLimit::Percent(20)));
        assert_eq!(config.sync.ignore.map(|rules| rules.len()), Some(2));
        assert_eq!(config.sync.force_recreate, Some(Force::Always));
        assert!("257".parse::<Concurrency>().is_err() && "101%".parse::<PruneLimit>().is_err());
    }

    #[test]
    fn a_file_that_was_named_must_exist_and_the_default_one_need_not() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap();
        assert_eq!(load(None, &host(&[("HOME", home)])).unwrap(), Config::default());
        let absent = dir.path().join("absent.yaml");
        assert!(matches!(load(Some(&absent), &host(&[])), Err(ConfigError::Read { .. })));
        let folder = dir.path().join(".config/orlop");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.yaml"), "color: always\n").unwrap();
        let config = load(None, &host(&[("HOME", home)])).unwrap();
        assert_eq!(config.color, Some(ColorChoice::Always));
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        let size = usize::try_from(CONFIG_BYTES_MAX).unwrap();
        std::fs::write(&path, "#".repeat(size)).unwrap();
        assert!(load(Some(&path), &host(&[])).is_ok());
        std::fs::write(&path, "#".repeat(size + 1)).unwrap();
        assert!(load(Some(&path), &host(&[])).is_err());
    }
}
