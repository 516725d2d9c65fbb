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
        let tweet = self.tweet(post, occasion)?;
        let sending = self.publisher.open()?;
        let began = Instant::now();
        let position = sending.publish(&tweet, occasion).await.inspect_err(|error| {
            tracing::warn!(trace_id = occasion.trace.trace_id(), "a post was not taken: {error}");
        })?;
        observe(began);
        Ok(Published::new(tweet.tweet_id, tweet.tag_filter, position))
    }

    fn tweet(&self, post: Post, occasion: Occasion) -> Result<Tweet, InvalidField> {
        let tweet = self.rules.tweet(post, occasion.now)?;
        self.publisher.conferences().admit(&tweet.tag_filter)?;
        Ok(tweet)
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
            let tweet = post.and_then(|post| Ok(self.tweet(post, occasion)?));
            items.push(match tweet {
                Ok(tweet) => {
                    let delivery = sending.enqueue(&tweet, occasion).await;
                    Item::Sent { tweet_id: tweet.tweet_id, conference: tweet.tag_filter, delivery }
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
enum Item {
    Sent { tweet_id: String, conference: String, delivery: Result<Delivery, SendError> },
    Refused(Refusal),
}

/// What became of it.
enum Outcome {
    Published(Published),
    Refused(Refusal),
    Unsent(SendError),
}

impl Item {
    async fn outcome(self) -> Outcome {
        let (tweet_id, conference, delivery) = match self {
            Self::Refused(refusal) => return Outcome::Refused(refusal),
            Self::Sent { delivery: Err(error), .. } => return Outcome::Unsent(error),
            Self::Sent { tweet_id, conference, delivery: Ok(delivery) } => (tweet_id, conference, delivery),
        };
        match delivery.await {
            Ok(position) => Outcome::Published(Published::new(tweet_id, conference, position)),
            Err(error) => Outcome::Unsent(error),
        }
    }
}
