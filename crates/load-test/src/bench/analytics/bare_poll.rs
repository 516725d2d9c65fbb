//! What reading the input costs at least: a poll loop with nothing behind it, in a process of its own.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use contracts::{Topic, Tweet, TweetLike};
use kafka_client::{BareConsumer, BarePlace, Isolation, KafkaConfig};
use serde::{Deserialize, Serialize};

use crate::{
    bench::{Options, cores::Effort},
    stage::{PARTITIONS, Process, Stage, WAIT},
};

/// How long the broker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the process is told.
#[derive(Debug, Args)]
pub(in crate::bench) struct Task {
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    prefix: String,
    /// Whether it reads the JSON of each record
    #[arg(long)]
    parse: bool,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Polled {
    pub(super) records: u64,
    /// Likes that say `liked: true`, where it parses.
    pub(super) liked: u64,
    /// From the first record to the last one.
    pub(super) seconds: f64,
    /// Seconds of processor time.
    pub(super) cpu: f64,
}

impl Task {
    /// Reads both topics from their beginning to their end, and prints the answer.
    pub(in crate::bench) fn run(&self) -> anyhow::Result<()> {
        let config = KafkaConfig { brokers: self.brokers.clone(), ..KafkaConfig::default() };
        let consumer = BareConsumer::new(&config, "livewall-bench", Isolation::Committed)?;
        let topics = [Topic::Tweets, Topic::TweetLikes].map(|topic| topic.with_prefix(&self.prefix));
        let (mut places, mut open) = (Vec::new(), 0);
        let mut ends = [[0; PARTITIONS as usize]; 2];
        for (topic, ends) in topics.iter().zip(&mut ends) {
            for (partition, end) in (0..).zip(ends) {
                let bounds = consumer.bounds(topic, partition, PATIENCE)?;
                *end = bounds.end;
                places.push(BarePlace { topic, partition, offset: bounds.start });
                open += usize::from(bounds.end > bounds.start);
            }
        }
        consumer.read_from(&places)?;
        let effort = Effort::of(std::process::id())?;
        let deadline = Instant::now() + WAIT;
        let mut first = None;
        let (mut records, mut liked) = (0, 0);
        while open > 0 {
            let Some(message) = consumer.poll(Duration::from_millis(100))? else {
                anyhow::ensure!(Instant::now() < deadline, "the records did not come in time");
                continue;
            };
            first.get_or_insert_with(Instant::now);
            records += 1;
            let place = message.place();
            let topic = topics.iter().position(|topic| topic == place.topic).context("an unknown topic")?;
            if self.parse && topic == 0 {
                serde_json::from_slice::<Tweet>(message.value())?;
            } else if self.parse {
                liked += u64::from(serde_json::from_slice::<TweetLike>(message.value())?.liked);
            }
            open -= usize::from(place.offset + 1 == ends[topic][usize::try_from(place.partition)?]);
        }
        let seconds = first.context("there are no records")?.elapsed().as_secs_f64();
        let polled = Polled { records, liked, seconds, cpu: effort.spent()?.own };
        println!("{}", serde_json::to_string(&polled)?);
        Ok(())
    }
}

/// Runs it on the core of the services.
pub(super) async fn poll(options: &Options, stage: &Stage, parse: bool) -> anyhow::Result<Polled> {
    let args = ["bare-poll", "--brokers", &options.brokers, "--prefix", stage.prefix()];
    let mut process = Process::new("bare-poll", std::env::current_exe()?)?
        .args(args)
        .args(parse.then_some("--parse"))
        .on_core(options.service_core.0);
    process.start()?;
    let ended = process.ended().await?;
    let said = process.log();
    anyhow::ensure!(ended.status.success(), "the bare poll loop failed: {said}");
    serde_json::from_str(said.lines().last().unwrap_or_default()).with_context(|| format!("it said: {said}"))
}
