//! The input: several topics read by a consumer group, partition p of all of them by one member.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
};
use serde::{Deserialize, Serialize};

use super::membership::{Change, Membership};
use crate::{KafkaConfig, KafkaError, bootstrap::Bootstrap};

/// How long a seek may take; it asks no broker.
const SEEK: Duration = Duration::from_secs(5);

/// How a group moves its partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Assignment {
    /// All members give up all, then each gets its part (the classic protocol). A new life of a static member takes the
    /// place of the former one at once.
    #[default]
    Eager,
    /// The coordinator moves single partitions, and those that stay are read on (KIP-848; brokers of Kafka 4). Session and
    /// heartbeat are the broker's to configure (`group.consumer.session.timeout.ms`, 45 s unless configured), and a new
    /// life of a killed static member waits until the session of the former one has ended.
    Cooperative,
}

/// Who joins which group.
#[derive(Debug, Clone)]
pub struct GroupOptions {
    /// `group.id`.
    pub group: String,
    /// Full names of the input topics, all with the same number of partitions.
    pub topics: Vec<String>,
    /// `group.instance.id` of a static member; empty: a dynamic one.
    pub instance: String,
    /// All members must agree.
    pub assignment: Assignment,
}

/// A member of a consumer group. It commits nothing itself: offsets go with the transaction of their results.
pub struct Group {
    consumer: BaseConsumer<Membership>,
    bootstrap: Bootstrap,
    topics: Vec<String>,
    cooperative: bool,
}

/// What came of a poll.
pub enum Polled<'a> {
    /// The next record of an assigned partition.
    Record(InputRecord<'a>),
    /// The assignment changes.
    Change(Change),
    /// Nothing, within the time.
    Nothing,
    /// Another process has taken this member's instance id.
    Fenced,
    /// This member's instance id is still that of a former life, whose session has not ended. Join again, later.
    Unreleased,
    /// The broker no longer has the records that are next.
    PositionLost,
    /// The consumer cannot go on.
    Broken(KafkaError),
}

impl<'a> Polled<'a> {
    /// The record, or whatever else came.
    ///
    /// # Errors
    /// What is no record.
    pub fn record(self) -> Result<InputRecord<'a>, Polled<'static>> {
        Err(match self {
            Self::Record(record) => return Ok(record),
            Self::Change(change) => Polled::Change(change),
            Self::Nothing => Polled::Nothing,
            Self::Fenced => Polled::Fenced,
            Self::Unreleased => Polled::Unreleased,
            Self::PositionLost => Polled::PositionLost,
            Self::Broken(error) => Polled::Broken(error),
        })
    }
}

/// A record of an input topic, in the client's buffers.
pub struct InputRecord<'a> {
    message: BorrowedMessage<'a>,
    /// Which of [`GroupOptions::topics`].
    pub topic: usize,
}

impl InputRecord<'_> {
    /// The partition.
    pub fn partition(&self) -> i32 {
        self.message.partition()
    }

    /// The offset in it.
    pub fn offset(&self) -> i64 {
        self.message.offset()
    }

    /// Milliseconds since the epoch; whose clock it is follows from the topic.
    pub fn timestamp(&self) -> i64 {
        self.message.timestamp().to_millis().unwrap_or(0)
    }

    /// The key, where there is one.
    pub fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    /// The value; `None` is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.message.payload()
    }

    /// Copies of the headers, in order.
    pub fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let headers = self.message.headers();
        headers.map_or_else(Vec::new, |headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
        })
    }
}

/// What the group has committed for one partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to read.
    pub offset: i64,
    /// What was committed beside it.
    pub metadata: String,
}

impl Group {
    /// Begins to join. Returns at once, whether or not a broker is there.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn join(config: &KafkaConfig, options: GroupOptions) -> Result<Self, KafkaError> {
        let mut client = config.client();
        client
            .set("group.id", &options.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false");
        if !options.instance.is_empty() {
            client.set("group.instance.id", &options.instance);
        }
        let cooperative = options.assignment == Assignment::Cooperative;
        // Either gives partition p of topics with equally many partitions to the same member; checked at each assignment.
        if cooperative {
            client.set("group.protocol", "consumer").set("group.remote.assignor", "range");
        } else {
            client.set("partition.assignment.strategy", "range");
            // How long a dead member's partitions wait.
            default(&mut client, "session.timeout.ms", "10000");
            default(&mut client, "heartbeat.interval.ms", "1000");
        }
        // Fetched ahead, in KiB; librdkafka's default is 64 MiB.
        default(&mut client, "queued.max.messages.kbytes", "8192");
        // A full queue is looked at again soon, not after librdkafka's second.
        default(&mut client, "fetch.queue.backoff.ms", "5");
        let consumer: BaseConsumer<Membership> = client.create_with_context(Membership::default())?;
        let topics: Vec<&str> = options.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        Ok(Self { consumer, bootstrap: Bootstrap::new(config), topics: options.topics, cooperative })
    }

