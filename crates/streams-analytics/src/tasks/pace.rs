//! When a commit is due.

use std::time::{Duration, Instant};

/// The last commit, and how long commits take.
pub(super) struct Pace {
    began: Instant,
    ended: Instant,
    /// How long a commit takes, smoothed.
    takes: Duration,
}

/// Of how many commits the smoothed time is about the mean.
const SMOOTHED: u32 = 8;

impl Pace {
    /// No commit before `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, ended: now, takes: Duration::ZERO }
    }

    /// Notes a commit.
    pub(super) fn note(&mut self, began: Instant, ended: Instant) {
        (self.began, self.ended) = (began, ended);
        self.takes = (self.takes * (SMOOTHED - 1) + ended.saturating_duration_since(began)) / SMOOTHED;
    }

    /// Where no input waits: so early that a commit is over an `interval` after the last one began, because what came just
    /// after that one has waited since. Never earlier than after half of it, where commits take longer than that.
    pub(super) fn due(&self, interval: Duration) -> Instant {
        self.began + interval.saturating_sub(self.takes.min(interval / 2))
    }

    /// Where input waits: commits leave it the whole interval between them, because a commit costs what it costs, however
    /// much is in it.
    pub(super) fn overdue(&self, interval: Duration) -> Instant {
        self.ended + interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    #[test]
    fn a_commit_is_over_within_the_interval_unless_it_takes_more_than_half_of_it() {
        let began = Instant::now();
        for (takes, due) in [(0, 100), (30, 70), (50, 50), (80, 50)] {
            let mut pace = Pace::new(began);
            let takes = Duration::from_millis(takes);
            (0..100).for_each(|_| pace.note(began, began + takes));
            let due = Duration::from_millis(due);
            let found = pace.due(INTERVAL).saturating_duration_since(began);
            assert!(found.abs_diff(due) < Duration::from_millis(1), "{takes:?}: {found:?}");
            assert_eq!(pace.overdue(INTERVAL), began + takes + INTERVAL);
        }
    }

    #[test]
    fn one_slow_commit_moves_the_next_one_little() {
        let began = Instant::now();
        let mut pace = Pace::new(began);
        pace.note(began, began + Duration::from_millis(80));
        assert_eq!(pace.due(INTERVAL), began + Duration::from_millis(90));
    }
}
