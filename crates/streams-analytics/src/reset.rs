//! `streams-analytics reset`: everything computed is forgotten, and computed anew from the input topics.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command};
use contracts::Topic;
use kafka_client::{
    ClusterWatch, KafkaConfig, KafkaError, Layout, PartitionBounds,
    admin::{Forgotten, forget_group},
    transaction::{LogCutter, OutRecord, PartitionEvent, PartitionReader, RawEnds, TransactionalProducer},
};
use service_shell::Shutdown;

use crate::{TOPICS, config::Config, tasks::NAME};

/// How long the cluster may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long members that have just ended may still count as members (`session.timeout.ms`), and some more.
const LEAVING: Duration = Duration::from_secs(15);
/// How long the transaction of a member that died may stay open: until its timeout (10 s), and until the broker looks for
/// those (every 10 s), and some more.
const OPEN: Duration = Duration::from_secs(40);
/// Between looks at it.
const LOOK: Duration = Duration::from_millis(200);
/// Results that are withdrawn in one transaction.
const AT_ONCE: usize = 10_000;

const FROM_RETAINED: &str = "from-retained";

/// Where results stand.
const RESULTS: [Topic; 3] = [Topic::TweetLikeCounts, Topic::TweetAnalytics, Topic::TweetWindows];

/// The subcommand.
pub fn command() -> Command {
    Command::new("reset")
        .about("Forget everything computed, so that the service computes it anew from the input topics")
        .after_help(
            "Stop every streams-analytics first. Forgotten are the group's offsets, the changelog and all results;\n\
             the next start reads the input topics from their beginning. It may be repeated if it was interrupted.",
        )
        .arg(Arg::new(FROM_RETAINED).long(FROM_RETAINED).action(ArgAction::SetTrue).help(
            "Go on although retention has deleted part of the input, and compute from what is left: other results",
        ))
}

/// Does it.
///
/// # Errors
/// Where it may not be done, with what to do; or the cluster's reason.
pub async fn run(config: Config, asked: ArgMatches, shutdown: Shutdown) -> anyhow::Result<()> {
    let prefix = config.topics.prefix.clone();
    let watch = ClusterWatch::start(&config.kafka, &prefix, &TOPICS, shutdown.clients())?;
    let layout = tokio::time::timeout(PATIENCE, watch.layout()).await.ok().flatten();
    let layout = layout.with_context(|| watch.ready().err().unwrap_or_else(|| "the cluster does not answer".into()))?;
    let reset = Reset { kafka: config.kafka, prefix, layout };
    if !asked.get_flag(FROM_RETAINED) {
        let reset = reset.clone();
        tokio::task::spawn_blocking(move || reset.check_input()).await??;
    }
    reset.forget_offsets().await?;
    reset.empty_changelog().await?;
    for topic in RESULTS {
        let reset = reset.clone();
        tokio::task::spawn_blocking(move || reset.withdraw(topic)).await??;
    }
    println!("done; the next start computes everything anew");
    shutdown.close_clients();
    Ok(())
}

#[derive(Clone)]
struct Reset {
    kafka: KafkaConfig,
    prefix: String,
    layout: Layout,
}

impl Reset {
    /// Refuses where results could not become what they were.
    fn check_input(&self) -> anyhow::Result<()> {
        for topic in [Topic::Tweets, Topic::TweetLikes] {
            let topic = topic.with_prefix(&self.prefix);
            for partition in 0..self.layout.partitions {
                let start = PartitionReader::new(&self.kafka, &topic, partition)?.committed_bounds(PATIENCE)?.start;
                anyhow::ensure!(
                    start == 0,
                    "retention has deleted the first {start} records of {topic}, partition {partition}: the results would \
                     be other ones; --{FROM_RETAINED} computes them from what is left"
                );
            }
        }
        Ok(())
    }

