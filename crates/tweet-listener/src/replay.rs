//! Reading old tweets from Kafka again, for viewers that were away longer than memory reaches.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use kafka_client::{KafkaConfig, KafkaError, Range, Watermarks, read_range};
use tokio::sync::Semaphore;

use crate::{
    channels::ChannelKey,
    hub::Hub,
    position::Position,
    tweet_log::{Entry, merge},
};

/// Records per partition that are read at one time: what one resume holds in memory.
const PAGE: i64 = 500;
/// How long the broker may take for one page.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why old tweets cannot be had.
#[derive(Debug)]
pub enum ReplayError {
    /// Retention has taken them.
    Expired,
    /// Not now.
    Unavailable(KafkaError),
}

/// Reads pages of `tweets`, with a bounded number of consumers whatever the number of viewers.
pub struct Replay {
    config: KafkaConfig,
    topic: String,
    watermarks: Watermarks,
    readers: Arc<Semaphore>,
}

impl Replay {
    /// For `topic` (its full name), with at most `readers` at one time.
    pub fn new(config: KafkaConfig, topic: String, watermarks: Watermarks, readers: usize) -> Self {
        Self { config, topic, watermarks, readers: Arc::new(Semaphore::new(readers)) }
    }

    /// Whether the broker has everything between `position` and its own end: asked once for all who wait.
    ///
    /// # Errors
    /// Where the broker cannot be asked.
    pub async fn bounds(&self) -> Result<(Position, Position), KafkaError> {
        let bounds = self.watermarks.get().await?;
        let position = |of: fn(&kafka_client::PartitionBounds) -> i64| Position(bounds.iter().map(of).collect());
        Ok((position(|bounds| bounds.start), position(|bounds| bounds.end)))
    }

    /// The frames of the next page after `position`, which is moved along; nothing at or after `until` is read.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn page(
        &self,
        hub: &Hub,
        key: &ChannelKey,
        position: &mut Position,
        until: &Position,
    ) -> Result<Bytes, ReplayError> {
        let (start, _) = self.bounds().await.map_err(ReplayError::Unavailable)?;
        let ranges: Vec<Range> = (0..)
            .zip(position.0.iter().zip(&until.0))
            .filter(|(_, (from, until))| from < until)
            .map(|(partition, (from, until))| Range { partition, from: *from, to: (*until).min(from + PAGE) })
            .collect();
        let lost = |range: &Range| usize::try_from(range.partition).is_ok_and(|at| range.from < start.0[at]);
        if ranges.iter().any(lost) {
            return Err(ReplayError::Expired);
        }
        let reader = Arc::clone(&self.readers).acquire_owned().await.expect("the semaphore is never closed");
        let (config, topic, wanted) = (self.config.clone(), self.topic.clone(), ranges.clone());
        let records = tokio::task::spawn_blocking(move || {
            let _reader = reader;
            read_range(&config, &topic, &wanted, PATIENCE)
        })
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        .map_err(ReplayError::Unavailable)?;

        let mut partitions: Vec<Vec<Entry>> = ranges.iter().map(|_| Vec::new()).collect();
        for record in records {
            let (Some(at), Ok(partition)) = (
                ranges.iter().position(|range| range.partition == record.partition),
                usize::try_from(record.partition),
            ) else {
                continue;
            };
            let value = record.value.as_deref().unwrap_or_default();
            // An unreadable record was counted and logged when the feed met it.
            if let Ok(entry) = Entry::read(partition, record.offset, record.timestamp, value, record.trace)
                && !hub.is_repeat(&entry)
            {
                partitions[at].push(entry);
            }
        }
        let mut frames = BytesMut::new();
        merge(partitions.iter().map(|entries| entries.iter()).collect(), position, &key.filter, |entry, position| {
            frames.extend_from_slice(&hub.tweet_frame(entry, position, key.html));
            true
        });
        for range in &ranges {
            if let Some(mine) = usize::try_from(range.partition).ok().and_then(|at| position.0.get_mut(at)) {
                *mine = (*mine).max(range.to);
            }
        }
        Ok(frames.freeze())
    }
}
