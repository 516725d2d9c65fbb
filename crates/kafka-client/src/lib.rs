//! Kafka as Livewall uses it, and the only crate that names rdkafka.
//!
//! - [`ClusterWatch`] finds the cluster, checks that the topics are there with one partition count, and goes on watching;
//! - [`Producer`] writes typed records, each acknowledged by all in-sync replicas before its future is ready;
//! - [`BroadcastReader`] reads a whole topic, every partition, without a consumer group, for replicas that each need all;
//! - [`read_range`] and [`RangeReader`] read bounded pieces of a topic again;
//! - [`transaction`] has the parts of a task that reads, computes and writes exactly once;
//! - [`Watermarks`] asks the broker where partitions begin and end, once for all who wait;
//! - [`admin`] creates and verifies topics;
//! - [`BareProducer`] and [`BareConsumer`] are for benches and tests.
//!
//! Settings that carry Livewall's promises (acks, idempotence, isolation level, …) are set here and cannot be overridden.

pub mod admin;
mod bare;
mod bare_consumer;
mod bootstrap;
mod cluster;
mod config;
mod embedded;
mod logging;
mod producer;
mod range;
mod reader;
pub mod transaction;
mod watermarks;

pub use bare::{BareProducer, BareRecord};
pub use bare_consumer::{BareConsumer, BareMessage, BarePlace, Isolation};
pub use cluster::{ClusterState, ClusterWatch, Layout};
pub use config::{BadKafkaConfig, KafkaConfig, TopicsConfig};
pub use embedded::EmbeddedBroker;
pub use producer::{Delivery, Producer, RecordPosition, SendError};
pub use range::{OwnedRecord, Range, RangeReader, read_range};
pub use reader::{BroadcastReader, ReaderEvent, ReaderState, TopicRecord};
pub use watermarks::{PartitionBounds, Watermarks};

/// A client that could not be made or used; the text is librdkafka's.
#[derive(Debug, Clone, thiserror::Error)]
#[error("kafka: {0}")]
pub struct KafkaError(String);

impl KafkaError {
    /// An error of our own making.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<rdkafka::error::KafkaError> for KafkaError {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        Self(match error.rdkafka_error_code() {
            Some(code) => format!("{error} [{code:?}]"),
            None => error.to_string(),
        })
    }
}
