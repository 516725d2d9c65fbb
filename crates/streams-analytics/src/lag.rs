//! How far the tasks are behind their input.

use std::{sync::Arc, time::Duration};

use contracts::Topic;
use kafka_client::{KafkaError, Layout, PartitionBounds, Watermarks};
use tokio_util::sync::CancellationToken;

use crate::{changelog::InputOffsets, config::Config, tasks::Status};

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
                let own = positions.get(&partition);
                let of = |bounds, next: fn(InputOffsets) -> i64| own.map_or(0, |own| lag(bounds, own.map(next)));
                gauge("tweets", partition, &tweets, |bounds| of(bounds, |next| next.tweets));
                gauge("tweet-likes", partition, &likes, |bounds| of(bounds, |next| next.likes));
            }
        }
    }));
    Ok(())
}

fn gauge(topic: &'static str, partition: i32, bounds: &[PartitionBounds], lag: impl Fn(PartitionBounds) -> i64) {
    let Some(bounds) = usize::try_from(partition).ok().and_then(|at| bounds.get(at)) else { return };
    let lag = lag(*bounds) as f64;
    metrics::gauge!("analytics_lag_records", "topic" => topic, "partition" => partition.to_string()).set(lag);
}

/// Of a partition that is this instance's, running or not. Where it is not known yet what is next, nothing counts as read:
/// an alert must not be blind while a partition waits.
fn lag(bounds: PartitionBounds, next: Option<i64>) -> i64 {
    bounds.end.saturating_sub(next.unwrap_or(bounds.start)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_lags_whether_or_not_it_runs() {
        let bounds = PartitionBounds { start: 10, end: 50 };
        assert_eq!(lag(bounds, Some(45)), 5);
        assert_eq!(lag(bounds, Some(51)), 0, "the end was asked for earlier");
        assert_eq!(lag(bounds, None), 40, "where it goes on is not known yet");
    }
}