    /// Whether single partitions come and go, while the others are read on.
    pub fn is_cooperative(&self) -> bool {
        self.cooperative
    }

    /// Waits for what comes next, at most `patience`. Must be called often: the group drops a member that does not poll.
    pub fn poll(&self, patience: Duration) -> Polled<'_> {
        if let Some(change) = self.consumer.context().next_change() {
            return Polled::Change(change);
        }
        let polled = self.consumer.poll(patience);
        if let Some(Ok(message)) = polled {
            let topic = self.topics.iter().position(|topic| topic == message.topic());
            return topic.map_or(Polled::Nothing, |topic| Polled::Record(InputRecord { message, topic }));
        }
        // Whoever hears of records needs no reminding.
        self.bootstrap.remind(self.consumer.client());
        match polled {
            Some(Err(error)) => match self.cause(&error) {
                Some(RDKafkaErrorCode::FencedInstanceId) => Polled::Fenced,
                Some(RDKafkaErrorCode::UnreleasedInstanceId) => Polled::Unreleased,
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => Polled::PositionLost,
                _ if matches!(error, ClientError::MessageConsumptionFatal(_)) => Polled::Broken(error.into()),
                Some(RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::TopicAuthorizationFailed) => {
                    // Asked again by librdkafka, until somebody grants it.
                    tracing::warn!("reading the input: {error}");
                    Polled::Nothing
                }
                _ => {
                    // Such as lost connections: librdkafka's to retry.
                    tracing::debug!("reading the input: {error}");
                    Polled::Nothing
                }
            },
            _ => self.consumer.context().next_change().map_or(Polled::Nothing, Polled::Change),
        }
    }

    /// Answers [`Change::Assigned`]: takes the partitions, all paused, each topic's at its offset. Not at a logical one: the
    /// broker's answer to that can come after a seek, and would count (librdkafka 2.12).
    ///
    /// # Errors
    /// Where the assignment is no longer possible.
    pub fn assign(&self, partitions: &[(i32, Vec<i64>)]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (partition, offsets) in partitions {
            for (topic, offset) in self.topics.iter().zip(offsets) {
                list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
            }
        }
        if self.cooperative {
            self.consumer.incremental_assign(&list)?;
        } else {
            self.consumer.assign(&list)?;
        }
        self.consumer.pause(&list)?;
        Ok(())
    }

    /// Answers [`Change::Revoked`], and [`Change::Torn`] where the member is not cooperative.
    ///
    /// # Errors
    /// Where librdkafka refuses.
    pub fn unassign(&self, partitions: &[i32]) -> Result<(), KafkaError> {
        if !self.cooperative {
            return Ok(self.consumer.unassign()?);
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition) in self.topics.iter().flat_map(|topic| partitions.iter().map(move |at| (topic, at))) {
            list.add_partition(topic, *partition);
        }
        Ok(self.consumer.incremental_unassign(&list)?)
    }

    /// Reads `partition` from these offsets, one per topic. Records that were fetched before are not delivered any more.
    ///
    /// # Errors
    /// Where a partition is not being read yet: to be tried again.
    pub fn read_from(&self, partition: i32, offsets: &[i64]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (topic, offset) in self.topics.iter().zip(offsets) {
            list.add_partition_offset(topic, partition, Offset::Offset(*offset))?;
        }
        let sought = self.consumer.seek_partitions(list, SEEK)?;
        for element in sought.elements() {
            element.error()?;
        }
        Ok(self.consumer.resume(&sought)?)
    }

    /// What a transaction needs to commit offsets as this member. `None` where this is no member of the group now: the
    /// broker would take offsets from a nameless one.
    pub(super) fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        // In this order: an assignment that was lost before the metadata was taken is seen, one that is lost later has
        // another generation, which the broker refuses.
        let metadata = self.consumer.group_metadata()?;
        (!self.consumer.assignment_lost()).then_some(metadata)
    }

    /// The topics, as [`GroupOptions::topics`].
    pub(super) fn topics(&self) -> &[String] {
        &self.topics
    }

    /// A fatal error's code says only that it is fatal.
    fn cause(&self, error: &ClientError) -> Option<RDKafkaErrorCode> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => self.consumer.client().fatal_error().map(|(code, _)| code),
            code => code,
        }
    }
}

/// Sets what is not configured.
fn default(client: &mut ClientConfig, property: &str, value: &str) {
    if client.get(property).is_none() {
        client.set(property, value);
    }
}

impl Drop for Group {
    /// Leaves the group, unless the member is static.
    fn drop(&mut self) {
        self.consumer.context().leave();
        // A change that nobody has answered would keep the consumer from closing.
        let _ = self.consumer.unassign();
    }
}
