//! Putting a log on its topics, as fast as a bare producer can.

use std::{ops::Range, thread, time::Duration};

use contracts::{Conference, Record, TRACEPARENT, Timestamp, Topic, Tweet, TweetLike, partition_of};
use fastrand::Rng;
use kafka_client::{BareProducer, BareRecord, SendError};

use super::log::{Log, headers};
use crate::{
    bench::cores,
    stage::{PARTITIONS, Stage, WAIT},
};

/// Whole batches, as readers who are behind find them; services send at once.
const LINGER_MS: &str = "10";
/// What waits to be sent at most: enough for whole batches, and little enough to stay in the processor's caches.
const QUEUE: &str = "40000";

/// Writes all tweets, acknowledged when this returns.
pub(super) fn tweets(stage: &Stage, log: &Log) -> anyhow::Result<()> {
    writing(stage, log, Topic::Tweets, ("/event-bridge", Tweet::KIND), |writer| {
        (0..log.shape.tweets).try_for_each(|number| {
            let tweet = log.tweet(number);
            let created = tweet.created_at.unwrap_or_default();
            writer.send(log.conference_of(number), created, &tweet.to_json())
        })
    })
}

/// Writes these likes, acknowledged when this returns.
pub(super) fn likes(stage: &Stage, log: &Log, places: Range<usize>) -> anyhow::Result<()> {
    writing(stage, log, Topic::TweetLikes, ("/likes", TweetLike::KIND), |writer| {
        log.opinions()[places].iter().try_for_each(|opinion| {
            let like = log.like(*opinion);
            writer.send(log.conference_of(opinion.tweet), like.at.unwrap_or_default(), &like.to_json())
        })
    })
}

struct Writer<'a> {
    producer: BareProducer,
    topic: String,
    /// Of each conference, with its partition.
    keys: Vec<(&'a str, i32)>,
    headers: Vec<(&'static str, String)>,
    rng: Rng,
    sent: u64,
}

/// On any core: nothing is measured yet.
fn writing(
    stage: &Stage,
    log: &Log,
    topic: Topic,
    (source, kind): (&'static str, &'static str),
    write: impl FnOnce(&mut Writer<'_>) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    let mut config = stage.broker.config();
    config.properties.insert("linger.ms".into(), LINGER_MS.into());
    config.properties.insert("queue.buffering.max.messages".into(), QUEUE.into());
    let keys =
        log.conferences().iter().map(|name| Ok((name.as_str(), partition_of(&Conference::parse(name)?, PARTITIONS))));
    let keys = keys.collect::<anyhow::Result<_>>()?;
    let mut rng = Rng::with_seed(1);
    let headers = headers(source, Timestamp::default(), &mut rng).pairs(kind);
    let topic = topic.with_prefix(stage.prefix());
    cores::on_core(None, || {
        let mut writer = Writer { producer: BareProducer::new(&config)?, topic, keys, headers, rng, sent: 0 };
        write(&mut writer)?;
        writer.producer.flush(WAIT)?;
        let (acknowledged, sent) = (writer.producer.acknowledged(), writer.sent);
        anyhow::ensure!(acknowledged == sent, "{acknowledged} of {sent} records were acknowledged");
        Ok(())
    })
}

impl Writer<'_> {
    fn send(&mut self, conference: usize, time: Timestamp, value: &[u8]) -> anyhow::Result<()> {
        // These three are each record's own.
        for (name, header) in &mut self.headers {
            let (high, low) = (self.rng.u64(..), self.rng.u64(..));
            match *name {
                "ce_id" => *header = uuid::Uuid::from_u64_pair(high, low).to_string(),
                "ce_time" => *header = time.to_string(),
                TRACEPARENT => *header = format!("00-{high:016x}{low:016x}-{:016x}-00", high ^ low),
                _ => {}
            }
        }
        let (key, partition) = self.keys[conference];
        let (topic, headers) = (self.topic.as_str(), self.headers.as_slice());
        let record = BareRecord { topic, partition, key: key.as_bytes(), value, headers };
        self.sent += 1;
        loop {
            match self.producer.send(record) {
                Err(SendError::Busy) => thread::sleep(Duration::from_millis(1)),
                outcome => return Ok(outcome?),
            }
        }
    }
}
