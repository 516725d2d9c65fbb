//! What streams-analytics has published, beside what is right.

use std::{collections::HashMap, time::Duration};

use contracts::{ConferenceAnalytics, LikeCount, Record};
use kafka_client::{BareConsumer, Isolation, Range, read_range};

use super::log::{Log, tweet_of};
use crate::stage::{PARTITIONS, Stage, WAIT};

/// How long the broker may take to tell a partition's bounds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks the last count of every tweet and the totals of every conference.
pub(super) fn check(stage: &Stage, log: &Log) -> anyhow::Result<()> {
    let counts = log.counts();
    let mut found = vec![0; counts.len()];
    for count in last::<LikeCount>(stage)? {
        let tweet = tweet_of(&count.tweet_id).and_then(|tweet| found.get_mut(tweet as usize));
        *tweet.ok_or_else(|| anyhow::anyhow!("a count of an unknown tweet: {count:?}"))? = count.count;
    }
    for (tweet, (found, right)) in found.iter().zip(&counts).enumerate() {
        anyhow::ensure!(found == right, "tweet {tweet} has {found} likes on the topic, {right} are right");
    }

    let mut totals = vec![(0, 0); log.conferences().len()];
    for (tweet, likes) in (0..).zip(&counts) {
        let total = &mut totals[log.conference_of(tweet)];
        *total = (total.0 + 1, total.1 + likes);
    }
    let published = last::<ConferenceAnalytics>(stage)?;
    for (name, right) in log.conferences().iter().zip(totals) {
        let published = published.iter().find(|published| published.conference == *name);
        let found = published.map(|published| (published.tweet_count, published.like_count));
        anyhow::ensure!(found == Some(right), "{name} has (tweets, likes) {found:?}, {right:?} are right");
    }
    Ok(())
}

/// The last record of each key, of committed ones.
fn last<R: Record>(stage: &Stage) -> anyhow::Result<Vec<R>> {
    let (config, topic) = (stage.broker.config(), R::TOPIC.with_prefix(stage.prefix()));
    let consumer = BareConsumer::new(&config, "livewall-bench", Isolation::Committed)?;
    let ranges = (0..PARTITIONS).map(|partition| {
        let bounds = consumer.bounds(&topic, partition, PATIENCE)?;
        Ok(Range { partition, from: bounds.start, to: bounds.end })
    });
    let ranges = ranges.collect::<anyhow::Result<Vec<_>>>()?;
    let mut last = HashMap::new();
    for record in read_range(&config, &topic, &ranges, WAIT)? {
        let value = R::from_json(record.value.as_deref().unwrap_or_default())?;
        last.insert(value.key(), value);
    }
    Ok(last.into_values().collect())
}
