//! librdkafka with Livewall's settings and nothing around it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientContext,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};

use crate::{KafkaConfig, KafkaError, SendError, producer};

/// Writes bytes as they are, with the settings of [`crate::Producer`]: what benches measure against, and how tests put on
/// a topic what no service would write. Services use [`crate::Producer`].
pub struct BareProducer {
    inner: ThreadedProducer<Counting>,
    acknowledged: Arc<AtomicU64>,
}

/// A record as bytes.
#[derive(Debug, Clone, Copy)]
pub struct BareRecord<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The headers.
    pub headers: &'a [(&'static str, String)],
}

impl BareProducer {
    /// A producer; connects by itself.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let acknowledged = Arc::default();
        let context = Counting(Arc::clone(&acknowledged));
        Ok(Self { inner: producer::settings(config).create_with_context(context)?, acknowledged })
    }

    /// Hands a record to the queue.
    ///
    /// # Errors
    /// [`SendError::Busy`] where the queue is full.
    pub fn send(&self, record: BareRecord<'_>) -> Result<(), SendError> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header { key, value: Some(value.as_bytes()) });
        }
        let outgoing = BaseRecord::to(record.topic)
            .partition(record.partition)
            .key(record.key)
            .payload(record.value)
            .headers(headers);
        self.inner.send(outgoing).map_err(|(error, _)| producer::send_error(&error))
    }

    /// How many records all in-sync replicas have.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Waits until everything is acknowledged or has failed, at most `bound`. Blocks its thread.
    ///
    /// # Errors
    /// How many records were still waiting.
    pub fn flush(&self, bound: Duration) -> Result<(), KafkaError> {
        self.inner
            .flush(bound)
            .map_err(|_| KafkaError::new(format!("{} records were not acknowledged", self.inner.in_flight_count())))
    }
}

struct Counting(Arc<AtomicU64>);

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        if report.is_ok() {
            self.0.fetch_add(1, Ordering::Release);
        }
    }
}
