//! The output: records and input offsets that become visible together or not at all.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ThreadedProducer},
    util::Timeout,
};

use super::{CommittedOffset, Group, GroupOptions, reports::Reports};
use crate::{KafkaConfig, KafkaError, bootstrap::Bootstrap, logging::Logged};

/// A record to write.
#[derive(Debug, Clone, Copy)]
pub struct OutRecord<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The key; an empty one must be given as `None`.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Name and value of each header.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Why a step of a transaction failed, by what has to be done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransactionError {
    /// Call the same step again; the reason passes by itself.
    #[error("{0}")]
    Retry(KafkaError),
    /// Abort; this producer can begin anew then.
    #[error("{0}")]
    Abort(KafkaError),
    /// This producer is of no use any more, and whether a commit happened is unknown. Another producer with the same id
    /// may have taken over: see [`TransactionalProducer::is_superseded`].
    #[error("{0}")]
    Fatal(KafkaError),
    /// A record is larger than the client or the broker takes. The same again would be refused again.
    #[error("{0}")]
    TooLarge(KafkaError),
}

impl From<ClientError> for TransactionError {
    fn from(error: ClientError) -> Self {
        match &error {
            _ if is_too_large(&error) => Self::TooLarge(error.into()),
            ClientError::Transaction(cause) if cause.is_fatal() => Self::Fatal(error.into()),
            ClientError::Transaction(cause) if cause.txn_requires_abort() => Self::Abort(error.into()),
            ClientError::Transaction(cause) if cause.is_retriable() => Self::Retry(error.into()),
            // A call that does not fit the producer's state: only a new producer gets out of it.
            ClientError::Transaction(_) => Self::Fatal(error.into()),
            _ if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => Self::Fatal(error.into()),
            _ => Self::Abort(error.into()),
        }
    }
}

/// A producer whose records become visible by [`Self::commit`] only. All calls block.
pub struct TransactionalProducer {
    pub(super) inner: ThreadedProducer<Reports>,
    bootstrap: Bootstrap,
    /// When the last transaction began.
    pub(super) begun: Cell<Instant>,
    /// `transaction.timeout.ms`.
    pub(super) timeout: Duration,
    /// Whether the last transactions took long, or were taken back.
    pub(super) doubt: Cell<bool>,
}

/// A transaction that takes longer may have seen its coordinator or a leader change. Shorter than the time after which
/// a broker that does not answer is taken for dead (`broker.session.timeout.ms`, 9 s unless configured).
const LONG: Duration = Duration::from_secs(1);

/// `transaction.timeout.ms`, where it is not configured: how long a dead process can hold back those who read committed
/// records.
const TIMEOUT: Duration = Duration::from_secs(10);

