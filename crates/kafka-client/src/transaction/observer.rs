//! Where a group's input stands, for the parts of a task that must not wait on the thread that polls.

use std::time::{Duration, Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use super::{CommittedOffset, GroupOptions};
use crate::{KafkaConfig, KafkaError, PartitionBounds, bootstrap::Bootstrap, logging::Logged};

/// The least time for one answer of many.
const LEAST: Duration = Duration::from_millis(100);

/// Asks for a group's offsets without joining it. All calls block.
pub struct GroupObserver {
    client: BaseConsumer<Logged>,
    bootstrap: Bootstrap,
    topics: Vec<String>,
}

impl GroupObserver {
    /// Connects by itself. Of `options`, the group and its topics count.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig, options: &GroupOptions) -> Result<Self, KafkaError> {
        let mut client = config.client();
        client
            .set("group.id", &options.group)
            .set("enable.auto.commit", "false")
            // Only then the coordinator waits for transactions (KIP-447, require_stable).
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false");
        Ok(Self {
            client: client.create_with_context(Logged)?,
            bootstrap: Bootstrap::new(config),
            topics: options.topics.clone(),
        })
    }

    /// What the group has committed for `partition`, per topic; `None` where it has committed nothing. Waits for
    /// transactions that are about to end.
    ///
    /// # Errors
    /// Where the coordinator does not answer in time, or such a transaction is still open: to be tried again.
    pub fn committed(&self, partition: i32, patience: Duration) -> Result<Vec<Option<CommittedOffset>>, KafkaError> {
        self.bootstrap.remind(self.client.client());
        let mut list = TopicPartitionList::new();
        for topic in &self.topics {
            list.add_partition(topic, partition);
        }
        let list = self.client.committed_offsets(list, patience)?;
        let committed = self.topics.iter().map(|topic| {
            let Some(element) = list.find_partition(topic, partition) else { return Ok(None) };
            element.error()?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(CommittedOffset { offset, metadata: element.metadata().to_owned() }),
                _ => None,
            })
        });
        committed.collect()
    }

    /// Whether no transaction that may still commit offsets of these partitions is open, `patience` from now at the latest.
    /// To be asked when the coordinator is known to answer.
    pub fn is_stable(&self, partitions: impl IntoIterator<Item = i32>, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        // One by one: others' transactions come and go, and there may always be one that is just ending.
        partitions.into_iter().all(|partition| {
            let left = until.saturating_duration_since(Instant::now()).max(LEAST);
            self.committed(partition, left).is_ok()
        })
    }

    /// Where the committed part of any topic's partition ends: before an open transaction, if there is one.
    ///
    /// # Errors
    /// Where the broker does not answer in time.
    pub fn committed_end(&self, topic: &str, partition: i32, patience: Duration) -> Result<i64, KafkaError> {
        self.bootstrap.remind(self.client.client());
        Ok(self.client.fetch_watermarks(topic, partition, patience)?.1)
    }

    /// Where `partition` of each input topic begins and ends now.
    ///
    /// # Errors
    /// Where the broker does not answer in time.
    pub fn bounds(&self, partition: i32, patience: Duration) -> Result<Vec<PartitionBounds>, KafkaError> {
        let bounds = self.topics.iter().map(|topic| {
            let (start, end) = self.client.fetch_watermarks(topic, partition, patience)?;
            Ok(PartitionBounds { start, end })
        });
        bounds.collect()
    }
}
