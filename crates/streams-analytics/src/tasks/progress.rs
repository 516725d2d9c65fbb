//! How far reading a state back is, for the log and the metrics.

use std::time::{Duration, Instant};

/// How often it is logged.
const BETWEEN_LINES: Duration = Duration::from_secs(5);
/// How often the metrics are set.
const BETWEEN_FIGURES: Duration = Duration::from_millis(500);

/// Of one partition.
pub(super) struct Progress {
    partition: i32,
    records: u64,
    /// Offsets that are still to be read. Some of them may hold no record: ends of transactions, and what was aborted.
    remaining: i64,
    began: Instant,
    logged: Instant,
    figured: Instant,
}

impl Progress {
    pub(super) fn new(partition: i32, now: Instant) -> Self {
        Self { partition, records: 0, remaining: 0, began: now, logged: now, figured: now }
    }

    /// Reading begins.
    pub(super) fn begin(&mut self, remaining: i64) {
        self.remaining = remaining;
        (self.logged, self.figured) = (Instant::now(), Instant::now());
        self.figures();
    }

    /// A record was read.
    pub(super) fn note(&mut self, remaining: i64) {
        self.records += 1;
        self.remaining = remaining;
    }

    /// Tells where it stands, where it is time to.
    pub(super) fn tell(&mut self) {
        if self.figured.elapsed() >= BETWEEN_FIGURES {
            self.figured = Instant::now();
            self.figures();
        }
        if self.logged.elapsed() >= BETWEEN_LINES {
            self.logged = Instant::now();
            tracing::info!(
                partition = self.partition,
                records = self.records,
                records_per_second = self.per_second().round(),
                remaining = self.remaining,
                "restoring"
            );
        }
    }

    /// The state is there.
    pub(super) fn finish(&mut self) {
        let seconds = self.began.elapsed().as_secs_f64();
        metrics::counter!("analytics_restores_total").increment(1);
        metrics::histogram!("analytics_restore_seconds").record(seconds);
        tracing::info!(partition = self.partition, records = self.records, seconds, "restored");
    }

    fn per_second(&self) -> f64 {
        self.records as f64 / self.began.elapsed().as_secs_f64().max(1e-3)
    }

    fn figures(&self) {
        self.set(self.records as f64, self.per_second(), self.remaining as f64);
    }

    fn set(&self, records: f64, per_second: f64, remaining: f64) {
        let partition = self.partition.to_string();
        metrics::gauge!("analytics_restore_records", "partition" => partition.clone()).set(records);
        metrics::gauge!("analytics_restore_records_per_second", "partition" => partition.clone()).set(per_second);
        metrics::gauge!("analytics_restore_remaining_records", "partition" => partition).set(remaining);
    }
}

/// Read back or given up: nothing is being read.
impl Drop for Progress {
    fn drop(&mut self) {
        self.set(0.0, 0.0, 0.0);
    }
}
