//! The computation on Kafka: one thread, one member of the group, one transactional producer, one task per partition.
//!
//! A commit is one transaction with the results, the changed state and the input offsets of all tasks; between commits,
//! everything is in memory only, and can be taken back.

mod assignment;
mod commit;
mod connection;
mod cutting;
mod dead_letter;
mod decide;
mod locating;
mod pace;
mod progress;
mod restoring;
mod runner;
mod status;
mod stop;
mod task;

use std::{sync::Arc, thread::JoinHandle};

use contracts::Topic;
use kafka_client::{
    Layout,
    transaction::{GroupObserver, GroupOptions, RawEnds},
};
use tokio_util::sync::CancellationToken;

use self::{cutting::Cutting, runner::Runner};
pub(crate) use self::{status::Status, stop::Stop};
use crate::config::Config;

/// The group, and the beginning of transactional ids.
pub(crate) const NAME: &str = "streams-analytics";

/// Full names of the topics, and the partition count of all of them.
pub(crate) struct Topics {
    /// `tweets` and `tweet-likes`.
    inputs: [String; 2],
    counts: String,
    analytics: String,
    windows: String,
    changelog: String,
    dead_letters: String,
    partitions: i32,
}

impl Topics {
    pub(crate) fn new(prefix: &str, layout: &Layout) -> Self {
        Self {
            inputs: [Topic::Tweets.with_prefix(prefix), Topic::TweetLikes.with_prefix(prefix)],
            counts: Topic::TweetLikeCounts.with_prefix(prefix),
            analytics: Topic::TweetAnalytics.with_prefix(prefix),
            windows: Topic::TweetWindows.with_prefix(prefix),
            changelog: Topic::StreamsAnalyticsChangelog.with_prefix(prefix),
            dead_letters: Topic::DeadLetters.with_prefix(prefix),
            partitions: layout.partitions,
        }
    }

    /// Everything that a transaction may write to.
    fn outputs(&self) -> [&str; 5] {
        [&self.counts, &self.analytics, &self.windows, &self.changelog, &self.dead_letters]
    }
}

/// Starts the thread. `ended` is called on it, at the end, with the reason where there is one. Needs a Tokio runtime.
pub(crate) fn start(
    config: &Config,
    layout: &Layout,
    status: Arc<Status>,
    stop: CancellationToken,
    ended: impl FnOnce(Result<(), Stop>) + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    let prefix = &config.topics.prefix;
    let topics = Topics::new(prefix, layout);
    let instance = config.kafka.instance_id.clone();
    // A static member's id survives it, so that its next life fences it at once; a dynamic one needs none of that.
    let transactional_id = match instance.as_str() {
        "" => format!("{prefix}{NAME}-{}", uuid::Uuid::new_v4()),
        instance => format!("{prefix}{NAME}-{instance}"),
    };
    let member = GroupOptions {
        group: format!("{prefix}{NAME}"),
        topics: topics.inputs.to_vec(),
        instance,
        assignment: config.analytics.assignment,
    };
    let observer = Arc::new(GroupObserver::new(&config.kafka, &member)?);
    let cutting = Cutting::start(&config.kafka, Arc::clone(&observer), &topics.changelog)?;
    let runner = Runner::new(
        config.kafka.clone(),
        config.analytics.clone(),
        topics,
        member,
        RawEnds::new(&config.kafka)?,
        observer,
        transactional_id,
        status,
        cutting,
        stop,
    );
    Ok(std::thread::Builder::new().name("analytics-tasks".into()).spawn(move || ended(runner.run()))?)
}
