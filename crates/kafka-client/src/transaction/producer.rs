//! The output: records and input offsets that become visible together or not at all.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ThreadedProducer},
    util::Timeout,
};

use super::{CommittedOffset, Group, reports::Reports};
use crate::{KafkaConfig, KafkaError, bootstrap::Bootstrap};

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
}

impl From<ClientError> for TransactionError {
    fn from(error: ClientError) -> Self {
        match &error {
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
    inner: ThreadedProducer<Reports>,
    bootstrap: Bootstrap,
    /// When the last transaction began.
    begun: Cell<Instant>,
    /// `transaction.timeout.ms`.
    timeout: Duration,
}

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

    /// Sends a record; waits where the queue is full.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn send(&self, record: OutRecord<'_>) -> Result<(), TransactionError> {
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
                Ok(()) => return Ok(()),
                Err((error, refused)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    outgoing = refused;
                    thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error.into()),
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
        Ok(self.inner.context().wait(|| self.remind())?)
    }

    /// Commits what was sent, with these offsets of `group`: partition, and what to commit for each of its topics.
    ///
    /// # Errors
    /// [`TransactionError`]; [`TransactionError::Abort`] too where `group` no longer owns its partitions.
    pub fn commit(&self, group: &Group, offsets: &[(i32, Vec<CommittedOffset>)]) -> Result<(), TransactionError> {
        let mut list = TopicPartitionList::new();
        for (partition, committed) in offsets {
            for (topic, committed) in group.topics().iter().zip(committed) {
                let mut element = list.add_partition(topic, *partition);
                element.set_offset(Offset::Offset(committed.offset))?;
                element.set_metadata(&committed.metadata);
            }
        }
        let lost = || TransactionError::Abort(KafkaError::new("the group's assignment was lost"));
        let metadata = group.metadata().ok_or_else(lost)?;
        again(|| {
            self.remind();
            Ok(self.inner.send_offsets_to_transaction(&list, &metadata, Timeout::Never)?)
        })?;
        again(|| {
            self.remind();
            Ok(self.inner.commit_transaction(Timeout::Never)?)
        })
    }

    /// Takes back what was sent.
    ///
    /// # Errors
    /// [`TransactionError::Fatal`].
    pub fn abort(&self) -> Result<(), TransactionError> {
        again(|| {
            self.remind();
            Ok(self.inner.abort_transaction(Timeout::Never)?)
        })
    }

    /// After [`TransactionError::Fatal`]: whether another producer with the same id has taken over. The coordinator uses
    /// the same words when it gives up a transaction that has timed out, so this is told of young transactions only.
    pub fn is_superseded(&self) -> bool {
        let fenced = self.inner.client().fatal_error().is_some_and(|(code, _)| {
            use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
            matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch)
        });
        fenced && self.begun.get().elapsed() < self.timeout * 3 / 4
    }

    /// Finds out whether another producer with the same id has taken over, by a transaction with one record for `topic`
    /// that is then aborted.
    ///
    /// # Errors
    /// [`TransactionError`], after which [`Self::is_superseded`] tells. None: nobody has.
    pub fn probe(&self, topic: &str, partition: i32) -> Result<(), TransactionError> {
        self.begin()?;
        let probe = OutRecord { topic, partition, key: None, value: None, headers: &[] };
        let sent = self.send(probe).and_then(|()| self.delivered());
        self.abort()?;
        sent.map(drop)
    }
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
