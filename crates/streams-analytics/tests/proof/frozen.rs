//! How long a process stays stopped.

use std::time::{Duration, Instant};

/// How long one is frozen that nobody replaces: longer than a session (6 s, see [`crate::service::Service`]) and than a
/// transaction may be open (10 s, which the broker looks for every 10 s).
pub(crate) const LONGEST: Duration = Duration::from_secs(25);
/// Commits of another, after which it has surely gone on where this one stands.
const COMMITS: f64 = 3.0;
/// Without input before it wakes and after, so that what it commits then, if it can, is the last commit.
pub(crate) const LULL: Duration = Duration::from_secs(1);

pub(crate) enum Frozen {
    /// Until then.
    Until(Instant),
    /// By its plan: until another has its partitions and has gone on with them, but no longer than until then.
    Alone(Instant),
    /// Another has its partitions, and had committed so often.
    Replaced(Instant, f64),
    /// Another has gone on with them. Nobody sends until then.
    Outrun(Instant),
    /// By its plan, until a process with its instance id has a producer.
    Superseded,
}

impl Frozen {
    /// `commits` is how often a process has committed that has all partitions. `None`: it is time to wake.
    pub(crate) fn next(self, commits: Option<f64>) -> Option<Self> {
        let now = Instant::now();
        let (Self::Until(until) | Self::Alone(until) | Self::Replaced(until, _) | Self::Outrun(until)) = &self else {
            return Some(self);
        };
        if now >= *until {
            return None;
        }
        Some(match (&self, commits) {
            (Self::Alone(until), Some(commits)) => Self::Replaced(*until, commits),
            (Self::Replaced(_, then), Some(commits)) if commits >= then + COMMITS => Self::Outrun(now + LULL),
            _ => self,
        })
    }

    pub(crate) fn is_planned(&self) -> bool {
        !matches!(self, Self::Until(_))
    }
}
