//! Configuration of event-bridge.

use std::time::Duration;

use contracts::Conference;
use jiff::tz::TimeZone;
use kafka_client::{KafkaConfig, TopicsConfig};
use serde::{Deserialize, Serialize};
use service_shell::{BadConfig, HttpConfig, LogConfig, Secret, ServiceConfig};

use crate::{conferences::MAX_CONFERENCES, rules::Rules};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub http: HttpConfig,
    /// How to reach Kafka.
    pub kafka: KafkaConfig,
    /// The names of topics.
    pub topics: TopicsConfig,
    /// Logging.
    pub log: LogConfig,
    /// Who may post.
    pub webhook: WebhookConfig,
    /// What IFTTT leaves open.
    pub ifttt: IftttConfig,
    /// Which posts are taken.
    pub posts: PostsConfig,
    /// How much is taken at once.
    pub limits: LimitsConfig,
}

/// Section `webhook`: who may post.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// The token that every post brings, as `Authorization: Bearer …`, `X-Webhook-Token: …` or `?token=…`. Without one,
    /// everyone may post, and the service listens on loopback only.
    pub token: Secret,
}

/// Section `ifttt`: what IFTTT leaves open.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IftttConfig {
    /// The time zone of the IFTTT account (profile settings), in which it writes times; an IANA name such as
    /// `Europe/Amsterdam`.
    pub zone: String,
}

/// Section `posts`: which posts are taken.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostsConfig {
    /// The conferences that are taken; empty: any.
    #[serde(deserialize_with = "service_shell::comma_separated")]
    pub conferences: Vec<String>,
    /// The hashtags by which a post without `tagFilter` finds its conference, the most important one first; empty: the
    /// conferences.
    #[serde(deserialize_with = "service_shell::comma_separated")]
    pub hashtags: Vec<String>,
    /// The longest text, in characters.
    pub text_chars: usize,
    /// The longest author, in characters.
    pub author_chars: usize,
}

/// Section `limits`: how much is taken at once.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// The most posts in one body.
    pub batch: usize,
    /// How long a batch may wait for room in the queue to the broker before the rest of it is refused.
    #[serde(with = "humantime_serde")]
    pub queue_wait: Duration,
}

impl Default for IftttConfig {
    fn default() -> Self {
        Self { zone: "UTC".to_owned() }
    }
}

impl Default for PostsConfig {
    fn default() -> Self {
        Self { conferences: Vec::new(), hashtags: Vec::new(), text_chars: 10_000, author_chars: 200 }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { body_bytes: 1024 * 1024, batch: 1_000, queue_wait: Duration::from_secs(2) }
    }
}

impl ServiceConfig for Config {
    fn http(&self) -> &HttpConfig {
        &self.http
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn check(&self) -> Result<(), BadConfig> {
        self.kafka.check().map_err(|bad| BadConfig::new(bad.to_string()))?;
        self.zone()?;
        self.rules()?;
        // A character has at most 4 bytes in JSON here, and the broker takes records of 1,000,000.
        within("posts.text_chars", self.posts.text_chars, 100_000)?;
        within("posts.author_chars", self.posts.author_chars, 1_000)?;
        within("limits.body_bytes", self.limits.body_bytes, 64 * 1024 * 1024)?;
        // So that one batch always fits into the producer's queue of 100,000.
        within("limits.batch", self.limits.batch, 50_000)
    }

    fn missing_secret(&self) -> Option<&'static str> {
        self.webhook.token.expose().is_none().then_some("webhook.token")
    }
}

impl Config {
    /// The zone of times that name none.
    pub(crate) fn zone(&self) -> Result<TimeZone, BadConfig> {
        let zone = &self.ifttt.zone;
        TimeZone::get(zone).map_err(|_| {
            BadConfig::new(format!("ifttt.zone: {zone:?} is no IANA time zone such as Europe/Amsterdam or UTC"))
        })
    }

