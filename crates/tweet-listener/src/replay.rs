//! Reading old tweets from Kafka again, for viewers that were away longer than memory reaches.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_client::{KafkaError, Range, Watermarks};

use crate::{
    channels::ChannelKey,
    hub::Hub,
    pages::{Found, Page, Pages, Place},
    position::Position,
    tweet_log::merge,
};

/// Why old tweets cannot be had.
#[derive(Debug)]
pub enum ReplayError {
    /// Retention has taken them.
    Expired,
    /// Not now.
    Unavailable(KafkaError),
}

/// Old tweets for single viewers.
pub struct Replay {
    hub: Arc<Hub>,
    pages: Arc<Pages>,
    watermarks: Watermarks,
}

impl Replay {
    /// From `pages` of the log that `watermarks` asks about.
    pub fn new(hub: Arc<Hub>, pages: Pages, watermarks: Watermarks) -> Self {
        Self { hub, pages: Arc::new(pages), watermarks }
    }

    /// Where the log begins and ends as the broker has it: asked once for all who wait.
    ///
    /// # Errors
    /// Where the broker cannot be asked.
    pub async fn bounds(&self) -> Result<(Position, Position), KafkaError> {
        let bounds = self.watermarks.get().await?;
        let position = |of: fn(&kafka_client::PartitionBounds) -> i64| Position(bounds.iter().map(of).collect());
        Ok((position(|bounds| bounds.start), position(|bounds| bounds.end)))
    }

    /// The frames that follow `position` on the way to `until`, at most about `max_bytes`, and the position behind them.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn step(
        &self,
        key: &ChannelKey,
        mut position: Position,
        until: &Position,
        max_bytes: usize,
    ) -> Result<(Bytes, Position), ReplayError> {
        let wanted: Vec<(Place, Range)> = position
            .0
            .iter()
            .zip(&until.0)
            .enumerate()
            .filter(|(_, (from, until))| from < until)
            .map(|(partition, (from, until))| self.pages.place(partition, *from, *until))
            .collect();
        let mut there: Vec<Option<Arc<Page>>> =
            wanted.iter().map(|(place, range)| self.pages.there(*place, range)).collect();
        while there.iter().any(Option::is_none) {
            let (start, _) = self.bounds().await.map_err(ReplayError::Unavailable)?;
            if !position.covers(&start) {
                return Err(ReplayError::Expired);
            }
            // All are asked for before one is waited for.
            let found: Vec<Found> =
                wanted.iter().map(|(place, range)| self.pages.want(*place, range, start.0[place.partition])).collect();
            for ((found, (_, range)), there) in found.into_iter().zip(&wanted).zip(&mut there) {
                let page = match found {
                    Found::There(page) => page,
                    Found::Awaited(awaited) => awaited.page().await.map_err(ReplayError::Unavailable)?,
                };
                // One whose reading had begun before the log was as long as it is now is asked for again.
                *there = page.has(range).then_some(page);
            }
        }
        let pages: Vec<(usize, &Page)> = wanted
            .iter()
            .zip(&there)
            .filter_map(|((place, _), page)| Some((place.partition, page.as_deref()?)))
            .collect();
        let frames = frames(&self.hub, key, &mut position, &pages, max_bytes);
        Ok((frames, position))
    }
}

/// What `key` wants of pages, one of each partition, that hold what follows `position`, which is moved along.
pub fn frames<S>(
    hub: &Hub<S>,
    key: &ChannelKey,
    position: &mut Position,
    pages: &[(usize, &Page)],
    max_bytes: usize,
) -> Bytes {
    let entries = pages.iter().map(|(partition, page)| {
        let begin = page.entries.partition_point(|entry| entry.offset < position.0[*partition]);
        page.entries[begin..].iter()
    });
    let (entries, mut frames) = (entries.collect(), BytesMut::new());
    let all = merge(entries, position, &key.filter, |entry, position| {
        frames.extend_from_slice(&hub.tweet_frame(entry, position, key.html));
        frames.len() < max_bytes
    });
    if all {
        for (partition, page) in pages {
            position.0[*partition] = position.0[*partition].max(page.to);
        }
    }
    frames.freeze()
}
