//! Ctrl-C and SIGTERM: the first asks the work to stop in order, the second ends the process.

use model::Exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a signal asked for.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    exit_code: Arc<AtomicU8>,
}

impl Interrupt {
    /// Begins to listen; must run inside the runtime. Where the process may not listen, a signal
    /// ends it at once, as it always does.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        for (kind, exit) in [
            (SignalKind::interrupt(), Exit::Interrupted),
            (SignalKind::terminate(), Exit::Terminated),
        ] {
            let Ok(mut signals) = signal(kind) else { continue };
            let interrupt = interrupt.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    interrupt.raise(exit);
                }
            });
        }
        interrupt
    }

    /// What the work looks at.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The exit code of the first signal, when there was one.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self.exit_code.load(Ordering::SeqCst) {
            code if code == Exit::Interrupted.code() => Some(Exit::Interrupted),
            code if code == Exit::Terminated.code() => Some(Exit::Terminated),
            _ => None,
        }
    }

    fn raise(&self, exit: Exit) {
        let first =
            self.exit_code.compare_exchange(0, exit.code(), Ordering::SeqCst, Ordering::SeqCst);
        match first {
            Ok(_) => self.token.cancel(),
            Err(_) => std::process::exit(i32::from(exit.code())),
        }
    }
}
