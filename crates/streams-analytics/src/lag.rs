//! How far the tasks are behind their input.

use std::{sync::Arc, time::Duration};

use contracts::Topic;
use kafka_client::{KafkaError, Layout, PartitionBounds, Watermarks};
use tokio_util::sync::CancellationToken;

use crate::{config::Config, tasks::Status};

/// How often the broker is asked.
const EVERY: Duration = Duration::from_secs(5);

/// Keeps the gauge `analytics_lag_records` until `stop`. Needs a Tokio runtime.
pub(crate) fn watch(
    config: &Config,
    layout: &Layout,
    status: Arc<Status>,
    stop: CancellationToken,
) -> Result<(), KafkaError> {
    let ends = |topic: Topic| Watermarks::new(&config.kafka, topic.with_prefix(&config.topics.prefix), layout);
    let (tweets, likes) = (ends(Topic::Tweets)?, ends(Topic::TweetLikes)?);
    let partitions = layout.partitions;
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (Ok(tweets), Ok(likes)) = (tweets.get().await, likes.get().await) else { continue };
            let positions = status.positions();
            for partition in 0..partitions {
                // Another instance's partition is its to tell.
                let next = positions.get(&partition);
                gauge("tweets", partition, &tweets, next.map(|next| next.tweets));
                gauge("tweet-likes", partition, &likes, next.map(|next| next.likes));
            }
        }
    }));
    Ok(())
}

fn gauge(topic: &'static str, partition: i32, bounds: &[PartitionBounds], next: Option<i64>) {
    let Some(bounds) = usize::try_from(partition).ok().and_then(|at| bounds.get(at)) else { return };
    let lag = next.map_or(0, |next| bounds.end.saturating_sub(next).max(0));
    metrics::gauge!("analytics_lag_records", "topic" => topic, "partition" => partition.to_string()).set(lag as f64);
}
