//! A wall under a prefix of its own: topics, a writer, and any number of replicas.

use std::{
    env,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use contracts::{Conference, LikeCount, Record, Topic, Tweet, partition_of};
use kafka_client::{BareProducer, BareRecord, KafkaConfig, admin};
use load_test::{Item, Subscription};
use service_shell::Shutdown;
use tweet_listener::Config;

pub const PARTITIONS: i32 = 4;
const WAIT: Duration = Duration::from_secs(20);

pub struct Wall {
    pub kafka: KafkaConfig,
    pub prefix: String,
    writer: BareProducer,
}

pub struct Replica {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    served: actix_web::rt::task::JoinHandle<anyhow::Result<()>>,
}

impl Wall {
    pub async fn new() -> Self {
        let brokers = env::var("LIVEWALL_TEST_BROKERS")
            .expect("LIVEWALL_TEST_BROKERS names a running broker; scripts/test starts one");
        let kafka = KafkaConfig { brokers, ..KafkaConfig::default() };
        let prefix = format!("tl-{}-", uuid::Uuid::new_v4().simple());
        admin::create_topics(&kafka, &prefix, PARTITIONS, 1, Topic::spec).await.unwrap();
        let writer = BareProducer::new(&kafka).unwrap();
        Self { kafka, prefix, writer }
    }

    /// Writes a raw value to the partition of `conference`.
    pub fn write(&self, topic: Topic, conference: &str, key: &str, value: &[u8]) {
        self.hand_over(topic, conference, key, value);
        self.writer.flush(WAIT).unwrap();
    }

    /// Writes many posts of one conference.
    pub fn post_all(&self, conference: &str, ids: &[String]) {
        for id in ids {
            self.hand_over(Topic::Tweets, conference, conference, &tweet(conference, id).to_json());
        }
        self.writer.flush(WAIT).unwrap();
    }

    /// Writes every count from 1 to `last`.
    pub fn count_up(&self, conference: &str, id: &str, last: u32) {
        for count in 1..=last {
            let count = LikeCount { tweet_id: id.into(), conference: conference.into(), count };
            self.hand_over(Topic::TweetLikeCounts, conference, &count.key(), &count.to_json());
        }
        self.writer.flush(WAIT).unwrap();
    }

    /// Writes a value with the trace of the request that brought it.
    pub fn write_traced(&self, topic: Topic, conference: &str, value: &[u8], trace: &str) {
        let topic = topic.with_prefix(&self.prefix);
        let partition = partition_of(&Conference::parse(conference).unwrap(), PARTITIONS);
        let headers = [("traceparent", trace.to_owned())];
        let key = conference.as_bytes();
        self.writer.send(BareRecord { topic: &topic, partition, key, value, headers: &headers }).unwrap();
        self.writer.flush(WAIT).unwrap();
    }

    fn hand_over(&self, topic: Topic, conference: &str, key: &str, value: &[u8]) {
        let topic = topic.with_prefix(&self.prefix);
        let partition = partition_of(&Conference::parse(conference).unwrap(), PARTITIONS);
        self.writer.send(BareRecord { topic: &topic, partition, key: key.as_bytes(), value, headers: &[] }).unwrap();
    }

    pub fn post(&self, conference: &str, id: &str) {
        self.write(Topic::Tweets, conference, conference, &tweet(conference, id).to_json());
    }

    pub fn count(&self, conference: &str, id: &str, count: u32) {
        let count = LikeCount { tweet_id: id.into(), conference: conference.into(), count };
        self.write(Topic::TweetLikeCounts, conference, &count.key(), &count.to_json());
    }

    pub async fn replica(&self) -> Replica {
        self.replica_with(|_| {}).await
    }

    pub async fn replica_with(&self, set: impl FnOnce(&mut Config)) -> Replica {
        let mut config = Config { kafka: self.kafka.clone(), ..Config::default() };
        config.topics.prefix.clone_from(&self.prefix);
        config.http.workers = 1;
        config.http.drain = Duration::from_secs(2);
        set(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let served = actix_web::rt::spawn(tweet_listener::run(config, listener, shutdown.clone()));
        let replica = Replica { address, shutdown, served };
        let deadline = tokio::time::Instant::now() + WAIT;
        while replica.get("/health/ready").await.0 != 200 {
            assert!(tokio::time::Instant::now() < deadline, "not ready: {}", replica.get("/health/ready").await.1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        replica
    }
}

pub fn tweet(conference: &str, id: &str) -> Tweet {
    Tweet {
        tweet_id: id.into(),
        tag_filter: conference.into(),
        text: format!("<post> \"{id}\" & more"),
        author: "ferris".into(),
        ..Tweet::default()
    }
}

impl Replica {
    pub async fn get(&self, target: &str) -> (u16, serde_json::Value) {
        let answer = reqwest::get(format!("http://{}{target}", self.address)).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    pub async fn open(&self, target: &str) -> Stream {
        Stream::open(self.address, target, None).await
    }

    pub async fn resume(&self, target: &str, id: &str) -> Stream {
        Stream::open(self.address, target, Some(id)).await
    }

    /// Waits until `run` has returned.
    pub async fn ended(self) -> anyhow::Result<()> {
        tokio::time::timeout(WAIT, self.served).await.expect("drains within its bound").unwrap()
    }
}

/// A viewer that keeps what it got.
pub struct Stream {
    subscription: Subscription,
    pub events: Vec<Event>,
    pub retries: Vec<Duration>,
    pub comments: Vec<String>,
    pub open: bool,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub kind: String,
    pub data: serde_json::Value,
    pub id: String,
}

impl Stream {
    async fn open(address: SocketAddr, target: &str, id: Option<&str>) -> Self {
        let subscription = Subscription::open(address, target, id).await.unwrap();
        Self { subscription, events: Vec::new(), retries: Vec::new(), comments: Vec::new(), open: true }
    }

    pub fn id(&self) -> String {
        self.subscription.last_event_id().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.subscription.head().header(name)
    }

    /// Tweets so far.
    pub fn ids(&self) -> Vec<String> {
        let tweets = self.events.iter().filter(|event| event.data["eventType"] == "tweetEvent");
        tweets.map(|event| event.data["tweetId"].as_str().unwrap().to_owned()).collect()
    }

    pub fn named(&self, name: &str) -> Vec<serde_json::Value> {
        self.events.iter().filter(|event| event.data["eventType"] == name).map(|event| event.data.clone()).collect()
    }

    /// Reads until `done`, at most for a while.
    pub async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + WAIT;
        while !done(self) {
            assert!(self.open, "the stream ended before {what}: {:?}", self.events);
            let read = tokio::time::timeout_at(deadline, self.read()).await;
            assert!(read.is_ok(), "no {what} in time: {:?}", self.events);
        }
    }

    pub async fn until_tweets(&mut self, ids: &[&str]) {
        let wanted: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.until(&format!("tweets {ids:?}"), |stream| stream.ids().len() >= wanted.len()).await;
        assert_eq!(self.ids(), wanted);
    }

    pub async fn until_end(&mut self) {
        let deadline = tokio::time::Instant::now() + WAIT;
        while self.open {
            tokio::time::timeout_at(deadline, self.read()).await.expect("the stream ends in time");
        }
    }

    async fn read(&mut self) {
        let Self { subscription, events, retries, comments, .. } = self;
        let mut take = |item: Item<'_>| match item {
            Item::Event { kind, data, id } => events.push(Event {
                kind: kind.to_owned(),
                data: serde_json::from_str(data).unwrap(),
                id: id.to_owned(),
            }),
            Item::Retry(after) => retries.push(after),
            Item::Comment(text) => comments.push(text.to_owned()),
            _ => {}
        };
        self.open = subscription.read(&mut take).await.unwrap_or(false);
    }
}
