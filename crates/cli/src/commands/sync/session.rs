//! One run against a cluster: the runtime, the signals, the connection and the progress display.

use super::arguments::Settings;
use crate::CliError;
use crate::commands::Context;
use crate::config::Config;
use crate::interrupt::Interrupt;
use crate::progress::Console;
use crate::terminal::{self, Painter, Style};
use cluster::Client;
use delivery::DeliveryError;
use model::{Exit, report};
use std::future::Future;

/// More threads do not help: the work is waiting for the API server.
const WORKER_THREADS_MAX: usize = 4;

/// What a verb needs while it runs.
pub(crate) struct Session {
    /// The config file.
    pub(crate) config: Config,
    /// Ctrl-C and SIGTERM.
    pub(crate) interrupt: Interrupt,
    /// For stdout.
    pub(crate) out: Painter,
    /// For stderr.
    pub(crate) err: Painter,
    live: bool,
    columns: usize,
}

impl Session {
    /// The display of a run.
    pub(crate) fn console(&self) -> Console {
        Console::new(self.err, self.live, self.columns)
    }

    /// Connects, unless a signal comes first.
    pub(crate) async fn connect(&self, settings: &Settings) -> Result<Client, CliError> {
        self.unless_stopped(async {
            Client::connect(&settings.connect)
                .await
                .map_err(|error| CliError::Cluster(Box::new(error)))
        })
        .await
    }

    /// Work that changes nothing is simply left when a signal comes.
    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        tokio::select! {
            result = work => result,
            () = self.interrupt.token().cancelled() => Err(DeliveryError::Stopped.into()),
        }
    }

    /// Says on stderr how a delivery without a name is called.
    pub(crate) fn tell_name(&self, name: &sync::DeliveryName) {
        let note = self.err.paint(Style::Dim, "note:");
        terminal::print_error(&format!(
            "{note} the delivery is called `{}` after its source; --name gives another name\n",
            name.as_str()
        ));
    }
}

/// Runs a verb's work in a runtime of its own and turns a signal into its exit code.
pub(crate) fn run<F, W>(context: &Context<'_>, config: Config, work: F) -> Result<Exit, CliError>
where
    F: FnOnce(Session) -> W,
    W: Future<Output = Result<Exit, CliError>>,
{
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.min(WORKER_THREADS_MAX))
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let host = context.host;
    let (out, err) = (context.stdout_painter(&config), context.stderr_painter(&config));
    let live = host.stderr_is_terminal && host.environment.get("TERM") != Some("dumb");
    let columns = terminal::width_columns(host);
    let result = runtime.block_on(async {
        let interrupt = Interrupt::listen();
        let session = Session { config, interrupt: interrupt.clone(), out, err, live, columns };
        let result = work(session).await;
        match (interrupt.exit(), result) {
            (Some(exit), Ok(_)) => Ok(exit),
            (Some(exit), Err(error)) => {
                let text = report(&error, model::Explain::hint(&error));
                terminal::print_error(&format!("{text}\n"));
                Ok(exit)
            }
            (None, result) => result,
        }
    });
    // A blocking fetch that a signal left behind must not hold the process.
    runtime.shutdown_background();
    result
}
