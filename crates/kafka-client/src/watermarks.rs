//! Where the partitions of a topic begin and end, asked once for all who wait.

use std::{thread, time::Duration};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::sync::{mpsc, oneshot};

use crate::{KafkaConfig, KafkaError, Layout, bootstrap::Bootstrap, logging::Logged};

/// How long the broker may take for one partition.
const PATIENCE: Duration = Duration::from_secs(4);
/// Requests that may wait; more are told to come again.
const WAITING: usize = 100_000;

/// First retained and next offset of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionBounds {
    /// The first offset that is still there.
    pub start: i64,
    /// One past the last record.
    pub end: i64,
}

type Answer = oneshot::Sender<Result<Vec<PartitionBounds>, KafkaError>>;

/// Asks the broker for the bounds of one topic's partitions. Clones share one connection and one question.
#[derive(Clone)]
pub struct Watermarks {
    requests: mpsc::Sender<Answer>,
}

impl Watermarks {
    /// Prepares to ask about `topic` (its full name). The thread ends when the last clone is dropped.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig, topic: String, layout: &Layout) -> Result<Self, KafkaError> {
        let mut client = config.client();
        client.set("allow.auto.create.topics", "false");
        let client: BaseConsumer<Logged> = client.create_with_context(Logged)?;
        let (partitions, bootstrap) = (layout.partitions, Bootstrap::new(config));
        let (requests, mut waiting) = mpsc::channel::<Answer>(WAITING);
        thread::Builder::new()
            .name("watermarks".into())
            .spawn(move || {
                let mut askers = Vec::new();
                // Only who asked before the broker is asked may use its answer: later askers may know of later records.
                while waiting.blocking_recv_many(&mut askers, WAITING) > 0 {
                    bootstrap.remind(client.client());
                    let answer = ask(&client, &topic, partitions);
                    for asker in askers.drain(..) {
                        let _ = asker.send(answer.clone());
                    }
                }
            })
            .map_err(|error| KafkaError::new(format!("cannot start a thread: {error}")))?;
        Ok(Self { requests })
    }

    /// The bounds of each partition as the broker has them now.
    ///
    /// # Errors
    /// Where the broker cannot be asked, or too many wait already.
    pub async fn get(&self) -> Result<Vec<PartitionBounds>, KafkaError> {
        let (answer, asked) = oneshot::channel();
        self.requests.try_send(answer).map_err(|_| KafkaError::new("too many wait for the broker's answer"))?;
        asked.await.unwrap_or_else(|_| Err(KafkaError::new("the client was closed")))
    }
}

fn ask(client: &BaseConsumer<Logged>, topic: &str, partitions: i32) -> Result<Vec<PartitionBounds>, KafkaError> {
    (0..partitions)
        .map(|partition| {
            let (start, end) = client.fetch_watermarks(topic, partition, PATIENCE)?;
            Ok(PartitionBounds { start, end })
        })
        .collect()
}
