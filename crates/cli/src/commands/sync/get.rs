//! `orlop sync get`: the GitSyncs of a cluster.

use super::arguments::{ClusterArgs, OutputArgs};
use super::gitsync::Syncs;
use super::session;
use crate::CliError;
use crate::commands::help::grammar_mistake;
use crate::commands::{Command, Context};
use crate::render;
use crate::terminal;
use clap::{ArgMatches, Args, FromArgMatches};
use model::Exit;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "get",
    clap: || {
        let about = "List the GitSyncs of a cluster, or show one";
        GetArgs::augment_args(clap::Command::new("get")).about(about)
    },
    exits: &[
        (Exit::Clean, "shown"),
        (Exit::CouldNot, "there is no such GitSync, or the cluster could not be asked"),
        (Exit::Usage, "the command line or the config file is wrong"),
        (Exit::Interrupted, "stopped by Ctrl-C (143: by SIGTERM)"),
    ],
    run,
};

#[derive(Args)]
struct GetArgs {
    /// Name of the GitSync; all of the namespace when absent
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Namespace [default: the context's]
    #[arg(short, long)]
    namespace: Option<String>,
    /// Those of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "name"])]
    all_namespaces: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn run(matches: &ArgMatches, context: &Context<'_>) -> Result<Exit, CliError> {
    let args = GetArgs::from_arg_matches(matches).map_err(grammar_mistake)?;
    let config = context.load_config()?;
    session::run(context, config, |session| async move {
        let syncs = Syncs::connect(&session, &args.cluster, args.namespace.as_ref()).await?;
        let list = session
            .unless_stopped(async {
                match &args.name {
                    Some(name) => Ok(vec![syncs.get(name).await?]),
                    None => syncs.list(args.all_namespaces).await,
                }
            })
            .await?;
        let text = || render::gitsync::list(&list, session.out);
        terminal::print_as(&list, args.output.format, text)?;
        Ok(Exit::Clean)
    })
}
