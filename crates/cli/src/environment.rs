//! Every environment variable that Orlop reads, in one table: the documentation is made from it.

/// One variable.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Path of the config file.
pub(crate) const CONFIG: &str = "ORLOP_CONFIG";
/// Folder for fetched repositories.
pub(crate) const CACHE_DIR: &str = "ORLOP_CACHE_DIR";
/// User name for Git over http(s).
pub(crate) const GIT_USERNAME: &str = "ORLOP_GIT_USERNAME";
/// Password or token for Git over http(s).
pub(crate) const GIT_PASSWORD: &str = "ORLOP_GIT_PASSWORD";
/// A file with the password or token.
pub(crate) const GIT_PASSWORD_FILE: &str = "ORLOP_GIT_PASSWORD_FILE";

/// The table.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: CONFIG,
        help: "Path of the config file, as with --config. See `orlop help config`.",
    },
    Variable {
        name: CACHE_DIR,
        help: "Folder for fetched Git objects. Default: $XDG_CACHE_HOME/orlop or ~/.cache/orlop.",
    },
    Variable {
        name: GIT_USERNAME,
        help: "User name for Git over http and https. Without it a password is sent as a token.",
    },
    Variable { name: GIT_PASSWORD, help: "Password or token for Git over http and https." },
    Variable {
        name: GIT_PASSWORD_FILE,
        help: "File whose first line is the password or token; it wins over ORLOP_GIT_PASSWORD.",
    },
    Variable {
        name: "ORLOP_LOG",
        help: "What is logged to stderr, as `LEVEL` or `TARGET=LEVEL,...`: error, warn, info, \
               debug or trace. Default: warn, and info for the controller and the agent.",
    },
    Variable {
        name: "KUBECONFIG",
        help: "Kubeconfig files, separated by `:`, merged as kubectl merges them.",
    },
    Variable {
        name: "NODE_NAME",
        help: "The agent: name of this node, for the input `kubernetes`; its DaemonSet sets it.",
    },
    Variable {
        name: "POD_UID",
        help: "The agent: UID of its own Pod, whose logs it does not read; its DaemonSet sets it.",
    },
    Variable { name: "NO_COLOR", help: "When set and not empty, `--color auto` uses no colour." },
    Variable { name: "TERM", help: "When `dumb`, `--color auto` uses no colour." },
    Variable { name: "COLUMNS", help: "Width of the terminal, in columns." },
    Variable { name: "HOME", help: "Where ~/.config/orlop, ~/.cache/orlop and ~/.kube are." },
    Variable { name: "XDG_CONFIG_HOME", help: "Base of the config folder instead of ~/.config." },
    Variable { name: "XDG_CACHE_HOME", help: "Base of the cache folder instead of ~/.cache." },
];
