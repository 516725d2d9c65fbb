//! librdkafka's in-memory broker, for a first look without Kafka.

use contracts::Topic;
use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

use crate::{KafkaConfig, KafkaError};

/// An in-memory broker inside this process. Keeps a few MiB per partition, nothing after the process; isolates no
/// transactions. Never for tests or production: it is librdkafka's own test double.
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedBroker {
    /// Starts it with every topic.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn start(prefix: &str, partitions: i32) -> Result<Self, KafkaError> {
        let cluster = MockCluster::new(1)?;
        for topic in Topic::ALL {
            cluster.create_topic(&topic.with_prefix(prefix), partitions, 1)?;
        }
        Ok(Self { cluster })
    }

    /// Whether a cluster of this id is one of these.
    pub(crate) fn is_it(cluster_id: &str) -> bool {
        cluster_id.starts_with("mockCluster")
    }

    /// A configuration that reaches it.
    pub fn config(&self) -> KafkaConfig {
        let mut config = KafkaConfig { brokers: self.cluster.bootstrap_servers(), ..KafkaConfig::default() };
        // It does not wake a fetch that waits for data, so fetches must be short.
        config.properties.insert("fetch.wait.max.ms".into(), "5".into());
        config
    }
}
