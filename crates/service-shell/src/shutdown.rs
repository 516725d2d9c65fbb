//! Ending in order.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Passed by value to everything that has to end. Cancelled once: by a signal, or by a part that cannot go on.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    clients: CancellationToken,
    failure: std::sync::Arc<std::sync::OnceLock<String>>,
}

impl Shutdown {
    /// Not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the shutdown: not ready, stop accepting, finish requests, close streams.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Begins the shutdown because a part cannot go on; the process ends with this line and a failure.
    pub fn fail(&self, reason: impl Into<String>) {
        let _ = self.failure.set(reason.into());
        self.begin();
    }

    /// Why the process has to end, where it was not asked to.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Ready when it begins.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// For parts that work until the HTTP server has ended, such as Kafka readers and the transactional task: cancelled
    /// by [`Shutdown::close_clients`].
    pub fn clients(&self) -> CancellationToken {
        self.clients.clone()
    }

    /// No request or stream is left: Kafka clients may close.
    pub fn close_clients(&self) {
        tracing::info!("closing Kafka clients");
        self.clients.cancel();
    }
}

/// Waits for SIGTERM or SIGINT, `begin`s the shutdown, and then returns at the second signal. Whoever blocks the thread of
/// this future meanwhile keeps the second signal from being heard.
///
/// # Errors
/// Where the handlers cannot be installed.
pub async fn signals(shutdown: Shutdown) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for round in 0..2 {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if round == 0 {
            tracing::info!("shutting down; a second signal ends at once");
            shutdown.begin();
        }
    }
    Ok(())
}
