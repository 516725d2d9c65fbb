//! Topics of their own on a real broker: what goes in, what comes out.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use contracts::{Conference, Record, Timestamp, Topic, partition_of};
use kafka_client::{
    BareProducer, BareRecord, KafkaConfig, admin,
    transaction::{PartitionEvent, PartitionReader},
};
use serde_json::json;
use streams_analytics::results::Results;

use crate::{
    logs::{Line, Says},
    oracle::Answer,
    published::Published,
};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const PARTITIONS: i32 = 4;

pub(crate) struct Wall {
    kafka: KafkaConfig,
    prefix: String,
    producer: BareProducer,
    /// Everything sent, by topic and partition; `None`: poison.
    sent: RefCell<Sent>,
}

type Sent = BTreeMap<(Topic, i32), Vec<Option<Line>>>;

/// A committed record.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    /// In milliseconds; on the input topics the broker's.
    pub(crate) timestamp: i64,
    headers: BTreeMap<&'static str, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Wall {
    /// With all topics.
    pub(crate) fn new() -> Self {
        let wall = Self::without_topics();
        actix_web::rt::System::new()
            .block_on(admin::create_topics(&wall.kafka, &wall.prefix, PARTITIONS, 1, Topic::spec))
            .unwrap();
        wall
    }

    pub(crate) fn without_topics() -> Self {
        let brokers = std::env::var("LIVEWALL_TEST_BROKERS")
            .expect("LIVEWALL_TEST_BROKERS names a running broker, such as the one that scripts/kafka up prints");
        let prefix = format!("t{}-", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        Self::on(KafkaConfig { brokers, ..KafkaConfig::default() }, &prefix)
    }

    /// On a broker that has its topics.
    pub(crate) fn on(kafka: KafkaConfig, prefix: &str) -> Self {
        let producer = BareProducer::new(&kafka).unwrap();
        Self { kafka, prefix: prefix.to_owned(), producer, sent: RefCell::default() }
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.kafka.brokers
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn kafka(&self) -> &KafkaConfig {
        &self.kafka
    }

    pub(crate) fn name(&self, topic: Topic) -> String {
        topic.with_prefix(&self.prefix)
    }

    /// Puts lines on their topics.
    pub(crate) fn send(&self, lines: &[Line]) {
        for line in lines {
            let partition = partition_of(&Conference::parse(&line.conference).unwrap(), PARTITIONS);
            let told = line.told.map(|told| Timestamp::from_millis(told).to_string());
            let (topic, value) = match &line.says {
                Says::Posted { author, text, hashtag } => (
                    Topic::Tweets,
                    json!({"eventType": "tweetEvent", "tweetId": line.tweet, "text": text, "author": author,
                        "hashtag": hashtag, "tagFilter": line.conference, "createdAt": told}),
                ),
                Says::Likes { visitor, liked } => (
                    Topic::TweetLikes,
                    json!({"tweetId": line.tweet, "conference": line.conference, "visitorId": visitor, "liked": liked,
                        "at": told}),
                ),
            };
            self.write(topic, partition, &line.conference, value.to_string().as_bytes());
            self.sent.borrow_mut().entry((topic, partition)).or_default().push(Some(line.clone()));
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    /// Puts bytes on a topic.
    pub(crate) fn poison(&self, topic: Topic, partition: i32, value: &[u8]) {
        self.poison_often(topic, partition, value, 1);
    }

    /// The same, so many times.
    pub(crate) fn poison_often(&self, topic: Topic, partition: i32, value: &[u8], times: usize) {
        for _ in 0..times {
            self.write(topic, partition, "poison", value);
            self.sent.borrow_mut().entry((topic, partition)).or_default().push(None);
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    fn write(&self, topic: Topic, partition: i32, key: &str, value: &[u8]) {
        let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned())];
        let topic = self.name(topic);
        let record = BareRecord { topic: &topic, partition, key: key.as_bytes(), value, headers: &headers };
        self.producer.send(record).unwrap();
    }

    /// Every committed record of a topic, partition by partition, but those by which a transaction was ended.
    pub(crate) fn read(&self, topic: Topic) -> Vec<Seen> {
        let records = (0..PARTITIONS).flat_map(|partition| self.read_partition(topic, partition));
        records.filter(|record| record.key != "/").collect()
    }

    fn read_partition(&self, topic: Topic, partition: i32) -> Vec<Seen> {
        let reader = PartitionReader::new(&self.kafka, &self.name(topic), partition).unwrap();
        let mut seen = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        let bounds = loop {
            // A topic that was just made, or a broker that was, may have no leader for a moment.
            match reader.committed_bounds(PATIENCE) {
                Ok(bounds) => break bounds,
                Err(error) => assert!(Instant::now() < deadline, "{topic:?}: {error}"),
            }
        };
        reader.read_from(bounds.start).unwrap();
        loop {
            assert!(Instant::now() < deadline, "the broker does not deliver {topic:?}");
            match reader.poll(Duration::from_millis(100)).unwrap() {
                PartitionEvent::Record(record) => {
                    let names = ["ce_id", "traceparent", "origin_topic", "origin_partition", "origin_offset", "error"];
                    let header = |name| Some((name, String::from_utf8(record.header(name)?.to_vec()).unwrap()));
                    seen.push(Seen {
                        partition,
                        offset: record.offset(),
                        key: String::from_utf8(record.key().to_vec()).unwrap(),
                        value: record.value().to_vec(),
                        timestamp: record.timestamp(),
                        headers: names.into_iter().filter_map(header).collect(),
                    });
                }
                PartitionEvent::End => return seen,
                PartitionEvent::Nothing => {}
                PartitionEvent::PositionLost => panic!("{topic:?} was cut while it was read"),
            }
        }
    }

    /// What a reader of the results has now, of what was sent.
    pub(crate) fn published(&self, sent: &[Line]) -> Answer {
        let mut published = Published::new(sent);
        published.take(Results {
            counts: self.results(Topic::TweetLikeCounts),
            conferences: self.results(Topic::TweetAnalytics),
            windows: self.results(Topic::TweetWindows),
        });
        published.answer
    }

    fn results<R: Record>(&self, topic: Topic) -> Vec<R> {
        let mut results: Vec<(String, R)> = Vec::new();
        for record in self.read(topic) {
            if record.value.is_empty() {
                // Withdrawn by a reset; of a key that nothing has, it is of a transaction that was never committed, which
                // the in-memory broker shows.
                results.retain(|(key, _)| *key != record.key);
            } else {
                results.push((record.key, R::from_json(&record.value).unwrap()));
            }
        }
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Sent so far on a topic's partition.
    pub(crate) fn sent(&self, topic: Topic, partition: i32) -> Vec<Option<Line>> {
        self.sent.borrow().get(&(topic, partition)).cloned().unwrap_or_default()
    }
}
