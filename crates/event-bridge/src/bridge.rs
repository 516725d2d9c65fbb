//! From posts to acknowledged tweets.

use std::sync::Arc;

use contracts::{InvalidField, Tweet};
use jiff::tz::TimeZone;
use kafka_client::{Delivery, SendError};
use service_shell::BadConfig;
use tokio::time::Instant;

use crate::{
    Config,
    answer::{BatchAnswer, ItemResult, Published},
    conferences::Admission,
    error::Error,
    post::{Post, Refusal},
    publish::{Occasion, Publisher, count, observe},
    rules::Rules,
    token::Token,
};

/// What all requests share.
pub(crate) struct Bridge {
    token: Token,
    rules: Rules,
    zone: TimeZone,
    body_bytes: usize,
    batch: usize,
    publisher: Arc<Publisher>,
}

impl Bridge {
    pub(crate) fn new(config: &Config, publisher: Arc<Publisher>) -> Result<Self, BadConfig> {
        Ok(Self {
            token: Token::new(&config.webhook.token),
            rules: config.rules()?,
            zone: config.zone()?,
            body_bytes: config.limits.body_bytes,
            batch: config.limits.batch,
            publisher,
        })
    }

    /// The token that callers bring.
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// The zone of times that name none.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The largest body.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// The most posts in one body.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// Publishes one post.
    ///
    /// # Errors
    /// Where it breaks a rule, or was not acknowledged.
    pub(crate) async fn publish(&self, post: Post, occasion: Occasion) -> Result<Published, Error> {
        let tweet = self.rules.tweet(post, occasion.now)?;
        let sending = self.publisher.open()?;
        let admission = self.publisher.conferences().admit(&tweet.tag_filter)?;
        let began = Instant::now();
        let position = sending.publish(&tweet, occasion).await.inspect_err(|error| {
            tracing::warn!(trace_id = occasion.trace.trace_id(), "a post was not taken: {error}");
        })?;
        admission.acknowledged();
        observe(began);
        Ok(Published::new(tweet.tweet_id, tweet.tag_filter, position))
    }

    fn admit(&self, post: Post, occasion: Occasion) -> Result<(Tweet, Admission<'_>), InvalidField> {
        let tweet = self.rules.tweet(post, occasion.now)?;
        let admission = self.publisher.conferences().admit(&tweet.tag_filter)?;
        Ok((tweet, admission))
    }

    /// Publishes several posts: all are handed over before the first acknowledgement is waited for.
    ///
    /// # Errors
    /// Where none was taken and Kafka is the reason: the caller had better send all of them again, later.
    pub(crate) async fn publish_all(
        &self,
        posts: Vec<Result<Post, Refusal>>,
        occasion: Occasion,
    ) -> Result<BatchAnswer, Error> {
        let began = Instant::now();
        let sending = self.publisher.open().inspect_err(|error| count(error.outcome(), posts.len()))?;
        let mut items = Vec::with_capacity(posts.len());
        for post in posts {
            let admitted = post.and_then(|post| Ok(self.admit(post, occasion)?));
            items.push(match admitted {
                Ok((tweet, admission)) => {
                    let delivery = sending.enqueue(&tweet, occasion).await;
                    Item::Sent { tweet_id: tweet.tweet_id, conference: tweet.tag_filter, admission, delivery }
                }
                Err(refusal) => Item::Refused(refusal),
            });
        }
        let mut results = Vec::with_capacity(items.len());
        let mut unavailable = None;
        for (index, item) in items.into_iter().enumerate() {
            results.push(match item.outcome().await {
                Outcome::Published(published) => ItemResult::published(index, published),
                Outcome::Refused(refusal) => ItemResult::refused(index, &refusal),
                Outcome::Unsent(error) => {
                    let error = Error::from(error);
                    let result = ItemResult::unsent(index, &error);
                    if result.is_unavailable() {
                        unavailable = Some(error);
                    }
                    result
                }
            });
        }
        observe(began);
        let answer = BatchAnswer::new(results);
        let unavailable_count = answer.count_unavailable();
        count("accepted", answer.accepted());
        count("unavailable", unavailable_count);
        count("refused", answer.refused() - unavailable_count);
        if let Some(error) = unavailable {
            let trace_id = occasion.trace.trace_id();
            tracing::warn!(trace_id, "{unavailable_count} posts of a batch were not taken: {error}");
            if answer.accepted() == 0 {
                return Err(error);
            }
        }
        Ok(answer)
    }
}

/// One post of a batch, on its way.
enum Item<'a> {
    Sent { tweet_id: String, conference: String, admission: Admission<'a>, delivery: Result<Delivery, SendError> },
    Refused(Refusal),
}

/// What became of it.
enum Outcome {
    Published(Published),
    Refused(Refusal),
    Unsent(SendError),
}

impl Item<'_> {
    async fn outcome(self) -> Outcome {
        let (tweet_id, conference, admission, delivery) = match self {
            Self::Refused(refusal) => return Outcome::Refused(refusal),
            Self::Sent { delivery: Err(error), .. } => return Outcome::Unsent(error),
            Self::Sent { tweet_id, conference, admission, delivery: Ok(delivery) } => {
                (tweet_id, conference, admission, delivery)
            }
        };
        match delivery.await {
            Ok(position) => {
                admission.acknowledged();
                Outcome::Published(Published::new(tweet_id, conference, position))
            }
            Err(error) => Outcome::Unsent(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use contracts::{Timestamp, TraceParent};
    use kafka_client::KafkaConfig;
    use service_shell::Shutdown;

    use super::*;

    #[tokio::test]
    async fn a_post_that_is_refused_for_want_of_a_broker_makes_no_conference() {
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let kafka = KafkaConfig { brokers: closed.to_string(), ..KafkaConfig::default() };
        let config = Config { kafka, ..Config::default() };
        let shutdown = Shutdown::new();
        let publisher = Arc::new(Publisher::start(&config, &shutdown).expect("a configuration"));
        let bridge = Bridge::new(&config, Arc::clone(&publisher)).expect("a configuration");
        let occasion = Occasion { trace: TraceParent::start(), now: Timestamp::from_millis(0) };
        for n in 0..=crate::conferences::MAX_CONFERENCES {
            let post = Post {
                text: Some("hi".into()),
                author: Some("ferris".into()),
                tag_filter: Some(format!("c{n}")),
                ..Post::default()
            };
            let refused = bridge.publish(post, occasion).await.expect_err("no broker");
            assert!(matches!(refused, Error::Unavailable(_)), "{n}: {refused}");
        }
        shutdown.close_clients();
    }
}
