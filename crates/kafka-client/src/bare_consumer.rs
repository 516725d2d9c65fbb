//! A consumer with Livewall's settings and nothing around it.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::BorrowedMessage,
};

use crate::{KafkaConfig, KafkaError, PartitionBounds, logging::Logged};

/// How soon what was not answered is asked again.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);

/// Reads partitions as they are, without a group and without care for restarts of brokers, and tells what a group has
/// committed: what benches and tests measure against, and see with. Services use [`crate::BroadcastReader`] and
/// [`crate::transaction`].
pub struct BareConsumer(BaseConsumer<Logged>);

/// Which records are seen (`isolation.level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Those of committed transactions, and those outside of any.
    Committed,
    /// All, at once.
    Uncommitted,
}

impl Isolation {
    /// As librdkafka calls it.
    pub(crate) fn level(self) -> &'static str {
        match self {
            Self::Committed => "read_committed",
            Self::Uncommitted => "read_uncommitted",
        }
    }
}

/// A partition of a topic (its full name), and a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarePlace<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// A record in the client's buffers.
pub struct BareMessage<'a>(BorrowedMessage<'a>);

impl BareMessage<'_> {
    /// Where it stands.
    pub fn place(&self) -> BarePlace<'_> {
        BarePlace { topic: self.0.topic(), partition: self.0.partition(), offset: self.0.offset() }
    }

    /// The value; empty for a tombstone.
    pub fn value(&self) -> &[u8] {
        self.0.payload().unwrap_or_default()
    }
}

impl BareConsumer {
    /// A consumer that looks at the offsets of `group` (its full name) and is no member of it.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig, group: &str, isolation: Isolation) -> Result<Self, KafkaError> {
        let mut client = config.client();
        client
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", isolation.level())
            .set("allow.auto.create.topics", "false");
        if client.get("fetch.queue.backoff.ms").is_none() {
            client.set("fetch.queue.backoff.ms", "5");
        }
        Ok(Self(client.create_with_context(Logged)?))
    }

    /// Begins to read at these places.
    ///
    /// # Errors
    /// Where librdkafka refuses.
    pub fn read_from(&self, places: &[BarePlace<'_>]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for place in places {
            list.add_partition_offset(place.topic, place.partition, Offset::Offset(place.offset))?;
        }
        Ok(self.0.assign(&list)?)
    }

    /// Waits for the next record, at most `patience`.
    ///
    /// # Errors
    /// Where the records that are next are gone, or the consumer cannot go on.
    pub fn poll(&self, patience: Duration) -> Result<Option<BareMessage<'_>>, KafkaError> {
        match self.0.poll(patience) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(BareMessage(message))),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => Err(error.into()),
                _ if matches!(error, ClientError::MessageConsumptionFatal(_)) => Err(error.into()),
                _ => Ok(None),
            },
        }
    }

    /// Where a partition begins, and where it ends for this isolation.
    ///
    /// # Errors
    /// Where the broker does not answer in time.
    pub fn bounds(&self, topic: &str, partition: i32, patience: Duration) -> Result<PartitionBounds, KafkaError> {
        asked(patience, || {
            let (start, end) = self.0.fetch_watermarks(topic, partition, patience)?;
            Ok(PartitionBounds { start, end })
        })
    }

    /// What the group has committed for each partition of `topic`; `None` where it has committed nothing. Under
    /// [`Isolation::Uncommitted`] it does not wait for transactions that are about to commit.
    ///
    /// # Errors
    /// Where the coordinator does not answer in time.
    pub fn committed(&self, topic: &str, partitions: i32, patience: Duration) -> Result<Vec<Option<i64>>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition(topic, partition);
        }
        let list = asked(patience, || Ok(self.0.committed_offsets(list.clone(), patience)?))?;
        let committed = (0..partitions).map(|partition| {
            let Some(element) = list.find_partition(topic, partition) else { return Ok(None) };
            element.error()?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
        });
        committed.collect()
    }
}

/// Asks again until `patience` is over: a partition of a new topic has no leader at first, and a new group no coordinator.
fn asked<T>(patience: Duration, ask: impl Fn() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let deadline = Instant::now() + patience;
    loop {
        match ask() {
            Err(_) if Instant::now() < deadline => thread::sleep(BETWEEN_QUESTIONS),
            outcome => return outcome,
        }
    }
}
