//! Reading one partition back.

use std::time::Duration;

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
};

use crate::{
    Isolation, KafkaConfig, KafkaError, PartitionBounds, bootstrap::Bootstrap, logging::Logged, reader::consumer,
};

/// What came of a poll.
pub enum PartitionEvent<'a> {
    /// The next record.
    Record(PartitionRecord<'a>),
    /// Everything that is committed now has been read.
    End,
    /// Nothing, within the time.
    Nothing,
    /// The broker does not have the records that are next.
    PositionLost,
}

/// A record in the client's buffers.
pub struct PartitionRecord<'a>(BorrowedMessage<'a>);

impl PartitionRecord<'_> {
    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// Milliseconds since the epoch; whose clock it is follows from the topic.
    pub fn timestamp(&self) -> i64 {
        self.0.timestamp().to_millis().unwrap_or(0)
    }

    /// The key; empty where there is none.
    pub fn key(&self) -> &[u8] {
        self.0.key().unwrap_or_default()
    }

    /// The value; empty for a tombstone.
    pub fn value(&self) -> &[u8] {
        self.0.payload().unwrap_or_default()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.headers()?.iter().find(|header| header.key == name)?.value
    }
}

/// Reads one partition from an offset on, under read_committed, without a group.
pub struct PartitionReader {
    consumer: BaseConsumer<Logged>,
    bootstrap: Bootstrap,
    topic: String,
    partition: i32,
}

impl PartitionReader {
    /// A reader of `partition` of `topic` (its full name), that does not read yet.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig, topic: &str, partition: i32) -> Result<Self, KafkaError> {
        Self::seeing(config, topic, partition, Isolation::Committed)
    }

    /// The same, for those who want to see uncommitted records too.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn seeing(config: &KafkaConfig, topic: &str, partition: i32, isolation: Isolation) -> Result<Self, KafkaError> {
        let mut config = config.clone();
        // The end is told by an answer without records, for which the broker waits so long.
        config.properties.entry("fetch.wait.max.ms".into()).or_insert_with(|| "10".into());
        // Fetched ahead, in KiB; librdkafka's default is 64 MiB. Several partitions are read back at the same time.
        config.properties.entry("queued.max.messages.kbytes".into()).or_insert_with(|| "2048".into());
        // A full queue is looked at again soon, not after librdkafka's second.
        config.properties.entry("fetch.queue.backoff.ms".into()).or_insert_with(|| "5".into());
        Ok(Self {
            consumer: consumer(&config, isolation)?,
            bootstrap: Bootstrap::new(&config),
            topic: topic.to_owned(),
            partition,
        })
    }

    /// Where the partition begins, and where its committed part ends: before an open transaction, if there is one.
    ///
    /// # Errors
    /// Where the broker does not answer in time.
    pub fn committed_bounds(&self, patience: Duration) -> Result<PartitionBounds, KafkaError> {
        self.bootstrap.remind(self.consumer.client());
        let (start, end) = self.consumer.fetch_watermarks(&self.topic, self.partition, patience)?;
        Ok(PartitionBounds { start, end })
    }

    /// Begins to read at `offset`.
    ///
    /// # Errors
    /// Where librdkafka refuses.
    pub fn read_from(&self, offset: i64) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, self.partition, Offset::Offset(offset))?;
        Ok(self.consumer.assign(&list)?)
    }

    /// Waits for what comes next, at most `patience`.
    ///
    /// # Errors
    /// Where the consumer cannot go on.
    pub fn poll(&self, patience: Duration) -> Result<PartitionEvent<'_>, KafkaError> {
        self.bootstrap.remind(self.consumer.client());
        match self.consumer.poll(patience) {
            Some(Ok(message)) => Ok(PartitionEvent::Record(PartitionRecord(message))),
            Some(Err(ClientError::PartitionEOF(_))) => Ok(PartitionEvent::End),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    Ok(PartitionEvent::PositionLost)
                }
                _ if matches!(error, ClientError::MessageConsumptionFatal(_)) => Err(error.into()),
                _ => {
                    tracing::debug!(topic = self.topic, "reading back: {error}");
                    Ok(PartitionEvent::Nothing)
                }
            },
            None => Ok(PartitionEvent::Nothing),
        }
    }
}

/// Tells where partitions end for those who see uncommitted records too: what an open transaction may still commit lies
/// before that.
pub struct RawEnds {
    client: BaseConsumer<Logged>,
    bootstrap: Bootstrap,
}

impl RawEnds {
    /// Connects by itself.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let mut client = config.client();
        client.set("isolation.level", "read_uncommitted").set("allow.auto.create.topics", "false");
        Ok(Self { client: client.create_with_context(Logged)?, bootstrap: Bootstrap::new(config) })
    }

    /// One past the last record of a partition, committed or not.
    ///
    /// # Errors
    /// Where the broker does not answer in time.
    pub fn end(&self, topic: &str, partition: i32, patience: Duration) -> Result<i64, KafkaError> {
        self.bootstrap.remind(self.client.client());
        Ok(self.client.fetch_watermarks(topic, partition, patience)?.1)
    }
}