    /// What is taken.
    pub(crate) fn rules(&self) -> Result<Rules, BadConfig> {
        let posts = &self.posts;
        let conferences = conferences("posts.conferences", &posts.conferences)?;
        let hashtags = conferences_of_hashtags(&posts.hashtags, &conferences)?;
        Ok(Rules::new(conferences, hashtags, posts.text_chars, posts.author_chars))
    }
}

fn conferences(option: &str, names: &[String]) -> Result<Vec<Conference>, BadConfig> {
    if names.len() > MAX_CONFERENCES {
        return Err(BadConfig::new(format!("{option}: has {} entries, at most {MAX_CONFERENCES}", names.len())));
    }
    let parse = |name: &String| {
        Conference::parse(name).map_err(|refused| BadConfig::new(format!("{option}: {name:?} {}", refused.reason)))
    };
    names.iter().map(parse).collect()
}

/// A hashtag whose conference is not taken would only ever lead to refusals.
fn conferences_of_hashtags(names: &[String], taken: &[Conference]) -> Result<Vec<Conference>, BadConfig> {
    let hashtags = conferences("posts.hashtags", names)?;
    match hashtags.iter().find(|hashtag| !taken.is_empty() && !taken.contains(hashtag)) {
        Some(other) => Err(BadConfig::new(format!("posts.hashtags: {other} is not one of posts.conferences"))),
        None => Ok(hashtags),
    }
}

fn within(option: &str, value: usize, max: usize) -> Result<(), BadConfig> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(BadConfig::new(format!("{option}: is {value}, must be from 1 to {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Config, BadConfig> {
        let variables = variables.iter().map(|(name, value)| (format!("LIVEWALL_{name}"), (*value).to_owned()));
        service_shell::load("event-bridge-test", None, variables)
    }

    #[test]
    fn the_defaults_are_good_and_open_to_loopback_only() {
        let config = with(&[]).expect("defaults");
        assert_eq!(config.missing_secret(), Some("webhook.token"));
        assert_eq!(config.zone().expect("a zone"), TimeZone::UTC);
    }

    #[test]
    fn everything_is_set_by_the_environment() {
        let config = with(&[
            ("WEBHOOK__TOKEN", "hunter2"),
            ("IFTTT__ZONE", "Europe/Amsterdam"),
            ("POSTS__CONFERENCES", "RustConf, kafkaconf"),
            ("POSTS__HASHTAGS", "#kafkaconf"),
            ("LIMITS__BATCH", "5"),
            ("LIMITS__QUEUE_WAIT", "250ms"),
        ])
        .expect("a configuration");
        assert_eq!(config.missing_secret(), None);
        assert_eq!((config.limits.batch, config.limits.queue_wait), (5, Duration::from_millis(250)));
        assert_eq!(config.posts.conferences, ["RustConf", "kafkaconf"]);
    }

    #[test]
    fn a_bad_value_is_named() {
        for (variable, value, line) in [
            ("IFTTT__ZONE", "Mars/Base", "configuration: ifttt.zone: \"Mars/Base\" is no IANA time zone"),
            ("POSTS__CONFERENCES", "a b", "configuration: posts.conferences: \"a b\" has a character at byte 1"),
            ("LIMITS__BATCH", "0", "configuration: limits.batch: is 0, must be from 1 to 50000"),
            ("POSTS__TEXT_CHARS", "100001", "configuration: posts.text_chars: is 100001, must be from 1 to 100000"),
            ("KAFKA__PROPERTIES__acks", "1", "configuration: kafka.properties.acks: may not be set"),
        ] {
            let refused = with(&[(variable, value)]).expect_err(variable).to_string();
            assert!(refused.starts_with(line), "{refused}");
        }
        let refused = with(&[("POSTS__CONFERENCES", "a"), ("POSTS__HASHTAGS", "a,b")]).expect_err("b").to_string();
        assert_eq!(refused, "configuration: posts.hashtags: b is not one of posts.conferences");
    }
}
