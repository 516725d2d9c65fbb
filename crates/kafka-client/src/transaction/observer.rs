//! What a group has committed, for those who are no members of it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::{CommittedOffset, GroupOptions, group::committed};
use crate::{KafkaConfig, KafkaError, bootstrap::Bootstrap, logging::Logged};

/// Asks for a group's offsets without joining it.
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

    /// What the group has committed for `partition`, as [`super::Group::committed`] tells it. Blocks.
    ///
    /// # Errors
    /// As there.
    pub fn committed(&self, partition: i32, patience: Duration) -> Result<Vec<Option<CommittedOffset>>, KafkaError> {
        self.bootstrap.remind(self.client.client());
        committed(&self.client, &self.topics, partition, patience)
    }
}
