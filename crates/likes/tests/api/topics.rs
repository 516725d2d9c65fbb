//! Topics of one test's own, and what stands on them.

use std::{env, time::Duration};

use contracts::{Conference, EventHeaders, InvalidField, Record, Timestamp, Topic, Tweet, TweetLike};
use kafka_client::{KafkaConfig, Layout, OwnedRecord, Producer, Range, Watermarks, admin, read_range};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) const PARTITIONS: i32 = 4;

/// The broker that `scripts/test` brings up.
pub(crate) fn brokers() -> String {
    env::var("LIVEWALL_TEST_BROKERS")
        .expect("LIVEWALL_TEST_BROKERS names a running Kafka, host:port; scripts/test brings one up")
}

/// All topics under a prefix that nobody else has.
pub(crate) struct Topics {
    pub(crate) kafka: KafkaConfig,
    pub(crate) prefix: String,
    layout: Layout,
}

impl Topics {
    /// A prefix under which there is nothing yet.
    pub(crate) fn missing(brokers: String) -> Self {
        let kafka = KafkaConfig { brokers, ..KafkaConfig::default() };
        let layout = Layout { cluster_id: "test".into(), partitions: PARTITIONS };
        Self { kafka, prefix: format!("likes-{}-", Uuid::new_v4().simple()), layout }
    }

    pub(crate) async fn create(&self) {
        admin::create_topics(&self.kafka, &self.prefix, PARTITIONS, 1, Topic::spec).await.unwrap();
    }

    pub(crate) async fn new() -> Self {
        let topics = Self::missing(brokers());
        topics.create().await;
        topics
    }

    pub(crate) fn producer(&self) -> Producer {
        Producer::new(&self.kafka, &self.prefix, &self.layout).unwrap()
    }

    /// Publishes a tweet and waits for the acknowledgement.
    pub(crate) async fn tweet(&self, id: &str, conference: &str) {
        publish_tweet(&self.producer(), id, conference).await;
    }

    /// Publishes bytes that are no tweet, in the partition of `conference`.
    pub(crate) async fn unreadable_tweet(&self, value: &str, conference: &str) {
        let record = Unreadable { value: value.to_owned(), conference: conference.to_owned() };
        self.producer().send(&record, &headers()).unwrap().await.unwrap();
    }

    /// Everything on `tweet-likes`, by conference in the order of the topic.
    pub(crate) async fn likes(&self) -> Vec<TweetLike> {
        self.like_records().await.iter().map(like).collect()
    }

    pub(crate) async fn like_records(&self) -> Vec<OwnedRecord> {
        let topic = Topic::TweetLikes.with_prefix(&self.prefix);
        let bounds = Watermarks::new(&self.kafka, topic.clone(), &self.layout).unwrap().get().await.unwrap();
        let ranges: Vec<Range> = (0..)
            .zip(bounds)
            .map(|(partition, bounds)| Range { partition, from: bounds.start, to: bounds.end })
            .collect();
        let kafka = self.kafka.clone();
        let read = move || read_range(&kafka, &topic, &ranges, Duration::from_secs(20)).unwrap();
        actix_web::web::block(read).await.unwrap()
    }
}

pub(crate) fn like(record: &OwnedRecord) -> TweetLike {
    TweetLike::from_json(record.value.as_ref().unwrap()).unwrap()
}

pub(crate) async fn publish_tweet(producer: &Producer, id: &str, conference: &str) {
    let conference = Conference::parse(conference).unwrap();
    let tweet = Tweet { tweet_id: id.into(), tag_filter: conference.to_string(), ..Tweet::default() };
    producer.send(&tweet, &headers()).unwrap().await.unwrap();
}

fn headers() -> EventHeaders {
    EventHeaders { id: Uuid::new_v4().to_string(), source: "/test", time: Timestamp::default(), trace: None }
}

#[derive(Serialize, Deserialize)]
struct Unreadable {
    value: String,
    conference: String,
}

impl Record for Unreadable {
    const TOPIC: Topic = Topic::Tweets;
    const KIND: &'static str = "unreadable";

    fn conference(&self) -> &str {
        &self.conference
    }

    fn key(&self) -> String {
        self.conference.clone()
    }

    fn check(&self) -> Result<(), InvalidField> {
        Ok(())
    }

    fn to_json(&self) -> Vec<u8> {
        self.value.clone().into_bytes()
    }
}
