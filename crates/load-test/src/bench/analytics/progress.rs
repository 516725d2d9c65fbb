//! How far the group has come.

use std::{
    thread,
    time::{Duration, Instant},
};

use contracts::Topic;
use kafka_client::{BareConsumer, Isolation};

use crate::stage::{PARTITIONS, Stage, WAIT};

/// How long the broker may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked.
const EVERY: Duration = Duration::from_millis(5);

/// The committed offsets of streams-analytics, beside the ends of its input as they were when this was made.
pub(super) struct Progress {
    consumer: BareConsumer,
    inputs: [(String, Vec<i64>); 2],
}

/// At one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    /// Likes that are committed.
    pub(super) likes: i64,
    /// Whether everything is.
    all: bool,
    /// When the broker answered.
    pub(super) at: Instant,
}

impl Progress {
    pub(super) fn of(stage: &Stage) -> anyhow::Result<Self> {
        let group = format!("{}streams-analytics", stage.prefix());
        let consumer = BareConsumer::new(&stage.broker.config(), &group, Isolation::Uncommitted)?;
        let ends = |topic: Topic| {
            let topic = topic.with_prefix(stage.prefix());
            let ends = (0..PARTITIONS).map(|partition| Ok(consumer.bounds(&topic, partition, PATIENCE)?.end));
            ends.collect::<anyhow::Result<_>>().map(|ends| (topic, ends))
        };
        let inputs = [ends(Topic::Tweets)?, ends(Topic::TweetLikes)?];
        Ok(Self { consumer, inputs })
    }

    /// Where the likes of each partition end.
    pub(super) fn likes_ends(&self) -> &[i64] {
        &self.inputs[1].1
    }

    fn now(&self) -> anyhow::Result<Reached> {
        let (mut likes, mut all) = (0, true);
        for (topic, ends) in &self.inputs {
            let committed = self.consumer.committed(topic, PARTITIONS, PATIENCE)?;
            let committed: Vec<i64> = committed.into_iter().map(|offset| offset.unwrap_or(0)).collect();
            all &= committed.iter().zip(ends).all(|(committed, end)| committed >= end);
            likes = committed.iter().sum();
        }
        Ok(Reached { likes, all, at: Instant::now() })
    }

    /// Waits until everything is committed; returns when likes were first, and that.
    pub(super) async fn complete(&self, stage: &Stage) -> anyhow::Result<(Reached, Reached)> {
        let began = Instant::now();
        let mut first = None;
        loop {
            let reached = self.now()?;
            if reached.likes > 0 {
                first.get_or_insert(reached);
            }
            if reached.all {
                return Ok((first.unwrap_or(reached), reached));
            }
            if began.elapsed() > WAIT {
                anyhow::bail!(
                    "{} likes are committed after {WAIT:?}, not all:\n{}",
                    reached.likes,
                    stage.state().await
                );
            }
            thread::sleep(EVERY);
        }
    }
}
