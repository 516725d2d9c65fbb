//! Waiting for a condition, never for a time.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// How long anything on a stage may take, a broker's restart included: far above what it takes even on a busy machine, so
/// that only what is stuck fails.
pub const WAIT: Duration = Duration::from_mins(2);
/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// A condition did not come true.
#[derive(Debug, Clone, thiserror::Error)]
#[error("waited {waited:?} for {what}: {found}")]
pub struct TimedOut {
    what: String,
    found: String,
    waited: Duration,
}

impl TimedOut {
    pub(crate) fn new(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), found: found.into(), waited: WAIT }
    }
}

/// Looks again and again until `look` answers `Ok`, at most [`WAIT`].
///
/// # Errors
/// What was waited for, and what the last look found in its place.
pub async fn until<T, E: fmt::Display>(
    what: impl fmt::Display,
    look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, TimedOut> {
    until_within(WAIT, what, look).await
}

/// The same with another bound.
///
/// # Errors
/// As [`until`].
pub async fn until_within<T, E: fmt::Display>(
    bound: Duration,
    what: impl fmt::Display,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, TimedOut> {
    let began = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(found) if began.elapsed() > bound => {
                return Err(TimedOut { what: what.to_string(), found: found.to_string(), waited: bound });
            }
            Err(_) => tokio::time::sleep(EVERY).await,
        }
    }
}
