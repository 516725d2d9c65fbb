//! Writing records, each acknowledged before its caller is.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use contracts::{Conference, EventHeaders, Record, partition_of};
use rdkafka::{
    ClientConfig, ClientContext, Message as _,
    config::RDKafkaLogLevel,
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};
use tokio::sync::oneshot;

use crate::{KafkaConfig, KafkaError, Layout, bootstrap::Bootstrap, logging};

/// Where an acknowledged record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPosition {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// Why a record was not acknowledged. In every case the caller may send it again: Livewall's records are facts, and a
/// repeated one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The bounded queue is full: the broker takes less than what comes in.
    #[error("the queue to the broker is full")]
    Busy,
    /// Larger than the broker or `message.max.bytes` allows.
    #[error("the record is larger than the broker takes")]
    TooLarge,
    /// No acknowledgement within the delivery timeout.
    #[error("the broker did not acknowledge in time: {0}")]
    Unacknowledged(String),
}

/// An idempotent producer that waits for all in-sync replicas. Clones share it.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<ThreadedProducer<Deliveries>>,
    bootstrap: Arc<Bootstrap>,
    prefix: Arc<str>,
    partitions: i32,
}

/// The acknowledgement to come.
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<RecordPosition, SendError>>);

impl Future for Delivery {
    type Output = Result<RecordPosition, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or_else(|_| Err(SendError::Unacknowledged("the producer was closed".into()))))
    }
}

impl Producer {
    /// A producer for the topics under `prefix`. Connects by itself, now or when a broker is there.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig, prefix: &str, layout: &Layout) -> Result<Self, KafkaError> {
        let inner = settings(config).create_with_context(Deliveries)?;
        let bootstrap = Arc::new(Bootstrap::new(config));
        Ok(Self { inner: Arc::new(inner), bootstrap, prefix: prefix.into(), partitions: layout.partitions })
    }

    /// Hands `record` to the queue; what is returned is ready when all in-sync replicas have it.
    ///
    /// Never blocks. Records of one conference keep the order of these calls.
    ///
    /// # Errors
    /// [`SendError::Busy`] where the queue is full, [`SendError::TooLarge`] where no broker would take it.
    pub fn send<R: Record>(&self, record: &R, headers: &EventHeaders) -> Result<Delivery, SendError> {
        let conference = Conference::parse(record.conference())
            .map_err(|refused| SendError::Unacknowledged(format!("not a record of ours: {refused}")))?;
        let topic = R::TOPIC.with_prefix(&self.prefix);
        let (key, value) = (record.key(), record.to_json());
        let (sender, receiver) = oneshot::channel();
        let mut client_headers = OwnedHeaders::new_with_capacity(8);
        for (name, value) in headers.pairs(R::KIND) {
            client_headers = client_headers.insert(Header { key: name, value: Some(value.as_bytes()) });
        }
        let outgoing = BaseRecord::with_opaque_to(&topic, Box::new(sender))
            .partition(partition_of(&conference, self.partitions))
            .key(key.as_str())
            .payload(value.as_slice())
            .headers(client_headers);
        self.bootstrap.remind(self.inner.client());
        match self.inner.send(outgoing) {
            Ok(()) => Ok(Delivery(receiver)),
            Err((error, _)) => Err(send_error(&error)),
        }
    }

    /// Waits until everything handed over is acknowledged or has failed, at most `bound`. Blocks its thread.
    ///
    /// # Errors
    /// How many records were still waiting.
    pub fn flush(&self, bound: Duration) -> Result<(), KafkaError> {
        self.inner
            .flush(bound)
            .map_err(|_| KafkaError::new(format!("{} records were not acknowledged", self.inner.in_flight_count())))
    }

    /// Ready with the reason once this producer can never write again, such as when the broker has lost records that it
    /// had acknowledged: its process has to start anew.
    pub async fn failed(&self) -> String {
        loop {
            if let Some((code, reason)) = self.inner.client().fatal_error() {
                return format!("the producer cannot go on: {reason} [{code:?}]");
            }
            self.bootstrap.remind(self.inner.client());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Records that wait for an acknowledgement.
    pub fn in_flight(&self) -> i32 {
        self.inner.in_flight_count()
    }
}

/// What every producer of services is set to.
pub(crate) fn settings(config: &KafkaConfig) -> ClientConfig {
    let mut client = config.client();
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Records carry their partition; this is for whoever reads the settings and for records without one.
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", config.delivery_timeout_ms.to_string());
    for (property, default) in [
        ("queue.buffering.max.messages", "100000"),
        ("queue.buffering.max.kbytes", "65536"),
        ("compression.type", "lz4"),
        // A single post goes out at once; batches form by themselves while a request is on its way.
        ("linger.ms", "0"),
    ] {
        if client.get(property).is_none() {
            client.set(property, default);
        }
    }
    client
}

pub(crate) fn send_error(error: &ClientError) -> SendError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => SendError::Busy,
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => SendError::TooLarge,
        _ => SendError::Unacknowledged(error.to_string()),
    }
}

/// Passes each delivery report on to whoever waits for it.
struct Deliveries;

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        logging::line(level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        logging::error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<oneshot::Sender<Result<RecordPosition, SendError>>>;

    fn delivery(&self, report: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let outcome = match report {
            Ok(message) => Ok(RecordPosition { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(send_error(error)),
        };
        // Whoever asked may be gone; the record is on the topic all the same.
        let _ = waiting.send(outcome);
    }
}
