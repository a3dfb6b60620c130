//! The texts of `orlop help TOPIC`. What can be made from a table is made from it.

use crate::config::{CONFIG_BYTES_MAX, FIELDS};
use crate::documents;
use crate::environment::VARIABLES;
use crate::host::Host;
use model::{ByteSize, ExitDoc};

/// One topic.
pub(crate) struct Topic {
    /// The word behind `orlop help`.
    pub(crate) name: &'static str,
    /// Its text.
    pub(crate) text: fn(&Host) -> String,
}

/// The topics.
pub(crate) const TOPICS: &[Topic] = &[
    Topic { name: "sync", text: |_| include_str!("sync.txt").to_owned() },
    Topic { name: "sources", text: |_| include_str!("sources.txt").to_owned() },
    Topic { name: "prune", text: |_| include_str!("prune.txt").to_owned() },
    Topic { name: "secrets", text: |_| include_str!("secrets.txt").to_owned() },
    Topic { name: "exit-codes", text: exit_codes },
    Topic { name: "plan-schema", text: |_| PLAN_SCHEMA_JSON.to_owned() },
    Topic { name: "environment", text: |_| environment() },
    Topic { name: "config", text: |_| config() },
];

/// The JSON Schema of a plan.
pub(crate) const PLAN_SCHEMA_JSON: &str = include_str!("plan-schema.json");

/// Exit codes of every command.
pub(crate) fn exit_codes(host: &Host) -> String {
    let mut text = String::from(
        "Exit codes\n\n  0     done, nothing found or left to do\n  1     done, and there is \
         something to look at\n  2     could not be done, wholly or in part\n  64    the command \
         line or the config file is wrong; nothing was tried\n  130   stopped by SIGINT (Ctrl-C)\
         \n  143   stopped by SIGTERM\n\nA reader that closes the pipe early is no error: 0.\n",
    );
    for (name, command) in documents::commands_with_exits() {
        text.push_str(&format!("\norlop {name}\n{}", rows(command.exits)));
    }
    for plane in host.planes {
        text.push_str(&format!("\norlop {}\n{}", plane.name, rows(plane.exits)));
    }
    text
}

fn rows(exits: &[ExitDoc]) -> String {
    exits.iter().map(|(exit, meaning)| format!("  {:<5} {meaning}\n", exit.code())).collect()
}

/// The table of variables.
pub(crate) fn environment() -> String {
    let mut text = String::from("Environment variables\n");
    for variable in VARIABLES {
        text.push_str(&format!("\n{}\n", variable.name));
        text.push_str(&wrapped(variable.help));
    }
    text.push_str("\nAn empty variable counts as unset.\n");
    text
}

/// The table of config fields.
pub(crate) fn config() -> String {
    let mut text = format!(
        "The config file\n\nDefaults for flags, in YAML: --config FILE, $ORLOP_CONFIG, or \
         ~/.config/orlop/config.yaml.\nA flag wins over the file. Unknown fields are errors. At \
         most {}.\n\n",
        ByteSize(CONFIG_BYTES_MAX)
    );
    let rows: Vec<Vec<String>> = FIELDS
        .iter()
        .map(|field| [field.path, field.flag, field.value].map(str::to_owned).to_vec())
        .collect();
    text.push_str(&crate::terminal::table(&["FIELD", "FLAG", "VALUE"], &rows));
    text.push_str("\nExample:\n\n  color: never\n  sync:\n    namespace: shop\n    prune: true\n");
    text.push_str("    pruneLimit: 20%\n    waitTimeout: 10m\n");
    text
}

/// Indented and broken at the width of a help page.
fn wrapped(text: &str) -> String {
    const COLUMNS: usize = 78;
    let mut out = String::new();
    let mut line = String::from(" ");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COLUMNS {
            out.push_str(line.trim_end());
            out.push('\n');
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}
