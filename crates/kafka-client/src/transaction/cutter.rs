//! Deleting what a log no longer needs.

use std::time::Duration;

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
};

use crate::{KafkaConfig, KafkaError, bootstrap::Bootstrap, logging::Logged};

/// How long the cluster may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Cuts the old end of a topic's partitions off (DeleteRecords).
pub struct LogCutter {
    admin: AdminClient<Logged>,
    topic: String,
    bootstrap: Bootstrap,
}

impl LogCutter {
    /// For `topic` (its full name).
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig, topic: &str) -> Result<Self, KafkaError> {
        Ok(Self {
            admin: config.client().create_with_context(Logged)?,
            topic: topic.to_owned(),
            bootstrap: Bootstrap::new(config),
        })
    }

    /// Deletes the records of `partition` before `offset`.
    ///
    /// # Errors
    /// Where the cluster cannot or may not.
    pub async fn cut(&self, partition: i32, offset: i64) -> Result<(), KafkaError> {
        self.bootstrap.remind(self.admin.inner());
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let cut = self.admin.delete_records(&list, &options).await?;
        for element in cut.elements() {
            element.error()?;
        }
        Ok(())
    }
}
