//! Transactions that the coordinator has ended, and a partition has not.
//!
//! A transaction is over for a partition when the coordinator's marker is written to it. Kafka (4.3.1; the transaction
//! marker manager, "likely deleted already and hence can be skipped") drops the marker of a partition that has no leader at
//! that moment, and a cluster of one broker that starts again within its session has such moments: the partition, and the
//! group's offsets, then wait for ever, whether the transaction was committed or not.

use std::sync::atomic::Ordering;

use rdkafka::producer::Producer as _;

use super::{CommittedOffset, GroupOptions, OutRecord, TransactionError, TransactionalProducer, producer::nobody};
use crate::KafkaConfig;

/// What is to be ended.
#[derive(Debug, Clone)]
pub struct Open<'a> {
    /// Partitions of outputs that hold a transaction open, by the topic's full name.
    pub partitions: Vec<(&'a str, i32)>,
    /// Whose offsets may wait for one.
    pub group: &'a GroupOptions,
    /// A topic that the group does not read, and an offset to commit for its first partition.
    pub unread: (&'a str, i64),
}

/// A key that no record has: it is no conference, and begins with none.
const NOBODYS: &[u8] = b"/";

impl TransactionalProducer {
    /// Whether a partition may hold a transaction of this producer open that its coordinator has ended: after a lost
    /// connection, a long transaction or an abort, and at the beginning, when a former life may have left one.
    /// [`Self::end_hanging`] puts an end to it.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.get() || self.inner.context().troubled.load(Ordering::Acquire)
    }

    /// The caller has seen that no partition and no group holds one.
    pub fn settled(&self) {
        self.doubt.set(false);
        self.inner.context().troubled.store(false, Ordering::Release);
    }

    /// Ends whatever is held open of this producer's earlier transactions, by one that spans it all: a marker ends a
    /// producer's transaction, whichever it was. `commits` is asked when the group's coordinator is known to
    /// answer, and tells how that ends.
    ///
    /// Where the group's offsets wait for a transaction, it must be aborted: some of its records may be aborted already,
    /// and the group goes back to before it, so that all of it is done again. Where they do not, it must be committed:
    /// records that belong to committed offsets would be lost otherwise. [`super::GroupObserver::committed`] tells
    /// afterwards where things stand.
    ///
    /// # Errors
    /// [`TransactionError`], after which [`Self::is_superseded`] tells whether another producer has taken over.
    pub fn end_hanging(
        &self,
        config: &KafkaConfig,
        open: &Open<'_>,
        commits: impl FnOnce() -> bool,
    ) -> Result<(), TransactionError> {
        self.inner.context().troubled.store(false, Ordering::Release);
        self.begin()?;
        match self.touch(config, open) {
            Ok(()) if commits() => self.commit()?,
            Ok(()) => self.abort()?,
            Err(error) => {
                self.abort()?;
                return Err(error);
            }
        }
        self.doubt.set(self.begun.get().elapsed() >= self.timeout / 2);
        Ok(())
    }

    /// Makes the transaction span what is open, with records that mean nothing to anybody.
    fn touch(&self, config: &KafkaConfig, open: &Open<'_>) -> Result<(), TransactionError> {
        for &(topic, partition) in &open.partitions {
            self.send(OutRecord { topic, partition, key: Some(NOBODYS), value: None, headers: &[] })?;
        }
        self.delivered()?;
        // There is no other way to make it span the group's offsets than to commit one: of a topic that the group does
        // not read.
        let (topic, offset) = open.unread;
        let offset = CommittedOffset { offset, metadata: String::new() };
        self.send_offsets_of(&nobody(config, &open.group.group)?, &[topic.to_owned()], &[(0, vec![offset])])
    }
}
