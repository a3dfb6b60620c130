//! `orlop help`: a topic, or the help of a command.

use super::{Command, Context};
use crate::topics::TOPICS;
use crate::{CliError, grammar, terminal};
use clap::{ArgMatches, Args, FromArgMatches};
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "help",
    clap: || {
        let command = clap::Command::new("help").about("Explain a topic or a command");
        HelpArgs::augment_args(command)
    },
    exits: &[],
    run,
};

#[derive(Args)]
struct HelpArgs {
    /// A topic such as `exit-codes`, or a command such as `sync plan`
    #[arg(value_name = "TOPIC|COMMAND")]
    words: Vec<String>,
}

/// A mistake that only the typed form of the arguments can find; the values are not repeated.
#[expect(clippy::needless_pass_by_value, reason = "used as the function of map_err")]
pub(crate) fn grammar_mistake(error: clap::Error) -> CliError {
    CliError::usage(error.kind().to_string(), "`orlop help` lists the commands")
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = HelpArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let mut root = grammar::root(context.host);
    root.build();
    let text = match args.words.as_slice() {
        [] => root.render_long_help().to_string(),
        words => match topic(words, context).or_else(|| plane(words, context)) {
            Some(text) => text,
            None => of_command(&mut root, words)?,
        },
    };
    terminal::print(&text)?;
    Ok(Exit::Clean)
}

fn topic(words: &[String], context: &Context<'_>) -> Option<String> {
    let [word] = words else { return None };
    let topic = TOPICS.iter().find(|topic| topic.name == word)?;
    Some((topic.text)(context.host))
}

fn plane(words: &[String], context: &Context<'_>) -> Option<String> {
    let plane = context
        .host
        .planes
        .iter()
        .find(|plane| Some(plane.name) == words.first().map(String::as_str))?;
    Some((plane.help)())
}

fn of_command(root: &mut clap::Command, words: &[String]) -> Result<String, CliError> {
    let mut command = root;
    for word in words {
        let known: Vec<String> = command
            .get_subcommands()
            .map(|sub| sub.get_name().to_owned())
            .chain(TOPICS.iter().map(|topic| topic.name.to_owned()))
            .collect();
        command = match command.find_subcommand_mut(word) {
            Some(found) => found,
            None => {
                let message =
                    format!("there is no topic or command `{}`", terminal::printable(word));
                let hint = match model::nearest(word, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`orlop help` lists topics and commands".to_owned(),
                };
                return Err(CliError::usage(message, hint));
            }
        };
    }
    Ok(command.render_long_help().to_string())
}