impl TransactionalProducer {
    /// A producer with this `transactional.id`. Connects by itself, now or when a broker is there.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig, transactional_id: &str) -> Result<Self, KafkaError> {
        let mut client = config.client();
        client
            .set("transactional.id", transactional_id)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random");
        let configured = client.get("transaction.timeout.ms").and_then(|millis| millis.parse().ok());
        let timeout = configured.map_or(TIMEOUT, Duration::from_millis);
        client.set("transaction.timeout.ms", timeout.as_millis().to_string());
        for (property, default) in [
            ("compression.type", "lz4"),
            // A transaction's records are sent in one go and awaited at once.
            ("linger.ms", "0"),
        ] {
            if client.get(property).is_none() {
                client.set(property, default);
            }
        }
        Ok(Self {
            inner: client.create_with_context(Reports::default())?,
            bootstrap: Bootstrap::new(config),
            begun: Cell::new(Instant::now()),
            timeout,
            doubt: Cell::new(true),
        })
    }

    /// Fences earlier producers with the same id and ends their open transactions. Before anything else.
    ///
    /// # Errors
    /// [`TransactionError::Retry`] where the coordinator did not answer within `patience`.
    pub fn init(&self, patience: Duration) -> Result<(), TransactionError> {
        self.remind();
        Ok(self.inner.init_transactions(patience)?)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn begin(&self) -> Result<(), TransactionError> {
        self.remind();
        self.inner.context().begin();
        self.begun.set(Instant::now());
        Ok(self.inner.begin_transaction()?)
    }

    fn remind(&self) {
        self.bootstrap.remind(self.inner.client());
    }

    /// Sends a record; waits where the queue is full. Returns its place among the transaction's records, at which
    /// [`Self::delivered`] tells its offset.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn send(&self, record: OutRecord<'_>) -> Result<usize, TransactionError> {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(*value) })
            });
        let ticket = self.inner.context().ticket();
        let mut outgoing = BaseRecord::<[u8], [u8], usize>::with_opaque_to(record.topic, ticket)
            .partition(record.partition)
            .headers(headers);
        outgoing.key = record.key;
        outgoing.payload = record.value;
        loop {
            match self.inner.send(outgoing) {
                Ok(()) => return Ok(Reports::place(ticket)),
                Err((error, refused)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    outgoing = refused;
                    thread::sleep(Duration::from_millis(1));
                }
                Err((error, refused)) => {
                    // What went wrong before, where this is but its consequence.
                    return Err(self.inner.context().failure().unwrap_or_else(|| {
                        let bytes = refused.payload.map_or(0, <[u8]>::len);
                        refusal(&error, refused.topic, record.partition, bytes)
                    }));
                }
            }
        }
    }

    /// Waits until all in-sync replicas have everything sent in this transaction; the offsets, by order of sending.
    ///
    /// Comes before [`Self::commit`], which would wait in steps of 100 ms.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn delivered(&self) -> Result<Vec<i64>, TransactionError> {
        self.inner.context().wait(|| self.remind())
    }

    /// Whether [`Self::delivered`] would not wait.
    pub fn is_delivered(&self) -> bool {
        self.inner.context().is_complete()
    }

    /// Lets the transaction commit these offsets of `group`: partition, and what to commit for each of its topics.
    ///
    /// # Errors
    /// [`TransactionError`]; [`TransactionError::Abort`] too where `group` no longer owns its partitions.
    pub fn send_offsets(&self, group: &Group, offsets: &[(i32, Vec<CommittedOffset>)]) -> Result<(), TransactionError> {
        let lost = || TransactionError::Abort(KafkaError::new("the group's assignment was lost"));
        let member = group.metadata().ok_or_else(lost)?;
        self.send_offsets_of(&member, group.topics(), offsets)
    }

    /// The same without saying as which member, so that nobody's loss of a partition is noticed: a way to lose data, for
    /// proofs that this would be noticed.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn send_offsets_of_nobody(
        &self,
        config: &KafkaConfig,
        group: &GroupOptions,
        offsets: &[(i32, Vec<CommittedOffset>)],
    ) -> Result<(), TransactionError> {
        self.send_offsets_of(&nobody(config, &group.group)?, &group.topics, offsets)
    }

    pub(super) fn send_offsets_of(
        &self,
        member: &ConsumerGroupMetadata,
        topics: &[String],
        offsets: &[(i32, Vec<CommittedOffset>)],
    ) -> Result<(), TransactionError> {
        let mut list = TopicPartitionList::new();
        for (partition, committed) in offsets {
            for (topic, committed) in topics.iter().zip(committed) {
                let mut element = list.add_partition(topic, *partition);
                element.set_offset(Offset::Offset(committed.offset))?;
                element.set_metadata(&committed.metadata);
            }
        }
        again(|| {
            self.remind();
            Ok(self.inner.send_offsets_to_transaction(&list, member, Timeout::Never)?)
        })
    }

    /// Commits what was sent, and the offsets.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn commit(&self) -> Result<(), TransactionError> {
        again(|| {
            self.remind();
            Ok(self.inner.commit_transaction(Timeout::Never)?)
        })?;
        if self.begun.get().elapsed() >= LONG {
            self.doubt.set(true);
        }
        Ok(())
    }

    /// Takes back what was sent.
    ///
    /// # Errors
    /// [`TransactionError::Fatal`].
    pub fn abort(&self) -> Result<(), TransactionError> {
        self.doubt.set(true);
        again(|| {
            self.remind();
            Ok(self.inner.abort_transaction(Timeout::Never)?)
        })
    }

    /// After [`TransactionError::Fatal`]: whether another producer with the same id has taken over. The coordinator uses
    /// the same words when it gives up a transaction that has timed out, so this is told of young transactions only.
    pub fn is_superseded(&self) -> bool {
        self.may_be_superseded() && self.begun.get().elapsed() < self.timeout * 3 / 4
    }

    /// The same, where it may also be that a transaction has timed out.
    pub fn may_be_superseded(&self) -> bool {
        self.inner.client().fatal_error().is_some_and(|(code, _)| {
            use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
            matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch)
        })
    }
}

fn is_too_large(error: &ClientError) -> bool {
    use RDKafkaErrorCode::{InvalidMessageSize, MessageBatchTooLarge, MessageSizeTooLarge};
    matches!(error.rdkafka_error_code(), Some(MessageSizeTooLarge | MessageBatchTooLarge | InvalidMessageSize))
}

/// Why a record was not taken, with which it was, where that is its own fault.
pub(super) fn refusal(error: &ClientError, topic: &str, partition: i32, bytes: usize) -> TransactionError {
    if is_too_large(error) {
        return TransactionError::TooLarge(KafkaError::new(format!(
            "a record of {topic}, partition {partition}, with a value of {bytes} bytes is not taken: {error}"
        )));
    }
    error.clone().into()
}

/// What a consumer that has joined no group says of itself.
pub(super) fn nobody(config: &KafkaConfig, group: &str) -> Result<ConsumerGroupMetadata, TransactionError> {
    let client: BaseConsumer<Logged> = config.client().set("group.id", group).create_with_context(Logged)?;
    client.group_metadata().ok_or_else(|| TransactionError::Abort(KafkaError::new("a consumer has no group")))
}

/// Repeats a step that may be repeated. Ends: each call lasts up to the rest of the transaction's timeout, after which the
/// broker's answer is another one.
fn again(mut step: impl FnMut() -> Result<(), TransactionError>) -> Result<(), TransactionError> {
    loop {
        match step() {
            Err(TransactionError::Retry(reason)) => {
                tracing::debug!("transaction: {reason}");
                thread::sleep(Duration::from_millis(100));
            }
            outcome => return outcome,
        }
    }
}
