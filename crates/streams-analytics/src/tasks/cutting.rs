//! Deleting what the changelog no longer needs.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka_client::{
    KafkaConfig, KafkaError,
    transaction::{GroupObserver, LogCutter},
};
use tokio::sync::mpsc;

use super::decide::committed_position;

/// How often a partition is cut at most.
const BETWEEN: Duration = Duration::from_millis(200);
/// How long the group's coordinator may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the changelog's partitions may be cut. Its work is done elsewhere than on the caller's thread.
pub(super) struct Cutting {
    partitions: mpsc::UnboundedSender<i32>,
    /// Up to where, and when, each was wanted to be cut last.
    last: BTreeMap<i32, (i64, Instant)>,
}

impl Cutting {
    /// Needs a Tokio runtime.
    pub(super) fn start(kafka: &KafkaConfig, group: Arc<GroupObserver>, changelog: &str) -> Result<Self, KafkaError> {
        let cutter = Cutter { group, changelog: LogCutter::new(kafka, changelog)?, cut: BTreeMap::new() };
        let (partitions, wanted) = mpsc::unbounded_channel();
        tokio::spawn(cutter.run(wanted));
        Ok(Self { partitions, last: BTreeMap::new() })
    }

    /// A commit was acknowledged that needs nothing before `restore_from`.
    pub(super) fn note(&mut self, partition: i32, restore_from: i64) {
        let is_due = |(last, at): &(i64, Instant)| restore_from > *last && at.elapsed() >= BETWEEN;
        if self.last.get(&partition).is_none_or(is_due) {
            self.last.insert(partition, (restore_from, Instant::now()));
            let _ = self.partitions.send(partition);
        }
    }
}

struct Cutter {
    group: Arc<GroupObserver>,
    changelog: LogCutter,
    /// Up to where each partition was cut last.
    cut: BTreeMap<i32, i64>,
}

impl Cutter {
    async fn run(mut self, mut wanted: mpsc::UnboundedReceiver<i32>) {
        let mut failing = false;
        while let Some(partition) = wanted.recv().await {
            let outcome = self.cut(partition).await;
            if let (Err(error), false) = (&outcome, failing) {
                // Harmless but for the space that it takes; a later commit tries again.
                tracing::warn!(partition, "cannot delete what the changelog no longer needs: {error}");
            }
            failing = outcome.is_err();
        }
    }

    /// Cuts before what the group's offsets need. Not before what the last commit needs: one that was acknowledged can
    /// still be taken back, where a broker that dies loses the end of its transaction.
    async fn cut(&mut self, partition: i32) -> anyhow::Result<()> {
        let group = Arc::clone(&self.group);
        let committed = tokio::task::spawn_blocking(move || group.committed(partition, PATIENCE)).await??;
        let Some(position) = committed_position(&committed)? else { return Ok(()) };
        if self.cut.get(&partition) != Some(&position.restore_from) {
            self.changelog.cut(partition, position.restore_from).await?;
            self.cut.insert(partition, position.restore_from);
        }
        Ok(())
    }
}
