//! Handing likes to Kafka.

use std::{sync::OnceLock, time::Duration};

use contracts::{Conference, EventHeaders, Timestamp, Topic, TraceParent, TweetId, TweetLike, VisitorId};
use kafka_client::{ClusterWatch, Producer};
use service_shell::Shutdown;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Config, catalogue::Catalogue, error::Error};

/// At shutdown, what was handed over already may take this long to be acknowledged.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// What a visitor says of a tweet.
pub(crate) struct Opinion {
    pub(crate) visitor: VisitorId,
    pub(crate) tweet: TweetId,
    /// The only conference that is meant; all of the tweet's where it is `None`.
    pub(crate) conference: Option<Conference>,
    pub(crate) liked: bool,
    pub(crate) at: Timestamp,
    pub(crate) trace: TraceParent,
}

impl Opinion {
    /// The record for one conference.
    fn record(&self, conference: &Conference) -> TweetLike {
        TweetLike {
            tweet_id: self.tweet.to_string(),
            conference: conference.to_string(),
            visitor_id: self.visitor.to_string(),
            liked: self.liked,
            at: Some(self.at),
        }
    }

    fn headers(&self) -> EventHeaders {
        // Each request is an event of its own: that it may change nothing is the reader's to find out.
        EventHeaders { id: Uuid::new_v4().to_string(), source: "/likes", time: self.at, trace: Some(self.trace) }
    }
}

/// The Kafka side of the service: unconnected at first, and then for good.
pub(crate) struct Publisher {
    watch: ClusterWatch,
    connected: OnceLock<Connected>,
}

struct Connected {
    producer: Producer,
    catalogue: Catalogue,
}

impl Publisher {
    /// Begins to look for the cluster and its topics; until they are found, everything is refused.
    pub(crate) fn start(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let topics = [Topic::Tweets, Topic::TweetLikes];
        let watch = ClusterWatch::start(&config.kafka, &config.topics.prefix, &topics, shutdown.clients())?;
        Ok(Self { watch, connected: OnceLock::new() })
    }

    /// Connects when the topics have been found, and then watches over the reader. Ends with the clients.
    pub(crate) async fn connect(&self, config: Config, shutdown: Shutdown) {
        let Some(layout) = self.watch.layout().await else { return };
        let (kafka, prefix) = (&config.kafka, &config.topics.prefix);
        let connected = Producer::new(kafka, prefix, &layout).and_then(|producer| {
            let catalogue = Catalogue::start(kafka, prefix, &layout, config.tweets.patience, shutdown.clients())?;
            Ok(Connected { producer, catalogue })
        });
        let connected = match connected {
            Ok(connected) => self.connected.get_or_init(|| connected),
            Err(error) => return shutdown.fail(error.to_string()),
        };
        let clients = shutdown.clients();
        let reason = tokio::select! {
            reason = connected.catalogue.failure() => reason,
            reason = connected.producer.failed() => Some(reason),
            () = clients.cancelled() => None,
        };
        if let Some(reason) = reason {
            shutdown.fail(reason);
        }
    }

    /// Whether likes can be taken.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn broker_ready(&self) -> Result<(), String> {
        self.usable().map(|_| ())
    }

    /// Whether everything that stood on `tweets` at the start has been read.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn tweets_ready(&self) -> Result<(), String> {
        self.connected.get().map_or_else(|| Err("connecting".to_owned()), |connected| connected.catalogue.ready())
    }

    fn usable(&self) -> Result<&Connected, String> {
        self.watch.ready()?;
        self.connected.get().ok_or_else(|| "connecting".to_owned())
    }

    /// Writes one record per conference; returns the conferences when all of them are acknowledged.
    pub(crate) async fn publish(&self, opinion: &Opinion) -> Result<Vec<Conference>, Error> {
        let Connected { producer, catalogue } = self.usable().map_err(Error::Unavailable)?;
        let conferences = catalogue.find(&opinion.tweet, opinion.conference.as_ref()).await?;
        let began = Instant::now();
        // All are handed over before the first is waited for. Where one fails the request fails as a whole, and is sent
        // again as a whole: a repeated like changes nothing.
        let mut deliveries = Vec::with_capacity(conferences.len());
        for conference in &conferences {
            deliveries.push(producer.send(&opinion.record(conference), &opinion.headers())?);
        }
        for delivery in deliveries {
            delivery.await?;
        }
        metrics::histogram!("likes_publish_seconds").record(began.elapsed().as_secs_f64());
        Ok(conferences)
    }

    /// Waits until everything is acknowledged or given up, and for the reader's end.
    pub(crate) fn close(&self) {
        let Some(connected) = self.connected.get() else { return };
        if let Err(error) = connected.producer.flush(LAST_RECORDS) {
            tracing::warn!("at shutdown: {error}");
        }
        connected.catalogue.close();
    }
}

pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "likes_total",
        "Requests to like or no longer like, by outcome: liked, unliked (acknowledged by Kafka), no_visitor, \
         unknown_tweet, refused (other 4xx), undecided, unavailable (503)"
    );
    metrics::describe_histogram!(
        "likes_publish_seconds",
        metrics::Unit::Seconds,
        "From handing a request's first record to Kafka to the acknowledgement of its last"
    );
}