    async fn forget_offsets(&self) -> anyhow::Result<()> {
        let group = format!("{}{NAME}", self.prefix);
        let deadline = tokio::time::Instant::now() + LEAVING;
        while forget_group(&self.kafka, &group).await? == Forgotten::InUse {
            anyhow::ensure!(
                tokio::time::Instant::now() < deadline,
                "group {group} has members: stop every streams-analytics, and try again"
            );
            tracing::info!(group, "waiting for members to leave");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        println!("group {group}: its offsets are forgotten");
        Ok(())
    }

    async fn empty_changelog(&self) -> Result<(), KafkaError> {
        let topic = Topic::StreamsAnalyticsChangelog.with_prefix(&self.prefix);
        let (ends, cutter) = (RawEnds::new(&self.kafka)?, LogCutter::new(&self.kafka, &topic)?);
        for partition in 0..self.layout.partitions {
            let end = ends.end(&topic, partition, PATIENCE)?;
            cutter.cut(partition, end).await?;
        }
        println!("{topic}: is empty");
        Ok(())
    }

    /// Writes a tombstone for every result that stands, so that readers drop it too.
    fn withdraw(&self, topic: Topic) -> anyhow::Result<()> {
        let topic = topic.with_prefix(&self.prefix);
        let producer = TransactionalProducer::new(&self.kafka, &format!("{}{NAME}-reset", self.prefix))?;
        producer.init(PATIENCE)?;
        let mut withdrawn = 0;
        for partition in 0..self.layout.partitions {
            let keys = self.standing(&topic, partition)?;
            for keys in keys.chunks(AT_ONCE) {
                producer.begin()?;
                for key in keys {
                    producer.send(OutRecord { topic: &topic, partition, key: Some(key), value: None, headers: &[] })?;
                }
                producer.delivered()?;
                producer.commit()?;
            }
            withdrawn += keys.len();
        }
        println!("{topic}: {withdrawn} results are withdrawn");
        Ok(())
    }

    /// Where a partition begins and ends, once no transaction is open in it: what others have committed behind the beginning
    /// of one is not to be seen before.
    fn settled_bounds(&self, reader: &PartitionReader, topic: &str, partition: i32) -> anyhow::Result<PartitionBounds> {
        let ends = RawEnds::new(&self.kafka)?;
        let deadline = Instant::now() + OPEN;
        loop {
            // The raw end first: what it counts, the committed end must have reached.
            let end = ends.end(topic, partition, PATIENCE)?;
            let bounds = reader.committed_bounds(PATIENCE)?;
            if bounds.end >= end {
                return Ok(bounds);
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "a transaction on {topic}, partition {partition}, does not end: kafka-transactions.sh find-hanging tells \
                 whose it is; end it, and try again"
            );
            std::thread::sleep(LOOK);
        }
    }

    /// The keys of a partition that have a value.
    fn standing(&self, topic: &str, partition: i32) -> anyhow::Result<Vec<Vec<u8>>> {
        let reader = PartitionReader::new(&self.kafka, topic, partition)?;
        let bounds = self.settled_bounds(&reader, topic, partition)?;
        let mut standing = HashMap::<Vec<u8>, bool>::new();
        if bounds.start < bounds.end {
            reader.read_from(bounds.start)?;
            let mut quiet_since = Instant::now();
            loop {
                match reader.poll(Duration::from_secs(1))? {
                    PartitionEvent::Record(record) => {
                        quiet_since = Instant::now();
                        standing.insert(record.key().to_vec(), !record.value().is_empty());
                    }
                    PartitionEvent::End => break,
                    PartitionEvent::PositionLost => anyhow::bail!("{topic} was cut while it was read; try again"),
                    PartitionEvent::Nothing => {
                        anyhow::ensure!(quiet_since.elapsed() < PATIENCE, "{topic}: the broker does not deliver");
                    }
                }
            }
        }
        Ok(standing.into_iter().filter_map(|(key, stands)| stands.then_some(key)).collect())
    }
}
