//! Transactions that the coordinator has ended, and a partition has not.
//!
//! A transaction is over for a partition when the coordinator's marker is written to it. Kafka (4.3.1; the transaction
//! marker manager, "likely deleted already and hence can be skipped") drops the marker of a partition that has no leader at
//! that moment, and a cluster of one broker that starts again within its session has such moments: the partition, and the
//! group's offsets, then wait for ever, whether the transaction was committed or not.

use std::sync::atomic::Ordering;

use rdkafka::producer::Producer as _;

use super::{CommittedOffset, GroupOptions, OutRecord, TransactionError, TransactionalProducer};
use crate::KafkaConfig;

/// Where a producer writes: every partition of some topics, and the offsets of a group.
#[derive(Debug, Clone)]
pub struct Outputs<'a> {
    /// Full names.
    pub topics: Vec<&'a str>,
    /// Each topic has as many.
    pub partitions: i32,
    /// Whose offsets are committed.
    pub group: &'a GroupOptions,
}

impl TransactionalProducer {
    /// Whether a partition may hold a transaction of this producer open that its coordinator has ended: after a lost
    /// connection, a long transaction or an abort, and at the beginning, when a former life may have left one.
    /// [`Self::end_hanging`] puts an end to it.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.get() || self.inner.context().troubled.load(Ordering::Acquire)
    }

    /// Aborts a transaction that spans all outputs, and with it whatever they hold open of this producer's earlier ones
    /// (a marker ends a producer's transaction, whichever it was). What was committed before may thereby be taken back:
    /// [`super::Group::committed`] tells where things stand.
    ///
    /// # Errors
    /// [`TransactionError`], after which [`Self::is_superseded`] tells whether another producer has taken over.
    pub fn end_hanging(&self, config: &KafkaConfig, outputs: &Outputs<'_>) -> Result<(), TransactionError> {
        self.inner.context().troubled.store(false, Ordering::Release);
        self.begin()?;
        let outcome = self.touch(config, outputs);
        self.abort()?;
        outcome?;
        self.doubt.set(self.begun.get().elapsed() >= self.timeout / 2);
        Ok(())
    }

    /// Makes the transaction span all outputs.
    fn touch(&self, config: &KafkaConfig, outputs: &Outputs<'_>) -> Result<(), TransactionError> {
        for topic in &outputs.topics {
            for partition in 0..outputs.partitions {
                self.send(OutRecord { topic, partition, key: Some(b"-"), value: None, headers: &[] })?;
            }
        }
        self.delivered()?;
        // Any offset does: it is never committed.
        let offset = vec![CommittedOffset { offset: 0, metadata: String::new() }];
        self.send_offsets_of_nobody(config, outputs.group, &[(0, offset)])
    }
}
