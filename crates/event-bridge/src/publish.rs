//! Tweets into Kafka, each acknowledged by all in-sync replicas before its caller is.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use contracts::{EventHeaders, Timestamp, Topic, TraceParent, Tweet};
use kafka_client::{
    BroadcastReader, ClusterWatch, Delivery, KafkaConfig, KafkaError, Layout, Producer, ReaderEvent, RecordPosition,
    SendError, TopicRecord,
};
use service_shell::Shutdown;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    conferences::{Conferences, MAX_CONFERENCES},
    error::Error,
};

/// How long the last records may take at shutdown, when no request waits for them any more.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// How often a full queue is tried again. The broker empties it in batches, thousands per second.
const RETRY: Duration = Duration::from_millis(5);

/// The way into the topic `tweets`.
pub(crate) struct Publisher {
    watch: ClusterWatch,
    /// There once the topic was found.
    producer: Arc<OnceLock<Producer>>,
    conferences: Arc<Conferences>,
    queue_wait: Duration,
}

/// What every record of a request has in common.
#[derive(Clone, Copy)]
pub(crate) struct Occasion {
    pub(crate) trace: TraceParent,
    pub(crate) now: Timestamp,
}

impl Publisher {
    /// Begins to look for the cluster and its topic; until they are found, everything is refused.
    pub(crate) fn start(config: &Config, shutdown: &Shutdown) -> Result<Self, KafkaError> {
        let prefix = config.topics.prefix.clone();
        let watch =
            ClusterWatch::start(&config.kafka, &prefix, &[Topic::Tweets, Topic::TweetAnalytics], shutdown.clients())?;
        let producer = Arc::new(OnceLock::new());
        let conferences = Arc::new(Conferences::new(MAX_CONFERENCES));
        let publisher = Self { watch, producer, conferences, queue_wait: config.limits.queue_wait };
        let (watch, producer) = (publisher.watch.clone(), Arc::clone(&publisher.producer));
        let (conferences, kafka) = (Arc::clone(&publisher.conferences), config.kafka.clone());
        let shutdown = shutdown.clone();
        let stop = shutdown.clients();
        let connect = move |layout: &Layout| {
            let reader = read_conferences(&kafka, &prefix, layout, stop.clone(), conferences)?;
            Ok::<_, KafkaError>((Producer::new(&kafka, &prefix, layout)?, reader))
        };
        tokio::spawn(async move {
            let Some(layout) = watch.layout().await else { return };
            match connect(&layout) {
                Ok((connected, _reader)) => {
                    let _ = producer.set(connected.clone());
                    let clients = shutdown.clients();
                    tokio::select! {
                        reason = connected.failed() => shutdown.fail(reason),
                        () = clients.cancelled() => {}
                    }
                }
                Err(error) => shutdown.fail(error.to_string()),
            }
        });
        Ok(publisher)
    }

    /// The conferences that exist.
    pub(crate) fn conferences(&self) -> &Conferences {
        &self.conferences
    }

    /// Whether records can be taken.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn ready(&self) -> Result<(), String> {
        self.usable().map(|_| ())
    }

    fn usable(&self) -> Result<&Producer, String> {
        self.watch.ready()?;
        self.producer.get().ok_or_else(|| "connecting".to_owned())
    }

    /// What records are sent with; refuses at once while there is nobody to take them.
    pub(crate) fn open(&self) -> Result<Sending<'_>, Error> {
        let producer = self.usable().map_err(Error::Unavailable)?;
        Ok(Sending { producer, patience: Instant::now() + self.queue_wait })
    }

    /// Waits until everything is acknowledged or given up.
    pub(crate) fn close(&self) {
        if let Some(producer) = self.producer.get()
            && let Err(error) = producer.flush(LAST_RECORDS)
        {
            tracing::warn!("at shutdown: {error}");
        }
    }
}

/// Learns which conferences exist from the topic that has one record for each.
fn read_conferences(
    kafka: &KafkaConfig,
    prefix: &str,
    layout: &Layout,
    stop: CancellationToken,
    conferences: Arc<Conferences>,
) -> Result<BroadcastReader, KafkaError> {
    BroadcastReader::start(kafka, Topic::TweetAnalytics.with_prefix(prefix), layout, stop, move |event| {
        if let ReaderEvent::Record(TopicRecord { key: Some(key), .. }) = event
            && let Ok(conference) = std::str::from_utf8(key)
        {
            conferences.learn(conference);
        }
    })
}

/// The sending of one request's records.
pub(crate) struct Sending<'a> {
    producer: &'a Producer,
    /// Until when a full queue is waited for: once for all records of the request.
    patience: Instant,
}

impl Sending<'_> {
    /// Hands `tweet` over. What is returned is ready when all in-sync replicas have it.
    pub(crate) async fn enqueue(&self, tweet: &Tweet, occasion: Occasion) -> Result<Delivery, SendError> {
        let headers = headers(tweet, occasion);
        loop {
            match self.producer.send(tweet, &headers) {
                Err(SendError::Busy) if Instant::now() < self.patience => {
                    sleep_until(self.patience.min(Instant::now() + RETRY)).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Hands `tweet` over and waits for the acknowledgement.
    pub(crate) async fn publish(&self, tweet: &Tweet, occasion: Occasion) -> Result<RecordPosition, SendError> {
        self.enqueue(tweet, occasion).await?.await
    }
}

fn headers(tweet: &Tweet, occasion: Occasion) -> EventHeaders {
    EventHeaders {
        // What identifies a tweet, so that a repeated delivery is the same event.
        id: format!("{}/{}", tweet.tag_filter, tweet.tweet_id),
        source: "/event-bridge",
        time: occasion.now,
        trace: Some(occasion.trace),
    }
}

/// Counts posts by what became of them.
pub(crate) fn count(outcome: &'static str, posts: usize) {
    if posts > 0 {
        metrics::counter!("event_bridge_posts_total", "outcome" => outcome).increment(posts as u64);
    }
}

/// Measures from handing over the first record of a request to the acknowledgement of its last.
pub(crate) fn observe(began: Instant) {
    metrics::histogram!("event_bridge_publish_seconds").record(began.elapsed().as_secs_f64());
}

pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "event_bridge_posts_total",
        "Posts by what became of them: accepted (acknowledged by Kafka), refused (4xx), unavailable (503)"
    );
    metrics::describe_histogram!(
        "event_bridge_publish_seconds",
        metrics::Unit::Seconds,
        "From handing a request's first record to Kafka to the acknowledgement of its last"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_delivery_is_the_same_event() {
        let tweet = Tweet { tweet_id: "17".into(), tag_filter: "rustconf".into(), ..Tweet::default() };
        let at =
            |millis| headers(&tweet, Occasion { trace: TraceParent::start(), now: Timestamp::from_millis(millis) });
        assert_eq!((at(1).id.as_str(), at(1).source), ("rustconf/17", "/event-bridge"));
        assert_eq!(at(1).id, at(2).id);
    }
}
